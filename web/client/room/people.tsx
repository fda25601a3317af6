// Everybody on the order: who is here, in which role, and what I may do about it.
import { t } from "../live/words";
import type { Person } from "../live/wire";
import { ask } from "./ask";
import { useRoom, useSnapshot } from "./context";
import { Icon } from "./icons";
import { may, shortName } from "./select";

export function People() {
  const { people } = useSnapshot();
  const here = people.filter((one) => one.online && one.admitted);
  const away = people.filter((one) => !(one.online && one.admitted));
  return (
    <div class="stack tight">
      <ul class="plain side-list" aria-label={t("room.people.here")}>{here.map((one) => <Row key={one.seat} person={one} />)}</ul>
      {away.length > 0 && <h3 class="quiet small">{t("room.people.away", { count: away.length })}</h3>}
      <ul class="plain side-list" aria-label={t("room.people.away", { count: away.length })}>{away.map((one) => <Row key={one.seat} person={one} />)}</ul>
      <Recuse />
    </div>
  );
}

function Row({ person }: { person: Person }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const devices = room.presence.value[person.seat];
  const own = person.seat === snapshot.me.seat;
  const mic = own ? room.capture.micOn.value : devices?.mic;
  return (
    <li data-testid="person" data-seat={person.seat} data-state={person.online && person.admitted ? "here" : "away"}>
      <div class="grow">
        <strong>{own ? t("room.you", { name: shortName(person.name) }) : person.name}</strong>
        <div class="small quiet">
          {[t(`role.${person.chair ? "chair" : person.role}`), person.position, person.organisation].filter(Boolean).join(" · ")}
        </div>
        <div class="side-badges">
          {person.recused && <span class="badge warn">{t("room.recused")}</span>}
          {!person.voting && <span class="badge plain">{t("room.no_vote")}</span>}
          {snapshot.view.presenter === person.seat && <span class="badge accent plain">{t("room.presents")}</span>}
        </div>
      </div>
      {person.online && <Icon name={mic ? "mic" : "micOff"} />}
      {person.online && person.admitted && <Actions person={person} own={own} />}
    </li>
  );
}

/** They enter without being admitted and cannot be removed. */
const OFFICERS = new Set(["chair", "deputy", "secretary"]);

function Actions({ person, own }: { person: Person; own: boolean }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const name = shortName(person.name);
  const remove = (): void => ask({
    title: t("room.remove.title", { name }),
    text: t("room.remove.text"),
    reason: t("room.reason"),
    action: t("room.remove.action"),
    danger: true,
    run: (reason) => room.act("seat.deny", { seat: person.seat, reason }),
  });
  const presents = snapshot.view.presenter === person.seat;
  const acts: [string, string, () => void][] = [];
  if (may(snapshot, "give_floor") && snapshot.floor.seat !== person.seat) {
    acts.push(["give-floor", t("room.give_floor"), () => void room.act("floor.give", { seat: person.seat })]);
  }
  if (may(snapshot, "pass_presenter") && !presents) {
    acts.push(["make-presenter", t("room.make_presenter"), () => void room.act("presenter.pass", { seat: person.seat })]);
  }
  if (may(snapshot, "pass_presenter") && presents && !own) {
    acts.push(["take-presenter", t("room.take_presenter"), () => void room.act("presenter.pass", { seat: null })]);
  }
  if (may(snapshot, "admit") && !own && !person.chair && !OFFICERS.has(person.role)) acts.push(["remove", t("room.remove.action"), remove]);
  if (acts.length === 0) return null;
  return (
    <details class="menu" onFocusOut={shut} onClick={shut}>
      <summary aria-label={t("room.actions_for", { name })} data-testid="person-menu">⋯</summary>
      <div>{acts.map(([id, label, run]) => <button key={id} type="button" class="row" data-testid={id} onClick={run}>{label}</button>)}</div>
    </details>
  );
}

/** A menu closes once something in it was chosen, or when the focus goes elsewhere. */
function shut(event: (FocusEvent | MouseEvent) & { currentTarget: HTMLDetailsElement }): void {
  const menu = event.currentTarget;
  const chosen = event.type === "click" && event.target instanceof Element && event.target.closest("button");
  const left = event.type === "focusout" && event instanceof FocusEvent && event.relatedTarget && !menu.contains(event.relatedTarget as Node);
  if (chosen || left) menu.open = false;
}

function Recuse() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const item = snapshot.case?.item;
  if (!item || !may(snapshot, "recuse")) return null;
  if (snapshot.me.recused.includes(item)) return <p class="note warn small" role="status">{t("room.recuse.done")}</p>;
  const recuse = (): void => ask({
    title: t("room.recuse.title"),
    text: t("room.recuse.text"),
    reason: t("room.recuse.reason"),
    action: t("room.recuse.action"),
    run: (reason) => room.act("member.recuse", { item, reason }),
  });
  return <button type="button" class="bare small" data-testid="recuse" onClick={recuse}>{t("room.recuse.offer")}</button>;
}
