// One face: who it is, whether he is heard, and how well he is received.
import { useEffect, useRef } from "preact/hooks";
import { t } from "../live/words";
import type { Person } from "../live/wire";
import { useRoom, useSnapshot } from "./context";
import { Icon } from "./icons";
import { initials, shortName } from "./select";

export function Video({ track, mirrored = false, label }: { track: MediaStreamTrack; mirrored?: boolean; label: string }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (!element) return undefined;
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => undefined); // muted video may always play; a hidden tab starts it later by itself
    return () => { element.srcObject = null; };
  }, [track]);
  return <video ref={video} class={mirrored ? "mirrored" : ""} autoplay playsInline muted aria-label={label} />;
}

/** What this person's tile can show now: the own camera straight from the device, others' as received. */
export function useTracks(seat: string): { camera?: MediaStreamTrack; screen?: MediaStreamTrack } {
  const room = useRoom();
  const { me } = useSnapshot();
  if (seat === me.seat) {
    const { camera, screen } = room.capture;
    return { ...(camera.value && { camera: camera.value }), ...(screen.value && { screen: screen.value }) };
  }
  return room.media.received.value.get(seat) ?? {};
}

export function Tile({ person }: { person: Person }) {
  const room = useRoom();
  const { me, floor } = useSnapshot();
  const own = person.seat === me.seat;
  const devices = room.presence.value[person.seat];
  const mic = own ? room.capture.micOn.value : devices?.mic ?? false;
  const showsCamera = own ? room.capture.camera.value !== null : devices?.camera ?? false;
  const speaking = mic && (room.speakers.value.loudest === person.seat || (room.speakers.value.levels[person.seat] ?? -127) > -45);
  const { camera } = useTracks(person.seat);
  const name = shortName(person.name);
  const state = !person.online ? "offline" : speaking ? "speaking" : mic ? "on" : "muted";
  return (
    <figure class={`tile ${state}${floor.seat === person.seat ? " floor" : ""}`} data-testid="tile" data-seat={person.seat}
      data-state={state} data-own={own}>
      {camera && showsCamera
        ? <Video track={camera} mirrored={own} label={t("room.video_of", { name })} />
        : <span class="tile-initials" aria-hidden="true">{initials(person.name)}</span>}
      <figcaption>
        <span class="tile-mic" title={t(mic ? "room.mic_on" : "room.mic_off")}>
          <Icon name={mic ? "mic" : "micOff"} />
          <span class="off-screen">{t(mic ? "room.mic_on" : "room.mic_off")}</span>
        </span>
        <span class="tile-who">
          <strong>{own ? t("room.you", { name }) : name}</strong>
          <span class="tile-role">{[t(`role.${person.chair ? "chair" : person.role}`), person.position].filter(Boolean).join(" · ")}</span>
        </span>
        <Quality seat={person.seat} own={own} />
      </figcaption>
      {floor.seat === person.seat && <span class="badge accent tile-floor">{t("room.has_floor")}</span>}
    </figure>
  );
}

function Quality({ seat, own }: { seat: string; own: boolean }) {
  const { quality } = useRoom().media;
  const grade = own ? quality.value.own?.grade : quality.value.seats[seat]?.grade;
  if (!grade || grade === "good") return null;
  return <span class={`badge plain ${grade === "lost" ? "bad" : "warn"}`} data-testid="quality" data-state={grade}>{t(`room.quality.${grade}`)}</span>;
}
