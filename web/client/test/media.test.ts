import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused, type Slot } from "../live/wire";
import { encodings, fitted, redFirst, sizesOf } from "../media/encodings";
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

const HD = { width: 1280, height: 720 };
const shape = (made: RTCRtpEncodingParameters[] | null) => made?.map(({ rid, active, scaleResolutionDownBy }) => [rid, active, scaleResolutionDownBy]);

test("a camera is offered in three sizes, an instrument in two, a screen in one, lowest first", () => {
  assert.deepEqual(encodings("camera").map((one) => [one.rid, one.scaleResolutionDownBy, one.maxBitrate]), [
    ["l", 4, 150_000], ["m", 2, 500_000], ["h", 1, 1_500_000],
  ]);
  assert.deepEqual(encodings("camera2").map((one) => one.rid), ["m", "h"]);
  assert.deepEqual(encodings("screen3").map((one) => one.rid), [undefined]);
});

test("a picture has as many sizes as the browser makes of it, the whole picture always among them", () => {
  assert.deepEqual([HD, { width: 640, height: 480 }, { width: 320, height: 240 }, { width: 540, height: 960 }].map(sizesOf), [3, 2, 1, 3]);
  assert.deepEqual(shape(fitted("camera", encodings("camera"), { width: 640, height: 480 }, null)), [["l", true, 2], ["m", true, 1], ["h", false, 1]]);
  const small = fitted("camera", encodings("camera"), { width: 320, height: 180 }, null);
  assert.deepEqual(shape(small), [["l", true, 1], ["m", false, 2], ["h", false, 1]]);
  assert.equal(small?.[0]?.maxBitrate, 250_000);
});

test("sizes that nobody looks at rest, and nothing is touched when nothing changes", () => {
  const all = fitted("camera", encodings("camera"), HD, ["l", "m", "h"]) ?? encodings("camera");
  const one = fitted("camera", all, HD, ["m"]);
  assert.deepEqual(shape(one), [["l", false, 4], ["m", true, 2], ["h", false, 1]]);
  assert.equal(fitted("camera", one ?? [], HD, ["m"]), null);
  assert.equal(fitted("mic", encodings("mic"), null, null)?.[0]?.active, undefined);
  assert.deepEqual(shape(fitted("camera", all, HD, [])), [["l", false, 4], ["m", false, 2], ["h", false, 1]]);
  assert.deepEqual(shape(fitted("screen", encodings("screen"), HD, [])), [[undefined, false, undefined]]);
});

test("who wants a size that this camera does not have gets the largest there is", () => {
  assert.deepEqual(shape(fitted("camera", encodings("camera"), { width: 640, height: 480 }, ["h"])), [["l", false, 2], ["m", true, 1], ["h", false, 1]]);
});

test("a relay that takes no layers gets the whole picture and not its smallest size", () => {
  const [lowest] = encodings("camera");
  assert.deepEqual(shape(fitted("camera", lowest ? [lowest] : [], HD, null)), [["l", true, 1]]);
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

test("without a slot one counts as unheard only where there are slots for all who speak, me among them", () => {
  const slots: Slot[] = ["0", "1"].map((mid) => ({ mid, kind: "audio", seat: null, source: null }));
  assert.deepEqual(unheard({ volkov: { mic: true } }, slots, {}, "me"), ["volkov"]);
  assert.deepEqual(unheard({ volkov: { mic: true }, orlov: { mic: true } }, slots, {}, "me"), []);
});

test("the relay is asked after two looks, again after a while, and not without end", () => {
  let now = 0;
  const asked: unknown[] = [];
  const ask = <T>(_name: string, payload: Record<string, unknown>) => { asked.push(payload.seat); return Promise.resolve({} as T); };
  const hearing = new Hearing({ ask }, () => now);
  hearing.look(["orlov"]);
  assert.deepEqual(asked, []);
  for (let at = 0; at < 100; at += 1) {
    now += 3_000;
    hearing.look(["orlov"]);
  }
  assert.deepEqual(asked, ["orlov", "orlov", "orlov"]);
  hearing.look([]);
  hearing.look(["orlov"]);
  hearing.look(["orlov"]);
  assert.equal(asked.length, 4);
});

test("silence is an empty bar, a loud tone a full one", () => {
  assert.equal(bar(new Float32Array(512)), 0);
  assert.equal(bar(Float32Array.from({ length: 512 }, (_, at) => (at % 2 ? 0.9 : -0.9))), 1);
  const quiet = bar(Float32Array.from({ length: 512 }, (_, at) => (at % 2 ? 0.02 : -0.02)));
  assert.ok(quiet > 0.3 && quiet < 0.6, String(quiet));
});
