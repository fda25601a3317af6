// The recording: asked for by the chair, agreed to by everybody, marked for all the time it runs (RM-14, RM-15).
import { clock, size, t } from "../live/words";
import type { Snapshot } from "../live/wire";
import { ask } from "./ask";
import { useRoom, useSnapshot } from "./context";
import { mark, proof } from "./recorded";
import type { Room } from "./room";
import { may, nameAt } from "./select";

/** The chair asks; everybody else is asked. */
export function askForRecording(room: Room): void {
  ask({
    title: t("room.recording.ask.title"), text: t("room.recording.ask.text"), action: t("room.recording.ask.action"),
    reason: t("room.recording.ground"), run: (ground) => room.act("recording.ask", { ground }),
  });
}

export function change(room: Room, snapshot: Snapshot): void {
  const chair = may(snapshot, "record");
  const key = chair ? "stop" : "withdraw";
  ask({
    title: t(`room.recording.${key}.title`), text: t(`room.recording.${key}.text`), action: t(`room.recording.${key}.action`), danger: true,
    run: () => (chair ? room.act("recording.stop") : room.act("recording.answer", { agrees: false })),
  });
}

/** In the top line, for everybody, for as long as there is a recording. */
export function RecordingMark() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const proved = proof.value;
  const state = mark(snapshot, proved ? Date.parse(proved.at) : null, room.now.value);
  if (!state || !snapshot.recording) return null;
  const bad = state === "interrupted" || state === "unproved";
  const title = proved && state === "running"
    ? t("room.recording.proof", { size: size(proved.bytes), time: clock(proved.at) })
    : t(`room.recording.why.${state}`);
  return (
    <button type="button" class={`badge recording ${bad || state === "running" ? "bad" : "warn"}`} data-testid="recording" data-state={state}
      title={title} onClick={() => change(room, snapshot)}>
      {t(`room.recording.${state}`)}
    </button>
  );
}

/** The question to whoever has not agreed. */
export function RecordingOffer() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { recording, me } = snapshot;
  if (!recording || !["asked", "running", "paused"].includes(recording.status)) return null;
  if (recording.agreed === null && recording.awaited.includes(me.seat)) {
    const answer = (agrees: boolean) => () => void room.act("recording.answer", { agrees });
    return (
      <div class="room-offer" role="alert" data-testid="recording-offer">
        <span>{t("room.recording.offer", { name: nameAt(snapshot, recording.asked_by) ?? "", ground: recording.ground })}</span>
        <button type="button" class="primary" data-testid="recording-agree" onClick={answer(true)}>{t("room.recording.agree")}</button>
        <button type="button" data-testid="recording-refuse" onClick={answer(false)}>{t("room.recording.refuse")}</button>
      </div>
    );
  }
  if (!may(snapshot, "record") || recording.awaited.length === 0) return null;
  const names = recording.awaited.map((seat) => nameAt(snapshot, seat) ?? "").join(", ");
  return <div class="room-offer" role="status" data-testid="recording-awaited"><span>{t("room.recording.awaited", { names })}</span></div>;
}
