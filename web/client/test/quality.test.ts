import assert from "node:assert/strict";
import { test } from "node:test";
import type { Slot } from "../live/wire";
import { grade, heardSeats, look, lossBetween, lossReceived, ownMark, pairOf, rungIn, seatMark, worse, type Stat } from "../media/quality";

test("loss is counted since the last look", () => {
  const before = { received: 900, lost: 100 };
  assert.equal(lossBetween(before, { received: 990, lost: 110 }), 0.1);
  assert.equal(lossBetween(before, before), 0);
  assert.equal(lossBetween(undefined, { received: 0, lost: 0 }), 0);
});

test("grades are excellent, good, poor and lost", () => {
  assert.equal(grade(0.001, 0.05), "excellent");
  assert.equal(grade(0.05, 0.05), "good");
  assert.equal(grade(0, 0.4), "good");
  assert.equal(grade(0.1, 0.05), "poor");
  assert.equal(grade(0, 0.9), "poor");
  assert.equal(grade(0.9, null), "lost");
  assert.equal(worse("good", "lost"), "lost");
});

test("my own mark names my worse direction, or what the relay alone can see", () => {
  assert.deepEqual(ownMark("excellent", "good", undefined), { grade: "good", cause: null });
  assert.deepEqual(ownMark("poor", "good", { grade: "poor", cause: "downlink" }), { grade: "poor", cause: "uplink" });
  assert.deepEqual(ownMark("good", "lost", undefined), { grade: "lost", cause: "downlink" });
  assert.deepEqual(ownMark("good", "good", { grade: "poor", cause: "relay" }), { grade: "poor", cause: "relay" });
  assert.deepEqual(ownMark("good", "excellent", { grade: "poor", cause: null }), { grade: "poor", cause: "uplink" });
});

test("somebody received badly is blamed on his line, on mine, or on the way through the relay", () => {
  assert.deepEqual(seatMark("poor", { grade: "poor", cause: "uplink" }, "excellent"), { grade: "poor", cause: "theirs" });
  assert.deepEqual(seatMark("excellent", { grade: "lost", cause: "uplink" }, "excellent"), { grade: "lost", cause: "theirs" });
  assert.deepEqual(seatMark("good", { grade: "poor", cause: null }, "excellent"), { grade: "poor", cause: "theirs" });
  assert.deepEqual(seatMark("poor", { grade: "excellent", cause: null }, "poor"), { grade: "poor", cause: "downlink" });
  assert.deepEqual(seatMark("poor", undefined, "good"), { grade: "poor", cause: "relay" });
  assert.deepEqual(seatMark("good", { grade: "poor", cause: "downlink" }, "good"), { grade: "poor", cause: "deaf" });
  assert.deepEqual(seatMark("good", { grade: "good", cause: null }, "good"), { grade: "good", cause: null });
});

const SLOTS: Slot[] = [
  { mid: "0", kind: "audio", seat: "orlov", source: "mic" },
  { mid: "8", kind: "video", seat: "orlov", source: "camera", paused: "hidden" },
];
const inbound = (mid: string, packetsReceived: number, packetsLost = 0): Stat => ({ type: "inbound-rtp", mid, packetsReceived, packetsLost });

test("a voice without a packet in two looks is silent; a picture held back is no fault", () => {
  const stats = [inbound("0", 100), inbound("8", 500)];
  const first = look(SLOTS, stats, null);
  const second = look(SLOTS, stats, first);
  assert.deepEqual(heardSeats(SLOTS, second, first), { orlov: { grade: "excellent", audio: "heard" } });
  const third = look(SLOTS, stats, second);
  assert.deepEqual(heardSeats(SLOTS, third, second), { orlov: { grade: "excellent", audio: "silent" } });
  const spoke = look(SLOTS, [inbound("0", 150), inbound("8", 500)], third);
  assert.equal(heardSeats(SLOTS, spoke, third).orlov?.audio, "heard");
});

test("loss before a slot changed its owner is not the new owner's", () => {
  const before = look(SLOTS, [inbound("0", 100, 0), inbound("8", 100, 0)], null);
  const slots = SLOTS.map((one) => ({ ...one, seat: "volkov" }));
  const now = look(slots, [inbound("0", 150, 100), inbound("8", 150, 0)], before);
  assert.deepEqual(heardSeats(slots, now, before), { volkov: { grade: "excellent", audio: "heard" } });
  assert.equal(lossReceived(now, before), 0.5);
});

test("the rung is that of the pair in use", () => {
  const stats = (local: Stat): Stat[] => [
    { type: "transport", id: "t", selectedCandidatePairId: "p2" },
    { type: "candidate-pair", id: "p1", state: "succeeded", localCandidateId: "other" },
    { type: "candidate-pair", id: "p2", state: "succeeded", localCandidateId: "l" },
    { ...local, type: "local-candidate", id: "l" },
  ];
  assert.equal(pairOf(stats({}))?.id, "p2");
  assert.equal(rungIn(stats({ candidateType: "prflx" })), "udp");
  assert.equal(rungIn(stats({ candidateType: "relay", relayProtocol: "udp" })), "turn_udp");
  assert.equal(rungIn(stats({ candidateType: "relay", relayProtocol: "tcp", url: "turn:t:3478?transport=tcp" })), "turn_tcp");
  assert.equal(rungIn(stats({ candidateType: "relay", relayProtocol: "tls", url: "turns:t:443?transport=tcp" })), "turn_tls");
  assert.equal(rungIn([]), null);
});
