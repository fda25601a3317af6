// The bottom line: my devices, my hand, the one next step, the door.
import type { ComponentChildren } from "preact";
import { t } from "../live/words";
import { SHOWN } from "../live/wire";
import { ask } from "./ask";
import { useRoom, useSnapshot } from "./context";
import { focusOn } from "./focus";
import { Icon, type IconName } from "./icons";
import { keyOf } from "./keys";
import { primary, type Primary } from "./primary";
import { mark } from "./recorded";
import { askForRecording } from "./recording";
import type { Room, Side } from "./room";
import { may, myHand } from "./select";

interface ToggleProps {
  icon: IconName;
  label: string;
  on: boolean;
  id: string;
  press: () => void;
  children?: ComponentChildren;
}

function Toggle({ icon, label, on, id, press, children }: ToggleProps) {
  const key = keyOf(id);
  return (
    <button type="button" class={`bar-toggle${on ? " on" : ""}`} aria-pressed={on} data-testid={id} data-state={on ? "on" : "off"}
      aria-keyshortcuts={key} title={key ? `${label} (${key})` : label} onClick={press}>
      <Icon name={icon} />
      <span class="bar-label">{label}</span>
      {children}
    </button>
  );
}

export function Bar() {
  const room = useRoom();
  const snapshot = useSnapshot();
  return (
    <footer class="room-bar" aria-label={t("room.bar")}>
      <div class="bar-group">{may(snapshot, "publish") && <Devices />}</div>
      <Next />
      <div class="bar-group end">
        {may(snapshot, "record") && !mark(snapshot, null, 0) && (
          <span class="wide-only">
            <Toggle id="record" icon="record" on={false} press={() => askForRecording(room)} label={t("room.recording.short")} />
          </span>
        )}
        <Panels />
        <button type="button" class="bar-toggle" data-testid="help" aria-keyshortcuts="?" title={`${t("room.keys.title")} (?)`}
          onClick={() => { room.help.value = true; }}>
          <Icon name="keys" /><span class="bar-label">{t("room.keys.short")}</span>
        </button>
        <button type="button" class="danger" data-testid="leave" onClick={() => void room.leave()}>
          <Icon name="leave" /><span class="bar-label">{t("room.leave")}</span>
        </button>
      </div>
    </footer>
  );
}

/** The first screen at one press; with more shown, or on a small screen, everything that can be shown is listed. */
export function share(room: Room): void {
  const { capture } = room;
  const more = SHOWN.some((source) => source !== "screen" && capture[source].value !== null);
  if (more || !matchMedia("(min-width: 640px)").matches) room.showing.value = true;
  else void capture.setScreen(capture.screen.value === null);
}

function Devices() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { capture } = room;
  const mic = capture.micOn.value;
  const camera = capture.camera.value !== null;
  const shown = SHOWN.filter((source) => capture[source].value !== null).length;
  const hand = Boolean(myHand(snapshot));
  const { trouble } = capture;
  return (
    <>
      <Toggle id="mic" icon={mic ? "mic" : "micOff"} on={mic} press={() => void capture.setMic(!mic)}
        label={t(trouble.value.mic ? `media.trouble.mic.${trouble.value.mic}` : mic ? "room.mic_on" : "room.mic_off")} />
      <Toggle id="camera" icon={camera ? "camera" : "cameraOff"} on={camera} press={() => void capture.setCamera(!camera)}
        label={t(trouble.value.camera ? `media.trouble.camera.${trouble.value.camera}` : camera ? "room.camera_on" : "room.camera_off")} />
      {may(snapshot, "share") && (
        <Toggle id="share" icon="screen" on={shown > 0} press={() => share(room)} label={t(shown > 0 ? "room.share_on" : "room.share_off")}>
          {shown > 1 && <span class="count">{shown}</span>}
        </Toggle>
      )}
      {may(snapshot, "share") && (
        <span class="wide-only">
          <Toggle id="show-more" icon="plus" on={room.showing.value} press={() => { room.showing.value = true; }} label={t("room.showing.title")} />
        </span>
      )}
      {may(snapshot, "hand") && (
        <Toggle id="hand" icon="hand" on={hand} label={t(hand ? "room.next.lower_hand" : "room.next.raise_hand")}
          press={() => void room.act(hand ? "hand.lower" : "hand.raise", hand ? {} : { point_of_order: false })} />
      )}
    </>
  );
}

function Panels() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const toggle = (side: Side): void => {
    const shown = room.sideOpen.value && room.side.value === side;
    room.sideOpen.value = !shown;
    room.side.value = side;
  };
  const shows = (side: Side): boolean => room.sideOpen.value && room.side.value === side;
  return (
    <>
      {may(snapshot, "admit") && snapshot.lobby.length > 0 && (
        <Toggle id="lobby-badge" icon="door" on={shows("lobby")} press={() => toggle("lobby")} label={t("room.lobby.count", { count: snapshot.lobby.length })}>
          <span class="count alert" data-testid="lobby-count">{snapshot.lobby.length}</span>
        </Toggle>
      )}
      <span class="narrow-only"><Toggle id="agenda-toggle" icon="list" on={shows("agenda")} press={() => toggle("agenda")} label={t("room.agenda")} /></span>
      <Toggle id="people-toggle" icon="people" on={shows("people")} press={() => toggle("people")} label={t("room.tab.people")} />
      <Toggle id="chat-toggle" icon="chat" on={shows("chat")} press={() => toggle("chat")} label={t("room.tab.chat")}>
        {room.unread.value > 0 && <span class="count">{room.unread.value}</span>}
      </Toggle>
    </>
  );
}

/** Does the next step, or says why it cannot be done now. */
export async function take(room: Room, next: Primary): Promise<void> {
  const { step } = next;
  if (next.blocked) return room.say(t(next.blocked.key, next.blocked.values));
  if (step.do === "look") {
    await room.look(step.at, step.focus === "ballot");
    if (step.focus) focusOn(step.focus);
    return;
  }
  if (step.do === "open") {
    window.open(step.href, "_blank", "noopener");
    return;
  }
  const run = async (): Promise<void> => {
    if ((await room.act(step.name, step.fields)) && step.then) await room.look(step.then);
  };
  if (!step.confirm) return run();
  const [title, text] = [`room.${step.confirm}.title`, `room.${step.confirm}.text`];
  ask({ title: t(title, next.values), text: t(text, next.values), action: t(`room.next.${next.key}`, next.values), run });
}

function Next() {
  const room = useRoom();
  const next = primary(useSnapshot());
  if (!next) return <div class="bar-next" />;
  const { blocked, step } = next;
  const busy = step.do === "command" && room.busy.value.has(step.name);
  return (
    <div class="bar-next">
      <button type="button" class="primary large" data-testid="primary" data-action={next.key} aria-disabled={Boolean(blocked)}
        aria-describedby={blocked ? "primary-why" : undefined} aria-busy={busy} aria-keyshortcuts="N" onClick={() => void take(room, next)}>
        {t(`room.next.${next.key}`, next.values)}
      </button>
      {blocked && <span id="primary-why" class="small" data-testid="primary-why">{t(blocked.key, blocked.values)}</span>}
    </div>
  );
}
