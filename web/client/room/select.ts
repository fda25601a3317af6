// Questions about a snapshot, answered without touching the page.
import type { AgendaItem, Can, Hand, Id, Person, Resolution, Snapshot } from "../live/wire";

export function may(snapshot: Snapshot, what: Can): boolean {
  return snapshot.me.can.includes(what);
}

export function personAt(snapshot: Snapshot, seat: Id | null | undefined): Person | undefined {
  return snapshot.people.find((one) => one.seat === seat);
}

/** «Петров Иван Сергеевич» -> «Петров И. С.»; what is already short stays. */
export function shortName(name: string): string {
  const [surname = "", ...rest] = name.trim().split(/\s+/);
  return [surname, ...rest.slice(0, 2).map((part) => `${part[0]}.`)].join(" ");
}

export function initials(name: string): string {
  return name.trim().split(/\s+/).slice(0, 2).map((part) => part[0] ?? "").join("").toUpperCase();
}

export function nameAt(snapshot: Snapshot, seat: Id | null | undefined): string {
  const known = personAt(snapshot, seat) ?? snapshot.lobby.find((one) => one.seat === seat);
  return known ? shortName(known.name) : "";
}

export function currentItem(snapshot: Snapshot): AgendaItem | undefined {
  return snapshot.agenda.find((item) => item.status === "open");
}

export function nextItem(snapshot: Snapshot): AgendaItem | undefined {
  return [...snapshot.agenda].sort((a, b) => a.order - b.order).find((item) => item.status === "waiting");
}

export function drafts(snapshot: Snapshot): Resolution[] {
  return snapshot.decision.resolutions.filter((one) => one.status === "draft");
}

export function myHand(snapshot: Snapshot): Hand | undefined {
  return snapshot.floor.hands.find((hand) => hand.seat === snapshot.me.seat);
}

/** Entitled in the open ballot. */
export function entitled(snapshot: Snapshot): boolean {
  return snapshot.decision.ballot?.entitled.includes(snapshot.me.seat) ?? false;
}

export function voted(snapshot: Snapshot): boolean {
  const { ballot } = snapshot.decision;
  if (!ballot) return false;
  return snapshot.me.vote?.ballot === ballot.id || ballot.voted.includes(snapshot.me.seat);
}

/** The protocol on the table: the current case's, else the latest one still in work. */
export function protocolAt(snapshot: Snapshot): Snapshot["protocols"][number] | undefined {
  const item = currentItem(snapshot);
  return (
    snapshot.protocols.find((one) => one.item === item?.item) ??
    snapshot.protocols.findLast((one) => one.status === "drafting") ??
    snapshot.protocols.at(-1)
  );
}

/** Whether the presenter's page is mine to turn. With no presenter named, whoever may present leads. */
export function leads(snapshot: Snapshot): boolean {
  if (!may(snapshot, "present")) return false;
  return snapshot.view.presenter === null || snapshot.view.presenter === snapshot.me.seat;
}
