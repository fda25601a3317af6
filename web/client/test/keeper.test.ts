// A connection is kept alive: over a browser's RTCPeerConnection that does as it is told, and a relay that answers as told.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { INTERRUPTED_FOR, Keeper } from "../media/keeper";
import type { Wire } from "../media/link";
import { SubscribeLink } from "../media/subscribe";

/** As much of the browser's connection as a subscribe connection asks for. */
class Browser extends EventTarget {
  static readonly made: Browser[] = [];
  connectionState = "new";
  iceGatheringState = "complete";
  localDescription = { sdp: "answer" };
  packets = 0;
  /** Whether something comes between any two looks. */
  alive = true;

  constructor() {
    super();
    Browser.made.push(this);
  }

  become(state: string): void {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }

  getStats(): Promise<Map<string, object>> {
    if (this.alive) this.packets += 1;
    return Promise.resolve(new Map([["p", { type: "candidate-pair", packetsReceived: this.packets, responsesReceived: 0 }]]));
  }

  getTransceivers = (): [] => [];
  setRemoteDescription = (): Promise<void> => Promise.resolve();
  setLocalDescription = (): Promise<void> => Promise.resolve();
  createAnswer = (): Promise<object> => Promise.resolve({});
  close = (): void => { this.connectionState = "closed"; };
}

class Relay implements Wire {
  readonly asked: string[] = [];
  sdp = "v=0\r\na=ice-lite\r\n";
  refuses: string[] = [];
  silent: string[] = [];

  ask<T>(name: string): Promise<T> {
    this.asked.push(name);
    if (this.silent.includes(name)) return new Promise(() => undefined);
    if (this.refuses.includes(name)) return Promise.reject(new Error(name));
    return Promise.resolve({ sdp: this.sdp, epoch: 1, slots: [] } as T);
  }
}

let relay: Relay;
let keeper: Keeper<SubscribeLink>;

/** Everything that has begun comes as far as it can without the clock. */
async function settle(): Promise<void> {
  for (let at = 0; at < 50; at += 1) await Promise.resolve();
}

/** The clock moves in steps, and what each step sets free comes as far as it can. */
async function pass(milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 100) {
    mock.timers.tick(100);
    await settle();
  }
}

function latest(): Browser {
  const one = Browser.made.at(-1);
  assert.ok(one);
  return one;
}

beforeEach(async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  (globalThis as { RTCPeerConnection?: unknown }).RTCPeerConnection = Browser;
  Browser.made.length = 0;
  relay = new Relay();
  const line = { ready: () => Promise.resolve() };
  keeper = new Keeper(line, () => Promise.resolve(new SubscribeLink("media", relay, {})), (link) => link.start());
  keeper.want(true);
  await settle();
  latest().become("connected");
});

afterEach(async () => {
  keeper.want(false);
  await settle();
  mock.timers.reset();
});

test("a connection that was interrupted briefly is left alone", async () => {
  latest().become("disconnected");
  await pass(INTERRUPTED_FOR - 200);
  latest().become("connected");
  await pass(5_000);
  assert.deepEqual(relay.asked, ["media.subscribe", "media.answer"]);
});

test("one that stays interrupted is moved to another path, with the keys it has", async () => {
  const browser = latest();
  browser.become("disconnected");
  await pass(INTERRUPTED_FOR);
  assert.deepEqual(relay.asked.slice(2), ["media.restart", "media.answer"]);
  browser.become("connected");
  await pass(5_000);
  assert.equal(Browser.made.length, 1);
});

test("when the other path carries nothing either, it is built anew", async () => {
  const browser = latest();
  browser.become("disconnected");
  browser.alive = false;
  await pass(INTERRUPTED_FOR + 3_500);
  assert.equal(Browser.made.length, 2);
  assert.equal(browser.connectionState, "closed");
});

test("a relay that cannot move a connection gets a new one at once", async () => {
  relay.sdp = "v=0\r\n";
  keeper.rebuild();
  await settle();
  latest().become("connected");
  latest().become("disconnected");
  await pass(INTERRUPTED_FOR);
  assert.ok(!relay.asked.includes("media.restart"));
  assert.equal(Browser.made.length, 3);
});

test("when the relay has moved, what was under way is dropped and nothing waits", async () => {
  relay.silent = ["media.subscribe"];
  keeper.rebuild();
  await settle();
  const halfway = latest();
  relay.silent = [];
  keeper.rebuild();
  await settle();
  assert.equal(halfway.connectionState, "closed");
  assert.equal(keeper.link.value?.pc, latest() as unknown as RTCPeerConnection);
  assert.equal(relay.asked.filter((name) => name === "media.answer").length, 2);
});

test("a refusal is tried again, with longer pauses, and told until a connection stands", async () => {
  relay.refuses = ["media.subscribe"];
  keeper.rebuild();
  await settle();
  assert.ok(keeper.failing.value);
  await pass(6_000);
  const tries = relay.asked.filter((name) => name === "media.subscribe").length - 1;
  assert.ok(tries >= 3 && tries <= 8, String(tries));
  relay.refuses = [];
  await pass(9_000);
  latest().become("connected");
  assert.ok(!keeper.failing.value);
});

test("a network that changed under a connection that goes on changes nothing", async () => {
  const checked = keeper.check();
  await pass(2_500);
  await checked;
  assert.deepEqual(relay.asked, ["media.subscribe", "media.answer"]);
});

test("a network that changed and silenced the connection heals it before the browser notices", async () => {
  latest().alive = false;
  const checked = keeper.check();
  await pass(2_500);
  assert.ok(relay.asked.includes("media.restart"));
  latest().alive = true;
  await pass(500);
  await checked;
  assert.equal(Browser.made.length, 1);
});

test("a silence too long for a pause is healed before the browser calls it interrupted", async () => {
  latest().alive = false;
  await pass(5_500);
  assert.deepEqual(relay.asked.slice(2), ["media.restart", "media.answer"]);
  latest().alive = true;
  await pass(10_000);
  assert.deepEqual([relay.asked.length, Browser.made.length], [4, 1]);
});

test("what is wanted no more is closed and not built again", async () => {
  const browser = latest();
  keeper.want(false);
  await pass(20_000);
  assert.equal(browser.connectionState, "closed");
  assert.equal(keeper.link.value, null);
  assert.equal(Browser.made.length, 1);
});
