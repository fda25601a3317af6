// Faces large (the stage of a discussion) or in a strip; a shared screen comes first.
import { t } from "../live/words";
import { SHOWN, type Person, type Shown, type Snapshot } from "../live/wire";
import { useRoom, useSnapshot } from "./context";
import { Icon } from "./icons";
import { nameAt } from "./select";
import { Held, picturesOf, Tile, Video, type Picture } from "./tile";

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
      <Shows />
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

interface Shared {
  key: string;
  seat: string;
  source: Shown;
  picture: Picture;
}

/** Everything that is shown besides faces, in the order of the people. */
function useShared(): Shared[] {
  const room = useRoom();
  const snapshot = useSnapshot();
  return snapshot.people.filter((one) => one.online).flatMap(({ seat }) => {
    const pictures = picturesOf(room, snapshot, seat);
    const on = (source: Shown): boolean => seat === snapshot.me.seat || Boolean(room.presence.value[seat]?.[source]);
    return SHOWN.flatMap((source) => {
      const picture = pictures[source];
      return picture && on(source) ? [{ key: `${seat} ${source}`, seat, source, picture }] : [];
    });
  });
}

/** In the strip they stand before the faces. */
export function Screens() {
  return <>{useShared().map((one) => <Screen key={one.key} shared={one} />)}</>;
}

/** On the stage one of them is large, whichever the person chose, and the others wait beside it. */
function Shows() {
  const chosen = useRoom().enlarged.value;
  const all = useShared();
  const main = all.find((one) => one.key === chosen) ?? all[0];
  if (!main) return null;
  const rest = all.filter((one) => one !== main);
  return (
    <div class="screens">
      <Screen key={main.key} shared={main} large />
      {rest.length > 0 && <div class="screens-rest">{rest.map((one) => <Screen key={one.key} shared={one} choose />)}</div>}
    </div>
  );
}

function Screen({ shared, large = false, choose = false }: { shared: Shared; large?: boolean; choose?: boolean }) {
  const room = useRoom();
  const { key, seat, source, picture } = shared;
  const label = t(`room.${source}_of`, { name: nameAt(useSnapshot(), seat) });
  return (
    <figure class={`tile screen${large ? " large" : ""}`} data-testid="screen" data-seat={seat} data-source={source} data-paused={picture.paused ?? undefined}>
      <Video track={picture.track} mid={picture.mid} label={label} />
      <Held paused={picture.paused} />
      <figcaption>
        <span class="tile-who"><strong>{label}</strong></span>
        {choose && (
          <button type="button" class="mark" data-testid="enlarge" aria-label={t("room.enlarge", { what: label })} title={t("room.enlarge_short")}
            onClick={() => { room.enlarged.value = key; }}><Icon name="fit" /></button>
        )}
      </figcaption>
    </figure>
  );
}
