// At the door: the chair has been told, who I am, and how I look and sound while I wait.
import { useEffect, useState } from "preact/hooks";
import { clock, t } from "../live/words";
import { meter } from "../media/meter";
import { useRoom, useSnapshot } from "./context";
import { Icon } from "./icons";
import { ChairOffer } from "./notices";
import { initials } from "./select";
import { Video } from "./tile";

export function WaitingRoom() {
  const room = useRoom();
  const { me, consilium } = useSnapshot();
  const officer = me.admission === "admitted";
  const key = me.admission === "denied" ? "denied" : officer ? "early" : consilium.status === "open" ? "told" : "not_open";
  return (
    <main class="waiting-room" id="stage" tabIndex={-1} data-testid="lobby" data-state={me.admission}>
      <div class="card">
        <div class="body stack">
          <div>
            <h1>{t(`room.waiting.${key}.title`)}</h1>
            <p role="status">{t(`room.waiting.${key}.text`, { reason: me.denied_reason ?? "" })}</p>
          </div>
          <dl class="facts">
            <dt>{t("room.waiting.who")}</dt><dd><strong>{me.name}</strong><br />{t(`role.${me.role}`)}</dd>
            <dt>{t("room.waiting.where")}</dt>
            <dd>{t("room.title", { number: consilium.number })}<br />{t("room.begins", { time: clock(consilium.scheduled_at) })}</dd>
          </dl>
          {me.role !== "observer" && <Preview />}
          <ChairOffer />
          <div class="actions">
            <button type="button" data-testid="leave" onClick={() => void room.leave()}>{t("room.leave")}</button>
          </div>
        </div>
      </div>
    </main>
  );
}

function Preview() {
  const { capture } = useRoom();
  const camera = capture.camera.value;
  const mic = capture.micOn.value;
  const { me } = useSnapshot();
  const { trouble } = capture;
  return (
    <div class="preview">
      <div class="tile">
        {camera ? <Video track={camera} mirrored label={t("room.preview")} /> : <span class="tile-initials" aria-hidden="true">{initials(me.name)}</span>}
      </div>
      <div class="stack tight">
        <div class="actions">
          <button type="button" aria-pressed={mic} data-testid="mic" data-state={mic ? "on" : "off"} onClick={() => void capture.setMic(!mic)}>
            <Icon name={mic ? "mic" : "micOff"} /> {t(mic ? "room.mic_on" : "room.mic_off")}
          </button>
          <button type="button" aria-pressed={camera !== null} data-testid="camera" data-state={camera ? "on" : "off"} onClick={() => void capture.setCamera(!camera)}>
            <Icon name={camera ? "camera" : "cameraOff"} /> {t(camera ? "room.camera_on" : "room.camera_off")}
          </button>
        </div>
        <Level />
        {trouble.value.mic && <p class="note warn small">{t(`media.trouble.mic.${trouble.value.mic}`)}</p>}
        {trouble.value.camera && <p class="note warn small">{t(`media.trouble.camera.${trouble.value.camera}`)}</p>}
      </div>
    </div>
  );
}

export function Level() {
  const { capture } = useRoom();
  const track = capture.micOn.value ? capture.mic.value : null;
  const [level, setLevel] = useState(0);
  useEffect(() => {
    if (!track) return setLevel(0);
    const running = meter(track, setLevel);
    return () => running.stop();
  }, [track]);
  return <meter class="level" min={0} max={1} value={level} aria-label={t("media.level")} />;
}
