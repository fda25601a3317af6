import assert from "node:assert/strict";
import { test } from "node:test";
import { carry, type Line } from "../live/courier";
import { delay } from "../live/backoff";
import { Refused, type Ack } from "../live/wire";

type Sent = { name: string; payload: Record<string, unknown> };
const AT_ONCE = { timeout: 10, tries: 4, wait: () => Promise.resolve() };

/** A line that answers by a script; "silence" is a message or an answer that got lost. */
function line(...script: (Ack | "silence")[]): Line & { sent: Sent[] } {
  const sent: Sent[] = [];
  return {
    sent,
    ready: () => Promise.resolve(),
    send(name, payload) {
      sent.push({ name, payload });
      const next = script.shift() ?? "silence";
      return next === "silence" ? Promise.reject(new Error("no answer")) : Promise.resolve(next);
    },
  };
}

const refused = (code: string): Ack => ({ ok: false, error: { code, message: "" } });

test("a lost answer is asked for again with the same command id", async () => {
  const one = line("silence", "silence", { ok: true, receipt: "r" });
  const answer = await carry(one, "vote.cast", { choice: "for" }, undefined, AT_ONCE);
  assert.equal(answer.receipt, "r");
  assert.equal(one.sent.length, 3);
  assert.equal(new Set(one.sent.map(({ payload }) => payload.command)).size, 1);
  assert.match(String(one.sent[0]?.payload.command), /^[0-9a-f-]{36}$/);
});

test("busy and unknown are tried again, a refusal is final", async () => {
  const one = line(refused("busy"), refused("unknown"), refused("no_quorum"), { ok: true });
  await assert.rejects(carry(one, "vote.open", {}, "id", AT_ONCE), (error: Refused) => error.code === "no_quorum");
  assert.equal(one.sent.length, 3);
});

test("silence to the end is told as unknown, never as done", async () => {
  const one = line();
  await assert.rejects(carry(one, "vote.cast", {}, "id", AT_ONCE), (error: Refused) => error.code === "unknown");
  assert.equal(one.sent.length, AT_ONCE.tries);
});

test("a room that is gone ends the waiting", async () => {
  const one = { ...line(), ready: () => Promise.reject(new Refused({ code: "left", message: "" })) };
  await assert.rejects(carry(one, "chat.send", {}, "id", AT_ONCE), (error: Refused) => error.code === "left");
});

test("delays double, stay under the limit and are spread", () => {
  assert.equal(delay(0, 1), 400);
  assert.equal(delay(2, 1), 1_600);
  assert.equal(delay(50, 1), 8_000);
  assert.equal(delay(50, 0), 4_000);
});
