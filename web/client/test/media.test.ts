import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused, type Slot } from "../live/wire";
import { alone, encodings, redFirst, wantedOnly } from "../media/encodings";
import { Hearing, unheard } from "../media/hearing";
import { isLite } from "../media/link";
import { bar } from "../media/meter";
import { every, only, rungOf, Servers, type Ways } from "../media/servers";
import { bySeat } from "../media/subscribe";
import { sizes } from "../media/view";

test("slots put tracks under their owners, empty slots and unknown lines are left out", () => {
  const track = (name: string) => ({ name }) as unknown as MediaStreamTrack;
  const tracks = new Map([["0", track("a")], ["1", track("b")], ["2", track("c")]]);
  const slots: Slot[] = [
    { mid: "0", kind: "audio", seat: "orlov", source: "mic" },
    { mid: "1", kind: "video", seat: "orlov", source: "screen2", layer: null, paused: "bandwidth" },
    { mid: "2", kind: "video", seat: null, source: null },
    { mid: "9", kind: "video", seat: "volkov", source: "camera" },
  ];
  const found = bySeat(slots, tracks);
  assert.deepEqual([...found.keys()], ["orlov"]);
  assert.deepEqual(found.get("orlov"), {
    mic: { mid: "0", track: track("a"), paused: null }, screen2: { mid: "1", track: track("b"), paused: "bandwidth" },
  });
});

test("a relay with ICE-lite is known by its own line, wherever the lines end", () => {
  assert.ok(isLite("v=0\r\na=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"));
  assert.ok(!isLite("v=0\r\na=ice-options:ice-lite\r\na=x-a=ice-lite\r\n"));
});

test("a camera is offered in three sizes, a small one in two, a screen in one, lowest first", () => {
  const rids = (source: Parameters<typeof encodings>[0], quality: "usual" | "low") => encodings(source, quality).map((one) => one.rid);
  assert.deepEqual(rids("camera", "usual"), ["l", "m", "h"]);
  assert.deepEqual(rids("camera", "low"), ["l", "h"]);
  assert.deepEqual(rids("camera2", "usual"), ["m", "h"]);
  assert.deepEqual(rids("screen3", "usual"), [undefined]);
  assert.deepEqual(encodings("camera", "high").map((one) => [one.scaleResolutionDownBy, one.maxBitrate]), [[4, 150_000], [2, 500_000], [1, 1_500_000]]);
});

test("sizes that nobody looks at are switched off, and nothing is touched when nothing changes", () => {
  const all = encodings("camera", "usual");
  const one = wantedOnly(all, ["m"]);
  assert.deepEqual(one?.map(({ rid, active }) => [rid, active]), [["l", false], ["m", true], ["h", false]]);
  assert.equal(wantedOnly(one ?? [], ["m"]), null);
  assert.equal(wantedOnly(all, ["l", "m", "h"]), null);
  assert.deepEqual(wantedOnly(encodings("screen", "usual"), [])?.map((each) => each.active), [false]);
});

test("a relay that takes no layers gets the whole picture and not its smallest size", () => {
  const [lowest] = encodings("camera", "usual");
  assert.deepEqual(alone("camera", lowest ? [lowest] : []), [{ rid: "l", scaleResolutionDownBy: 1, maxBitrate: 600_000 }]);
  assert.equal(alone("camera", encodings("camera", "usual")), null);
  assert.equal(alone("screen", encodings("screen", "usual")), null);
});

test("redundant audio goes first where the browser has it, and nothing is changed where it has not", () => {
  const [opus, red] = [{ mimeType: "audio/opus" }, { mimeType: "audio/red" }];
  assert.deepEqual(redFirst([opus, red]), [red, opus]);
  assert.equal(redFirst([opus]), null);
});

const SLOTS: Slot[] = [
  { mid: "0", kind: "audio", seat: "orlov", source: "mic" },
  { mid: "8", kind: "video", seat: "orlov", source: "camera" },
  { mid: "9", kind: "video", seat: "volkov", source: "camera" },
  { mid: "10", kind: "video", seat: null, source: null },
];

