// One face: who it is, whether he is heard, and how well he is received.
import { useContext, useEffect, useRef } from "preact/hooks";
import { t } from "../live/words";
import { SOURCES, type Paused, type Person, type Snapshot, type Source } from "../live/wire";
import { QualityMark } from "./connection";
import { RoomContext, useRoom, useSnapshot } from "./context";
import { Icon } from "./icons";
import type { Room } from "./room";
import { initials, shortName } from "./select";

interface VideoProps {
  track: MediaStreamTrack;
  mirrored?: boolean;
  label: string;
  /** The slot it is received in: the relay is told how large it is drawn. */
  mid?: string | undefined;
}

export function Video({ track, mirrored = false, label, mid }: VideoProps) {
  const room = useContext(RoomContext);
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (!element) return undefined;
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => undefined); // muted video may always play; a hidden tab starts it later by itself
    return () => { element.srcObject = null; };
  }, [track]);
  useEffect(() => (video.current && mid ? room?.media.view.watch(video.current, mid) : undefined), [room, mid]);
  return <video ref={video} class={mirrored ? "mirrored" : ""} autoplay playsInline muted aria-label={label} />;
}

/** A picture that can be shown now; only what is received has a slot and may be held back. */
export interface Picture {
  track: MediaStreamTrack;
  mid?: string;
  paused?: Paused | null;
}

/** What can be shown of this person: the own straight from the device, others' as received. */
export function picturesOf(room: Room, { me }: Snapshot, seat: string): Partial<Record<Source, Picture>> {
  if (seat !== me.seat) return room.media.received.value.get(seat) ?? {};
  const own: Partial<Record<Source, Picture>> = {};
  for (const source of SOURCES) {
    const track = room.capture[source].value;
    if (track) own[source] = { track };
  }
  return own;
}

/** Why a picture stands still, over it, in words. */
export function Held({ paused }: { paused: Paused | null | undefined }) {
  if (paused !== "bandwidth") return null;
  return <p class="tile-held" role="status" data-testid="held">{t("room.video_held")}</p>;
}

export function Tile({ person }: { person: Person }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { me, floor } = snapshot;
  const own = person.seat === me.seat;
  const devices = room.presence.value[person.seat];
  const mic = own ? room.capture.micOn.value : devices?.mic ?? false;
  const showsCamera = own ? room.capture.camera.value !== null : devices?.camera ?? false;
  const speaking = mic && (room.speakers.value.loudest === person.seat || (room.speakers.value.levels[person.seat] ?? -127) > -45);
  const { camera } = picturesOf(room, snapshot, person.seat);
  const name = shortName(person.name);
  const state = !person.online ? "offline" : speaking ? "speaking" : mic ? "on" : "muted";
  return (
    <figure class={`tile ${state}${floor.seat === person.seat ? " floor" : ""}`} data-testid="tile" data-seat={person.seat}
      data-state={state} data-own={own} data-paused={camera?.paused ?? undefined}>
      {camera && showsCamera
        ? <Video track={camera.track} mid={camera.mid} mirrored={own} label={t("room.video_of", { name })} />
        : <span class="tile-initials" aria-hidden="true">{initials(person.name)}</span>}
      {showsCamera && <Held paused={camera?.paused} />}
      <figcaption>
        <span class="tile-mic" title={t(mic ? "room.mic_on" : "room.mic_off")}>
          <Icon name={mic ? "mic" : "micOff"} />
          <span class="off-screen">{t(mic ? "room.mic_on" : "room.mic_off")}</span>
        </span>
        <span class="tile-who">
          <strong>{own ? t("room.you", { name }) : name}</strong>
          <span class="tile-role">{[t(`role.${person.chair ? "chair" : person.role}`), person.position].filter(Boolean).join(" · ")}</span>
        </span>
        <QualityMark seat={person.seat} name={name} />
      </figcaption>
      {floor.seat === person.seat && <span class="badge accent tile-floor">{t("room.has_floor")}</span>}
    </figure>
  );
}
