import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecordingPart } from "../live/wire";
import { mark } from "../room/recorded";
import { snapshot } from "./snapshots";

const STARTED = "2026-11-23T10:00:00Z";
const at = (seconds: number): number => Date.parse(STARTED) + seconds * 1_000;

function recorded(more: Partial<RecordingPart>): ReturnType<typeof snapshot> {
  return snapshot({ recording: {
    id: "r", status: "running", asked_by: "chair", ground: "", started_at: STARTED, stopped_at: null, awaited: [], agreed: true, gaps: [], ...more,
  } });
}

test("without a living recording there is no mark", () => {
  assert.equal(mark(snapshot(), null, 0), null);
  assert.equal(mark(recorded({ status: "stopped" }), at(1), at(2)), null);
  assert.equal(mark(recorded({ status: "refused" }), null, at(2)), null);
});

test("the mark says what is known: consent, pause, bytes on the disk", () => {
  assert.equal(mark(recorded({ status: "asked", started_at: null }), null, at(2)), "asked");
  assert.equal(mark(recorded({ status: "paused" }), null, at(2)), "paused");
  assert.equal(mark(recorded({}), at(100), at(110)), "running");
});

test("a recording without proof of bytes for long is not called running", () => {
  assert.equal(mark(recorded({}), null, at(10)), "running");
  assert.equal(mark(recorded({}), null, at(25)), "unproved");
  assert.equal(mark(recorded({}), at(100), at(130)), "unproved");
});

test("an open gap is an interruption, a closed one is past", () => {
  const gap = { reason: "disk" as const, began_at: STARTED, ended_at: null };
  assert.equal(mark(recorded({ gaps: [gap] }), at(100), at(101)), "interrupted");
  assert.equal(mark(recorded({ gaps: [{ ...gap, ended_at: STARTED }] }), at(100), at(101)), "running");
});
