// Faces large (the stage of a discussion) or in a strip; a shared screen comes first.
import { t } from "../live/words";
import { SHOWN, type Person, type Shown, type Snapshot } from "../live/wire";
import { useRoom, useSnapshot } from "./context";
import { nameAt } from "./select";
import { Held, Tile, usePictures, Video, type Picture } from "./tile";

/** Who is in the room: whoever has the floor, then whoever is heard, the chair, the rest as on the order. */
export function present(snapshot: Snapshot, loudest: string | null): Person[] {
  const rank = (one: Person): number =>
    one.seat === snapshot.floor.seat ? 0 : one.seat === loudest ? 1 : one.chair ? 2 : one.seat === snapshot.me.seat ? 4 : 3;
  return snapshot.people.filter((one) => one.admitted && one.online).sort((a, b) => rank(a) - rank(b));
}

export function Faces() {
  const room = useRoom();
  const snapshot = useSnapshot();
  // In the grid nobody jumps about while people talk: only the floor moves a face.
  const people = present(snapshot, null);
  return (
    <div class="faces" data-testid="faces" data-count={Math.min(people.length, 12)}>
      <Screens large />
      <div class="faces-grid">{people.map((one) => <Tile key={one.seat} person={one} />)}</div>
      {room.media.state.value === "connecting" && <p class="quiet small" role="status">{t("room.media_connecting")}</p>}
    </div>
  );
}

export function Filmstrip() {
  const room = useRoom();
  const snapshot = useSnapshot();
  return (
    <section class="filmstrip" data-testid="filmstrip" aria-label={t("room.filmstrip")} tabIndex={0}>
      <Screens />
      {present(snapshot, room.speakers.value.loudest).map((one) => <Tile key={one.seat} person={one} />)}
    </section>
  );
}

/** What people show besides their faces; with `large` it takes the stage and the faces make room. */
export function Screens({ large = false }: { large?: boolean }) {
  const snapshot = useSnapshot();
  const all = snapshot.people.filter((one) => one.online).map((one) => <Shows key={one.seat} seat={one.seat} large={large} />);
  return large ? <div class="screens">{all}</div> : <>{all}</>;
}

function Shows({ seat, large }: { seat: string; large: boolean }) {
  const room = useRoom();
  const { me } = useSnapshot();
  const pictures = usePictures(seat);
  const on = (source: Shown): boolean => seat === me.seat || Boolean(room.presence.value[seat]?.[source]);
  return (
    <>
      {SHOWN.map((source) => {
        const picture = pictures[source];
        return picture && on(source) ? <Screen key={source} seat={seat} source={source} picture={picture} large={large} /> : null;
      })}
    </>
  );
}

function Screen({ seat, source, picture, large }: { seat: string; source: Shown; picture: Picture; large: boolean }) {
  const label = t(`room.${source}_of`, { name: nameAt(useSnapshot(), seat) });
  return (
    <figure class={`tile screen${large ? " large" : ""}`} data-testid="screen" data-seat={seat} data-source={source} data-paused={picture.paused ?? undefined}>
      <Video track={picture.track} mid={picture.mid} label={label} />
      <Held paused={picture.paused} />
      <figcaption><span class="tile-who"><strong>{label}</strong></span></figcaption>
    </figure>
  );
}
