// Everything that can be shown besides the face: up to three screens, and a second camera for an instrument.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../live/words";
import type { Shown } from "../live/wire";
import { loadChoice } from "../media/choice";
import { SCREENS, type ScreenSource } from "../media/capture";
import { useRoom } from "./context";
import { Video } from "./tile";

export function Showing() {
  return useRoom().showing.value ? <Dialog /> : null;
}

function Dialog() {
  const room = useRoom();
  const dialog = useRef<HTMLDialogElement>(null);
  const shared = SCREENS.filter((one) => room.capture[one].value !== null);
  const next = SCREENS.find((one) => room.capture[one].value === null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="wide" aria-labelledby="showing-title" data-testid="showing" onClose={() => { room.showing.value = false; }}>
      <div class="body stack">
        <h2 id="showing-title">{t("room.showing.title")}</h2>
        <section class="stack tight" aria-labelledby="showing-screens">
          <h3 id="showing-screens">{t("room.showing.screens")}</h3>
          {shared.map((one) => <Row key={one} source={one} stop={() => void room.capture.setScreen(false, one)} />)}
          {next && <Add source={next} first={shared.length === 0} />}
          {room.capture.trouble.value[next ?? "screen"] && <p class="note warn" role="alert">{t("media.trouble.screen")}</p>}
        </section>
        <Instrument />
        <div class="actions"><button type="button" class="primary" onClick={() => dialog.current?.close()}>{t("room.close")}</button></div>
      </div>
    </dialog>
  );
}

function Row({ source, stop }: { source: Shown; stop: () => void }) {
  const track = useRoom().capture[source].value;
  if (!track) return null;
  const label = t(`room.showing.${source}`);
  return (
    <div class="showing-row" data-testid={`showing-${source}`}>
      <div class="tile screen"><Video track={track} label={label} /></div>
      <strong>{label}</strong>
      <button type="button" data-testid={`stop-${source}`} onClick={stop}>{t("room.showing.stop")}</button>
    </div>
  );
}

function Add({ source, first }: { source: ScreenSource; first: boolean }) {
  const { capture } = useRoom();
  if (!navigator.mediaDevices || !("getDisplayMedia" in navigator.mediaDevices)) {
    return <p class="quiet">{t("room.showing.no_screens")}</p>;
  }
  return (
    <div>
      <button type="button" data-testid="add-screen" onClick={() => void capture.setScreen(true, source)}>
        {t(first ? "room.share_off" : "room.showing.one_more")}
      </button>
    </div>
  );
}

function Instrument() {
  const { capture } = useRoom();
  const cameras = capture.devices.value.filter((one) => one.kind === "videoinput" && one.deviceId);
  const face = loadChoice().camera;
  const [chosen, choose] = useState(loadChoice().camera2 ?? "");
  const device = cameras.find((one) => one.deviceId === chosen) ?? cameras.find((one) => one.deviceId !== face) ?? cameras[0];
  const trouble = capture.trouble.value.camera2;
  useEffect(() => void capture.list(), [capture]);
  return (
    <section class="stack tight" aria-labelledby="showing-instrument">
      <h3 id="showing-instrument">{t("room.showing.camera2")}</h3>
      <p class="quiet">{t("room.showing.camera2_about")}</p>
      <Row source="camera2" stop={() => void capture.setInstrument(null)} />
      {cameras.length === 0 ? <p class="note">{t("media.trouble.camera.absent")}</p> : capture.camera2.value === null && (
        <div class="showing-choice">
          <div>
            <label for="choose-camera2">{t("room.check.which_camera")}</label>
            <select id="choose-camera2" data-testid="choose-camera2" onChange={(event) => choose(event.currentTarget.value)}>
              {cameras.map((one, at) => (
                <option key={one.deviceId} value={one.deviceId} selected={one === device}>{one.label || t("room.check.device", { number: at + 1 })}</option>
              ))}
            </select>
          </div>
          <button type="button" data-testid="add-camera2" onClick={() => void capture.setInstrument(device?.deviceId ?? null)}>{t("room.showing.start")}</button>
        </div>
      )}
      {trouble && <p class="note warn" role="alert">{t(`media.trouble.camera.${trouble}`)}</p>}
    </section>
  );
}
