import assert from "node:assert/strict";
import { test } from "node:test";
import { browserOf } from "../check/guidance";
import { measures } from "../check/probe";
import { fit, verdict } from "../check/verdict";

const whole = { rtt: 20, loss: 0, frames: 60, audio: 200, connected: 300, remote: "", local: "" };

test("a path that carries both ways is good", () => {
  assert.equal(verdict(whole), "good");
  assert.ok(fit("good"));
});

test("each fault has its own sentence, and only a carrying path lets in without a warning", () => {
  assert.equal(verdict(null), "unavailable");
  assert.equal(verdict({ ...whole, connected: null }), "blocked");
  assert.equal(verdict({ ...whole, frames: 0, audio: 0 }), "oneway");
  assert.equal(verdict({ ...whole, loss: 0.2 }), "lossy");
  assert.equal(verdict({ ...whole, rtt: 500 }), "slow");
  assert.deepEqual((["blocked", "oneway", "unavailable"] as const).map(fit), [false, false, false]);
});

test("loss is the worse of both ways, addresses come from the chosen pair", () => {
  const sent = [
    { type: "candidate-pair", state: "succeeded", nominated: "true", currentRoundTripTime: 0.0123, remoteCandidateId: "r", localCandidateId: "l" },
    { type: "remote-candidate", id: "r", protocol: "udp", address: "10.0.0.1", port: 40000, candidateType: "host" },
    { type: "local-candidate", id: "l", protocol: "udp", address: "10.0.0.7", port: 50000, candidateType: "prflx" },
    { type: "remote-inbound-rtp", fractionLost: 0.25 },
  ];
  const received = [
    { type: "inbound-rtp", kind: "video", packetsReceived: 90, packetsLost: 10, framesDecoded: 30 },
    { type: "inbound-rtp", kind: "audio", packetsReceived: 100, packetsLost: 0 },
  ];
  assert.deepEqual(measures(sent, received, 250.4), {
    rtt: 12, loss: 0.25, frames: 30, audio: 100, connected: 250, remote: "udp 10.0.0.1:40000 (host)", local: "udp 10.0.0.7:50000 (prflx)",
  });
});

test("the browser is known by its own name", () => {
  assert.equal(browserOf("Mozilla/5.0 Chrome/156.0.0.0 YaBrowser/26.1 Safari/537.36"), "yandex");
  assert.equal(browserOf("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"), "firefox");
  assert.equal(browserOf("Mozilla/5.0 Chrome/156.0.0.0 Safari/537.36"), "chromium");
});
