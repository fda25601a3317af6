import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed, patched, step } from "../live/feed";
import type { RoomEvent, SyncAnswer } from "../live/wire";
import { snapshot } from "./snapshots";

const event = (seq: number | null, layout: "vote" | "record"): RoomEvent => ({
  seq, at: "2026-11-23T10:00:00+00:00", name: "LayoutSet", data: { layout },
  patch: { consilium: { ...snapshot().consilium, layout } },
});

/** A feed over a scripted journal: each pull answers the next of `answers`. */
function feed(...answers: (SyncAnswer | Error)[]) {
  const asked: number[] = [];
  const made = new Feed((since) => {
    asked.push(since);
    const next = answers.shift();
    return next === undefined || next instanceof Error ? Promise.reject(next ?? new Error("nothing")) : Promise.resolve(next);
  });
  return { made, asked };
}

test("an event that follows is applied, an older one is not, a later one is a gap", () => {
  assert.equal(step(4, 5), "apply");
  assert.equal(step(4, 4), "old");
  assert.equal(step(4, 2), "old");
  assert.equal(step(4, 6), "gap");
  assert.equal(step(4, null), "apply");
});

test("a patch replaces whole sections, and nothing stands for a section that is gone", () => {
  const before = snapshot({ chat: [{ id: "1", seat: "s", text: "да", at: "" }] });
  const after = patched(before, { chat: [], decision: null });
  assert.deepEqual(after.chat, []);
  assert.equal(after.decision.item, null);
  assert.deepEqual(after.decision.resolutions, []);
  assert.equal(after.people, before.people);
});

test("events in order change the state and keep the number", async () => {
  const { made } = feed({ seq: 7, snapshot: snapshot(), missed: [] });
  await made.pull();
  made.receive(event(8, "vote"));
  assert.equal(made.seq, 8);
  assert.equal(made.snapshot.value?.consilium.layout, "vote");
});

test("a gap asks for what was missed since the last number and then goes on", async () => {
  const later = snapshot();
  later.consilium.layout = "record";
  const { made, asked } = feed({ seq: 7, snapshot: snapshot(), missed: [] }, { seq: 10, snapshot: later, missed: [event(9, "record")] });
  const heard: [number | null, boolean][] = [];
  made.onEvent(({ seq }, missed) => heard.push([seq, missed]));
  await made.pull();
  made.receive(event(10, "record"));
  await made.pull();
  assert.deepEqual(asked, [0, 7]);
  assert.equal(made.seq, 10);
  assert.equal(made.snapshot.value?.consilium.layout, "record");
  assert.deepEqual(heard, [[9, true]]);
});

test("events that come while a pull is under way are applied after it, once", async () => {
  const { made } = feed({ seq: 7, snapshot: snapshot(), missed: [] });
  const pulling = made.pull();
  made.receive(event(7, "record"));
  made.receive(event(8, "vote"));
  await pulling;
  assert.equal(made.seq, 8);
  assert.equal(made.snapshot.value?.consilium.layout, "vote");
});

test("a head above the own number pulls, an equal one does not", async () => {
  const { made, asked } = feed({ seq: 7, snapshot: snapshot(), missed: [] }, { seq: 9, snapshot: snapshot(), missed: [] });
  await made.pull();
  made.head(7);
  assert.deepEqual(asked, [0]);
  made.head(9);
  await made.pull();
  assert.equal(made.seq, 9);
});

test("a failed pull loses nothing: the next head tries again", async () => {
  const { made } = feed(new Error("offline"), { seq: 3, snapshot: snapshot(), missed: [] });
  await made.pull();
  assert.equal(made.snapshot.value, null);
  made.head(3);
  await made.pull();
  assert.equal(made.seq, 3);
});

test("what must leave the screen is told before the new state is shown", async () => {
  const { made } = feed({ seq: 7, snapshot: snapshot(), missed: [] });
  const order: string[] = [];
  made.beforeChange((next) => order.push(`${made.snapshot.value?.consilium.layout ?? "nothing"} -> ${next.consilium.layout}`));
  await made.pull();
  made.receive(event(8, "vote"));
  assert.deepEqual(order, ["nothing -> discussion", "discussion -> vote"]);
});

test("an event of a protocol patches and does not move the room's number", async () => {
  const { made } = feed({ seq: 7, snapshot: snapshot(), missed: [] });
  await made.pull();
  made.receive(event(null, "vote"));
  assert.equal(made.seq, 7);
  assert.equal(made.snapshot.value?.consilium.layout, "vote");
});
