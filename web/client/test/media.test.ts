import assert from "node:assert/strict";
import { test } from "node:test";
import type { Slot } from "../live/wire";
import { usable } from "../media/link";
import { bar } from "../media/meter";
import { grade, lossBetween, worse } from "../media/quality";
import { bySeat } from "../media/subscribe";

test("slots put tracks under their owners, empty slots and unknown lines are left out", () => {
  const track = (name: string) => ({ name }) as unknown as MediaStreamTrack;
  const tracks = new Map([["0", track("a")], ["1", track("b")], ["2", track("c")]]);
  const slots: Slot[] = [
    { mid: "0", kind: "audio", seat: "orlov", source: "mic" },
    { mid: "1", kind: "video", seat: "orlov", source: "screen" },
    { mid: "2", kind: "video", seat: null, source: null },
    { mid: "9", kind: "video", seat: "volkov", source: "camera" },
  ];
  const found = bySeat(slots, tracks);
  assert.deepEqual([...found.keys()], ["orlov"]);
  assert.deepEqual(found.get("orlov"), { mic: track("a"), screen: track("b") });
});

test("names that only the own network resolves are not sent to the relay", () => {
  assert.ok(usable("candidate:1 1 udp 2122260223 10.0.0.7 50000 typ host"));
  assert.ok(!usable("candidate:1 1 udp 2122260223 1f2e-3d4c.local 50000 typ host"));
  assert.ok(!usable(""));
});

test("loss is counted since the last look", () => {
  const before = { received: 900, lost: 100, frames: 0 };
  assert.equal(lossBetween(before, { received: 990, lost: 110, frames: 0 }), 0.1);
  assert.equal(lossBetween(before, before), 0);
  assert.equal(lossBetween(undefined, { received: 0, lost: 0, frames: 0 }), 0);
});

test("grades are good, poor and lost", () => {
  assert.equal(grade(0.01, 0.05), "good");
  assert.equal(grade(0.1, 0.05), "poor");
  assert.equal(grade(0, 0.9), "poor");
  assert.equal(grade(0.9, null), "lost");
  assert.equal(worse("good", "lost"), "lost");
});

test("silence is an empty bar, a loud tone a full one", () => {
  assert.equal(bar(new Float32Array(512)), 0);
  assert.equal(bar(Float32Array.from({ length: 512 }, (_, at) => (at % 2 ? 0.9 : -0.9))), 1);
  const quiet = bar(Float32Array.from({ length: 512 }, (_, at) => (at % 2 ? 0.02 : -0.02)));
  assert.ok(quiet > 0.3 && quiet < 0.6, String(quiet));
});
