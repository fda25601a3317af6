// The one next step for my role now. The chair's walks the case: open, floor, vote, close, next, protocol.
import type { Layout, Snapshot } from "../live/wire";
import { currentItem, drafts, entitled, may, myHand, nameAt, nextItem, voted } from "./select";

/** What cannot be undone is asked back, with its consequence: room.<confirm>.title and .text. */
export type Confirm = "close_vote" | "close_item" | "close_room";

/** `then`: the view that goes to everybody with it. */
export type Step =
  | { do: "command"; name: string; fields: Record<string, unknown>; confirm?: Confirm; then?: Layout }
  | { do: "look"; at: Layout; focus?: string }
  | { do: "open"; href: string };

export interface Primary {
  key: string; // catalogue: room.next.<key>
  values: Record<string, string | number>;
  step: Step;
  /** Catalogue key of the reason why not now. */
  blocked?: { key: string; values: Record<string, string | number> };
}

function command(key: string, name: string, fields: Record<string, unknown>, values = {}): Primary {
  return { key, values, step: { do: "command", name, fields } };
}

function confirmed(next: Primary, confirm: Confirm): Primary {
  return next.step.do === "command" ? { ...next, step: { ...next.step, confirm } } : next;
}

function leading(next: Primary, then: Layout): Primary {
  return next.step.do === "command" ? { ...next, step: { ...next.step, then } } : next;
}

function look(key: string, at: Layout, focus?: string, values = {}): Primary {
  return { key, values, step: focus ? { do: "look", at, focus } : { do: "look", at } };
}

/** A frozen protocol that waits for my signature: it is read and signed on a page of its own. */
function signing(snapshot: Snapshot): Primary | null {
  const paper = snapshot.protocols.flatMap((one) => [one, ...one.papers]).find((one) => one.awaits_me);
  return paper ? { key: "sign", values: { number: paper.number }, step: { do: "open", href: `/protocols/${paper.id}` } } : null;
}

/** What opening a vote lacks, or nothing. */
export function quorumBlock(snapshot: Snapshot): Primary["blocked"] {
  const { present, need, reached } = snapshot.quorum;
  if (reached) return undefined;
  return { key: "room.quorum.missing", values: { count: need - present, present, need } };
}

export function primary(snapshot: Snapshot): Primary | null {
  const { ballot } = snapshot.decision;
  if (ballot && entitled(snapshot) && may(snapshot, "vote") && !voted(snapshot)) {
    return look("vote", "vote", "ballot", { number: ballot.number });
  }
  if (may(snapshot, "agenda")) return chairs(snapshot);
  if (ballot && entitled(snapshot)) return look("see_vote", "vote", "ballot", { number: ballot.number });
  if (snapshot.floor.seat === snapshot.me.seat) return command("release_floor", "floor.release", {});
  if (may(snapshot, "edit_protocol") && snapshot.protocols.some((one) => one.status === "drafting")) {
    return look("protocol", "protocol");
  }
  const paper = currentItem(snapshot) ? null : signing(snapshot);
  if (paper) return paper;
  if (may(snapshot, "hand")) {
    return myHand(snapshot)
      ? command("lower_hand", "hand.lower", {})
      : command("raise_hand", "hand.raise", { point_of_order: false });
  }
  return null;
}

function chairs(snapshot: Snapshot): Primary | null {
  const item = currentItem(snapshot);
  if (!item) return betweenCases(snapshot);
  const { ballot, results } = snapshot.decision;
  if (ballot) {
    const lacking = ballot.entitled.filter((seat) => !ballot.voted.includes(seat));
    const names = lacking.map((seat) => nameAt(snapshot, seat)).join(", ");
    const values = { voted: ballot.voted.length, entitled: ballot.entitled.length, names };
    const closing = command("close_vote", "vote.close", { ballot: ballot.id }, values);
    return lacking.length > 0 ? confirmed(closing, "close_vote") : closing;
  }
  const hand = snapshot.floor.hands[0];
  if (hand && !snapshot.floor.seat) {
    return command("give_floor", "floor.give", { seat: null }, { name: nameAt(snapshot, hand.seat) });
  }
  const draft = drafts(snapshot)[0];
  if (draft) {
    const fields = { resolution: draft.id, revision: draft.revision };
    const blocked = quorumBlock(snapshot);
    const opening = leading(command("open_vote", "vote.open", fields, { number: draft.number }), "vote");
    return blocked ? { ...opening, blocked } : opening;
  }
  if (results.length > 0) {
    const fields = { item: item.item, outcome: "decided", reason: "" };
    return confirmed(command("close_item", "agenda.close", fields, { number: item.case_number }), "close_item");
  }
  return look("propose", "vote", "wording");
}

function betweenCases(snapshot: Snapshot): Primary | null {
  const next = nextItem(snapshot);
  if (next) {
    const opening = command("open_item", "agenda.open", { item: next.item }, { number: next.case_number });
    return ["vote", "protocol"].includes(snapshot.consilium.layout) ? leading(opening, "record") : opening;
  }
  if (snapshot.protocols.some((one) => one.status === "drafting") && snapshot.consilium.layout !== "protocol") {
    return look("protocol", "protocol");
  }
  if (!may(snapshot, "close_room")) return signing(snapshot);
  return confirmed(command("close_room", "room.close", {}), "close_room");
}
