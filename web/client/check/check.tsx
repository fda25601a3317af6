// Before the room: am I seen, am I heard, do I hear, and does the path to the relay carry it.
import { useEffect, useState } from "preact/hooks";
import { t } from "../live/words";
import type { Capture } from "../media/capture";
import { loadChoice, qualityOf, saveChoice, type PictureQuality } from "../media/choice";
import { meter } from "../media/meter";
import { Icon } from "../room/icons";
import { Video } from "../room/tile";
import { browserOf } from "./guidance";
import { Path } from "./path";
import { playTone } from "./tone";

const SILENT_AFTER = 6_000; // milliseconds an open microphone may hear nothing before that is said
const HEARD = 0.12;

export function Check({ capture, consilium }: { capture: Capture; consilium: string }) {
  return (
    <div class="check stack">
      <Camera capture={capture} />
      <Microphone capture={capture} />
      <Speaker capture={capture} />
      <Path capture={capture} consilium={consilium} />
      <div class="actions">
        <a class="button primary large" href={`/room/${consilium}`} data-testid="enter">{t("room.check.enter")}</a>
        <a class="button" href={`/consilia/${consilium}`}>{t("room.to_consilium")}</a>
      </div>
    </div>
  );
}

function Choose({ capture, kind, label, chosen, pick }: {
  capture: Capture; kind: MediaDeviceKind; label: string; chosen: string | undefined; pick: (id: string) => void;
}) {
  const found = capture.devices.value.filter((one) => one.kind === kind && one.deviceId);
  if (found.length === 0) return null;
  const id = `choose-${kind}`;
  return (
    <div>
      <label for={id}>{label}</label>
      <select id={id} data-testid={id} onChange={(event) => pick(event.currentTarget.value)}>
        {found.map((one, at) => (
          <option key={one.deviceId} value={one.deviceId} selected={one.deviceId === chosen}>
            {one.label || t("room.check.device", { number: at + 1 })}
          </option>
        ))}
      </select>
    </div>
  );
}

function Trouble({ what, capture }: { what: "mic" | "camera"; capture: Capture }) {
  const trouble = capture.trouble.value[what];
  if (!trouble) return null;
  return (
    <div class="note warn" role="alert" data-testid={`trouble-${what}`} data-state={trouble}>
      <p>{t(`media.trouble.${what}.${trouble}`)}</p>
      {trouble === "denied" && <p>{t(`room.check.allow.${browserOf(navigator.userAgent)}`)}</p>}
      <button type="button" class="bare" onClick={() => void (what === "mic" ? capture.setMic(true) : capture.setCamera(true))}>{t("room.check.again")}</button>
    </div>
  );
}

function Camera({ capture }: { capture: Capture }) {
  const track = capture.camera.value;
  return (
    <section class="card" aria-labelledby="camera-title">
      <header><h2 id="camera-title">{t("room.check.camera")}</h2></header>
      <div class="body check-row">
        <div class="tile" data-testid="preview" data-state={track ? "on" : "off"}>
          {track ? <Video track={track} mirrored label={t("room.preview")} /> : <Icon name="cameraOff" />}
        </div>
        <div class="stack tight">
          <Choose capture={capture} kind="videoinput" label={t("room.check.which_camera")} chosen={loadChoice().camera} pick={(id) => void capture.choose("camera", id)} />
          <div>
            <label for="choose-quality">{t("room.check.quality")}</label>
            <select id="choose-quality" data-testid="choose-quality"
              onChange={(event) => void capture.chooseQuality(event.currentTarget.value as PictureQuality)}>
              {(["high", "usual", "low"] as const).map((one) => (
                <option key={one} value={one} selected={one === qualityOf(loadChoice())}>{t(`room.check.quality_${one}`)}</option>
              ))}
            </select>
          </div>
          <button type="button" aria-pressed={track !== null} data-testid="camera" onClick={() => void capture.setCamera(track === null)}>
            {t(track ? "room.check.camera_off" : "room.check.camera_on")}
          </button>
          <Trouble what="camera" capture={capture} />
        </div>
      </div>
    </section>
  );
}

function Microphone({ capture }: { capture: Capture }) {
  const track = capture.micOn.value ? capture.mic.value : null;
  const [level, setLevel] = useState(0);
  const [state, setState] = useState<"waiting" | "heard" | "silent">("waiting");
  useEffect(() => {
    setState("waiting");
    if (!track) return setLevel(0);
    let silentSince = Date.now();
    const running = meter(track, (now) => {
      setLevel(now);
      if (now > HEARD) silentSince = Date.now();
      setState((before) => (now > HEARD ? "heard" : Date.now() - silentSince > SILENT_AFTER ? "silent" : before));
    });
    return () => running.stop();
  }, [track]);
  return (
    <section class="card" aria-labelledby="mic-title">
      <header>
        <h2 id="mic-title">{t("room.check.mic")}</h2>
        {track && <span class={`badge ${state === "heard" ? "good" : state === "silent" ? "warn" : ""}`} role="status" data-testid="mic-state" data-state={state}>{t(`room.check.mic_${state}`)}</span>}
      </header>
      <div class="body stack tight">
        <meter class="level" min={0} max={1} value={level} aria-label={t("media.level")} data-testid="level" />
        {state === "silent" && <p class="note warn">{t("room.check.mic_silent_why")}</p>}
        <Choose capture={capture} kind="audioinput" label={t("room.check.which_mic")} chosen={loadChoice().mic} pick={(id) => void capture.choose("mic", id)} />
        <div><button type="button" aria-pressed={track !== null} data-testid="mic" onClick={() => void capture.setMic(track === null)}>{t(track ? "room.check.mic_off" : "room.check.mic_on")}</button></div>
        <Trouble what="mic" capture={capture} />
      </div>
    </section>
  );
}

function Speaker({ capture }: { capture: Capture }) {
  const [state, setState] = useState<"idle" | "playing" | "played" | "failed">("idle");
  const play = async (): Promise<void> => {
    setState("playing");
    await playTone(loadChoice().speaker).then(() => setState("played"), () => setState("failed"));
  };
  return (
    <section class="card" aria-labelledby="speaker-title">
      <header><h2 id="speaker-title">{t("room.check.speaker")}</h2></header>
      <div class="body stack tight">
        {"setSinkId" in HTMLMediaElement.prototype && (
          <Choose capture={capture} kind="audiooutput" label={t("room.check.which_speaker")} chosen={loadChoice().speaker}
            pick={(id) => void saveChoice({ speaker: id })} />
        )}
        <div class="actions">
          <button type="button" data-testid="tone" aria-busy={state === "playing"} onClick={() => void play()}>{t("room.check.tone")}</button>
          <span role="status" data-testid="tone-state" data-state={state}>{state === "idle" ? "" : t(`room.check.tone_${state}`)}</span>
        </div>
      </div>
    </section>
  );
}
