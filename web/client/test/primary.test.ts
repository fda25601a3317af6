import assert from "node:assert/strict";
import { test } from "node:test";
import { primary } from "../room/primary";
import { initials, shortName } from "../room/select";
import { asMember, item, resolution, snapshot } from "./snapshots";

const open = { agenda: [item("a", "open"), item("b", "waiting", 2)] };
const decision = { item: "a", resolutions: [], ballot: null, results: [], dissents: [] };
const ballot = {
  id: "ballot", resolution: "r", number: 1, wording: "Оперировать", digest: "d", opened_at: "", entitled: ["chair", "m1"],
  voted: [] as string[], closed: false,
};
const result = {
  id: "x", resolution: "r", number: 1, wording: "", votes_for: 2, votes_against: 0, votes_abstain: 0, majority_need: 2,
  adopted: true, votes: [], closed_at: "",
};
const hand = { seat: "m1", raised_at: "", point_of_order: false };

test("the chair is led through the case: open, floor, wording, vote, close, finish, next", () => {
  assert.equal(primary(snapshot({ agenda: [item("a", "waiting")] }))?.key, "open_item");
  assert.equal(primary(snapshot({ ...open, decision, floor: { seat: null, since: null, hands: [hand] } }))?.key, "give_floor");
  assert.equal(primary(snapshot({ ...open, decision }))?.key, "propose");
  const worded = snapshot({ ...open, decision: { ...decision, resolutions: [resolution("r")] } });
  assert.deepEqual(primary(worded)?.step, { do: "command", name: "vote.open", fields: { resolution: "r", revision: 2 }, then: "vote" });
  assert.equal(primary(snapshot({ ...open, decision: { ...decision, ballot } }))?.key, "vote");
  const voted = snapshot({ ...open, decision: { ...decision, ballot: { ...ballot, voted: ["chair", "m1"] } } });
  assert.deepEqual(primary(voted)?.step, { do: "command", name: "vote.close", fields: { ballot: "ballot" } });
  assert.equal(primary(snapshot({ ...open, decision: { ...decision, results: [result] } }))?.key, "close_item");
  assert.equal(primary(snapshot({ agenda: [item("a", "decided"), item("b", "waiting", 2)] }))?.values.number, "ТМК-2");
});

test("after the last case the chair is led to the protocol, then to the end", () => {
  const protocols = [{ id: "p", item: "a", number: "1", status: "drafting" as const, version: 1, digest: "", particulars: "", awaits_me: false, annulled: false, papers: [] }];
  const done = snapshot({ agenda: [item("a", "decided")], protocols });
  assert.equal(primary(done)?.key, "protocol");
  done.consilium.layout = "protocol";
  assert.equal(primary(done)?.key, "close_room");
});

test("closing a vote that somebody has not cast yet is asked back, with his name", () => {
  const found = primary(snapshot({ ...open, decision: { ...decision, ballot: { ...ballot, voted: ["chair"] } } }));
  assert.equal(found?.step.do === "command" && found.step.confirm, "close_vote");
  assert.equal(found?.values.names, "Волков А. П.");
});

test("the next patient does not come up under the last one's vote", () => {
  const between = snapshot({ agenda: [item("a", "decided"), item("b", "waiting", 2)] });
  between.consilium.layout = "vote";
  assert.equal((primary(between)?.step as { then?: string }).then, "record");
});

test("without a quorum the vote says who is lacking instead of opening", () => {
  const quorum = { present: 2, need: 3, total: 4, reached: false };
  const found = primary(snapshot({ ...open, quorum, decision: { ...decision, resolutions: [resolution("r")] } }));
  assert.equal(found?.key, "open_vote");
  assert.deepEqual(found?.blocked, { key: "room.quorum.missing", values: { count: 1, present: 2, need: 3 } });
});

test("a member votes first, may look again at his vote, otherwise raises his hand", () => {
  const running = snapshot({ ...open, decision: { ...decision, ballot } });
  assert.equal(primary(asMember(running))?.key, "vote");
  const done = snapshot({ ...open, decision: { ...decision, ballot: { ...ballot, voted: ["m1"] } } });
  assert.equal(primary(asMember(done))?.key, "see_vote");
  assert.equal(primary(asMember(snapshot(open)))?.key, "raise_hand");
  assert.equal(primary(asMember(snapshot({ ...open, floor: { seat: null, since: null, hands: [hand] } })))?.key, "lower_hand");
  assert.equal(primary(asMember(snapshot({ ...open, floor: { seat: "m1", since: "", hands: [] } })))?.key, "release_floor");
});

test("somebody who is not entitled is not asked to vote", () => {
  const other = snapshot({ ...open, decision: { ...decision, ballot: { ...ballot, entitled: ["chair"] } } });
  assert.equal(primary(asMember(other))?.key, "raise_hand");
});

test("names are shortened to surname and initials", () => {
  assert.equal(shortName("Орлов Дмитрий Сергеевич"), "Орлов Д. С.");
  assert.equal(shortName("Ли"), "Ли");
  assert.equal(initials("Орлов Дмитрий Сергеевич"), "ОД");
});

test("who has a protocol to sign is led to it; the chair first ends the meeting", () => {
  const paper = { id: "p", item: "a", number: "7", status: "signing" as const, version: 1, digest: "d", particulars: "", awaits_me: true, annulled: false, papers: [] };
  const after = snapshot({ agenda: [item("a", "decided")], protocols: [paper] });
  assert.deepEqual(primary(asMember(after))?.step, { do: "open", href: "/protocols/p" });
  assert.equal(primary(after)?.key, "close_room");
  assert.equal(primary({ ...asMember(after), protocols: [{ ...paper, awaits_me: false }] })?.key, "raise_hand");
  const act = { id: "x", paper: "annulment" as const, number: "1", status: "signing" as const, annulled: false, awaits_me: true };
  const annulling = { ...paper, awaits_me: false, status: "sealed" as const, papers: [act] };
  assert.deepEqual(primary({ ...asMember(after), protocols: [annulling] })?.step, { do: "open", href: "/protocols/x" });
});