test("a picture counts by its largest tile that is seen; what has no tile is not seen", () => {
  const drawn = [
    { mid: "8", height: 84, visible: true },
    { mid: "8", height: 431, visible: true },
    { mid: "8", height: 1_000, visible: false },
    { mid: "77", height: 200, visible: true },
  ];
  assert.deepEqual(sizes(SLOTS, drawn), { "8": { height: 440, visible: true }, "9": { height: 0, visible: false } });
});

const WAYS: Ways = {
  servers: [{ urls: ["turn:t:3478?transport=udp", "turn:t:3478?transport=tcp", "turns:t:443?transport=tcp"], username: "u", credential: "c" }],
  ttl: 600,
};

test("each rung is tried alone, and what is not set up is said so", () => {
  assert.deepEqual(["turn:t", "turn:t?transport=tcp", "turns:t:443?transport=tcp"].map(rungOf), ["turn_udp", "turn_tcp", "turn_tls"]);
  assert.deepEqual(only(WAYS, "udp"), { iceServers: [], iceTransportPolicy: "all", bundlePolicy: "max-bundle" });
  assert.deepEqual(only(WAYS, "turn_tls"), {
    iceServers: [{ urls: ["turns:t:443?transport=tcp"], username: "u", credential: "c" }], iceTransportPolicy: "relay", bundlePolicy: "max-bundle",
  });
  assert.equal(only({ servers: [] }, "turn_udp"), null);
  assert.equal(only({ ...WAYS, policy: "relay" }, "udp"), null);
  assert.equal(every(WAYS).iceServers?.length, 1);
});

test("servers are asked for once, again before the credentials end, and their absence stops nothing", async () => {
  let [asked, now] = [0, 0];
  let answer: () => Promise<Ways> = () => Promise.resolve(WAYS);
  const servers = new Servers({ ask: <T>() => { asked += 1; return answer() as Promise<T>; } }, () => now);
  assert.equal((await servers.get()).servers.length, 1);
  await servers.get();
  assert.equal(asked, 1);
  now = 300_001;
  answer = () => Promise.reject(new Refused({ code: "unknown", message: "" }));
  assert.deepEqual(await servers.get(), { servers: [] });
  assert.equal(asked, 2);
});

test("who has his microphone on and a voice slot, and is silent in it, is not heard", () => {
  const presence = { orlov: { mic: true }, volkov: { mic: false }, me: { mic: true } };
  assert.deepEqual(unheard(presence, SLOTS, { orlov: { grade: "excellent", audio: "silent" } }, "me"), ["orlov"]);
  assert.deepEqual(unheard(presence, SLOTS, { orlov: { grade: "excellent", audio: "heard" } }, "me"), []);
});

test("without a slot one counts as unheard only where there are slots for all who speak", () => {
  const slots: Slot[] = [{ mid: "0", kind: "audio", seat: null, source: null }];
  assert.deepEqual(unheard({ volkov: { mic: true } }, slots, {}, "me"), ["volkov"]);
  assert.deepEqual(unheard({ volkov: { mic: true }, orlov: { mic: true } }, slots, {}, "me"), []);
});

test("the relay is asked after two looks, everything is asked for anew after that, and not without end", async () => {
  let now = 0;
  const asked: unknown[] = [];
  let again = 0;
  const hearing = new Hearing(
    { ask: <T>(_name: string, payload: Record<string, unknown>) => { asked.push(payload.seat); return Promise.resolve({} as T); } },
    () => { again += 1; }, () => now,
  );
  hearing.look(["orlov"]);
  assert.deepEqual(asked, []);
  for (let at = 0; at < 100; at += 1) {
    now += 3_000;
    hearing.look(["orlov"]);
  }
  assert.deepEqual([asked, again], [["orlov"], 2]);
  hearing.look([]);
  hearing.look(["orlov"]);
  hearing.look(["orlov"]);
  assert.deepEqual(asked, ["orlov", "orlov"]);
});

test("silence is an empty bar, a loud tone a full one", () => {
  assert.equal(bar(new Float32Array(512)), 0);
  assert.equal(bar(Float32Array.from({ length: 512 }, (_, at) => (at % 2 ? 0.9 : -0.9))), 1);
  const quiet = bar(Float32Array.from({ length: 512 }, (_, at) => (at % 2 ? 0.02 : -0.02)));
  assert.ok(quiet > 0.3 && quiet < 0.6, String(quiet));
});
