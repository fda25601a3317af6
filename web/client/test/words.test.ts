import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { day, has, refusal, stopwatch, t, useWords } from "../live/words";
import { LAYOUTS } from "../live/wire";
import { RUNGS } from "../media/servers";
import { SHORTCUTS } from "./shortcuts";

const locale = (language: string) =>
  JSON.parse(readFileSync(join(process.cwd(), "..", "locale", `${language}.json`), "utf8")) as Record<string, string>;

function sources(): string {
  const folders = ["room", "room/decision", "viewer", "draft", "check", "media", "live"];
  return folders
    .flatMap((folder) => readdirSync(folder).filter((file) => /\.tsx?$/.test(file)).map((file) => readFileSync(join(folder, file), "utf8")))
    .join("\n");
}

/** Keys that stand in the sources as they are: a quoted room.…, media.… or client.… */
function written(): string[] {
  return [...new Set([...sources().matchAll(/"((?:room|media|client)\.[a-z0-9_.-]+[a-z0-9])"/g)].map((one) => one[1] ?? ""))];
}

/** Events and message names look like keys and are none. */
const WIRE = /^(room\.(sync|enter|leave|gone|close|ticket)|media\.(slots|moved|state|layers|view|servers|quality|unheard|unsent))$/;

/** Keys put together from a value: what the value can be. */
const MADE: Record<string, readonly string[]> = {
  "room.layout.": LAYOUTS,
  "room.key.": SHORTCUTS,
  "room.choice.": ["for", "against", "abstain"],
  "room.draft.": ["opening", "saved", "saving", "offline", "frozen"],
  "room.dissent.": ["clean", "waiting", "saving", "saved", "failed"],
  "room.link.": ["connecting", "live", "reconnecting", "gone"],
  "room.quality.": ["excellent", "good", "poor", "lost"],
  "room.quality.cause.": ["uplink", "downlink", "theirs", "deaf", "relay"],
  "room.quality.advice.": ["uplink", "downlink", "theirs", "deaf", "relay"],
  "room.quality.trouble.": ["uplink", "downlink", "relay"],
  "room.quality.detail.": ["rung", "rtt", "up", "down"],
  "room.showing.": ["screen", "screen2", "screen3", "camera2"],
  "room.": ["screen_of", "screen2_of", "screen3_of", "camera2_of"],
  "media.rung.": RUNGS,
  "room.check.rung.": ["waiting", "trying", "works", "blocked", "absent", "none"],
  "room.check.quality_": ["high", "usual", "low"],
  "room.section.": ["reasons", "course", "state", "decision"],
  "room.tab.": ["people", "hands", "chat", "lobby", "agenda"],
  "room.ballot.digest_": ["checking", "same", "different"],
  "room.missing.": [
    "members_missing", "reasons_missing", "course_missing", "state_missing", "decision_missing", "goal_text_missing", "signers_missing",
    "author_snils_missing", "diagnosis_kind_missing", "diagnosis_missing", "encounter_card_missing", "encounter_missing", "form_missing",
    "goal_missing", "organisation_okpo_missing", "organisation_place_missing", "patient_birth_date_missing", "patient_pseudonym",
    "patient_sex_missing", "patient_snils_missing", "payer_unsupported", "payment_missing", "performer_snils_missing", "performers_too_few",
    "policy_dates_missing", "policy_missing", "post_code_missing", "severity_missing", "urgency_missing",
  ],
  "room.next.": [
    "open_item", "give_floor", "release_floor", "propose", "open_vote", "close_vote", "close_item", "protocol", "close_room", "vote",
    "see_vote", "raise_hand", "lower_hand",
  ],
  "room.say.": [
    "waiting", "joined", "left", "hand", "floor", "chair_taken", "chair_offered", "presenter", "chat", "recused", "layout", "document",
    "vote_opened", "vote_adopted", "vote_rejected", "item_opened", "item_closed", "protocol_drafted", "protocol_frozen", "closed",
    "floor_mine", "chair_mine", "chair_taken_mine", "presenter_mine",
  ],
  "media.trouble.mic.": ["denied", "absent", "busy", "insecure", "failed"],
  "media.trouble.camera.": ["denied", "absent", "busy", "insecure", "failed"],
  "room.check.mic_": ["waiting", "heard", "silent", "on", "off"],
  "room.check.tone_": ["playing", "played", "failed"],
  "room.check.verdict.": ["good", "slow", "lossy", "oneway", "blocked", "unavailable"],
  "room.check.advice.": ["good", "slow", "lossy", "oneway", "blocked", "unavailable"],
  "room.check.allow.": ["chromium", "yandex", "firefox", "safari", "other"],
  "room.check.detail.": ["rtt", "loss", "connected", "echo", "remote", "local", "browser", "chosen", "site"],
  "room.close_vote.": ["title", "text"],
  "room.close_item.": ["title", "text"],
  "room.close_room.": ["title", "text"],
  "room.waiting.": ["told", "not_open", "denied", "early"].flatMap((one) => [`${one}.title`, `${one}.text`]),
  "room.gone.": [
    "left", "closed", "already_closed", "wrong_step", "denied", "removed", "elsewhere", "signed_out", "not_signed_in", "session_expired",
    "not_found", "other",
  ].flatMap((one) => [`${one}.title`, `${one}.text`]),
  "room.chair.": ["offer.text", "offer.action", "return.text", "return.action"],
  "room.viewer.": ["page-back", "page-next", "zoom-out", "zoom-in", "zoom-fit", "digest_mismatch", "not_opened"],
  "role.": ["chair", "deputy", "secretary", "member", "attending", "consultant", "expert", "observer"],
  "item.": ["waiting", "open", "decided", "postponed"],
};

test("every sentence the room may say is there in both languages", () => {
  const wanted = [...written().filter((key) => !WIRE.test(key)), ...Object.entries(MADE).flatMap(([area, ends]) => ends.map((end) => area + end))];
  assert.ok(wanted.length > 200, String(wanted.length));
  for (const language of ["ru", "en"]) {
    const words = locale(language);
    assert.deepEqual(wanted.filter((key) => !(key in words)), [], language);
  }
});

test("both languages have the same places in every sentence of the room", () => {
  const [ru, en] = [locale("ru"), locale("en")];
  const places = (entry: unknown): string => {
    const text = typeof entry === "string" ? entry : Object.values(entry as object).join(" ");
    return [...new Set(text.match(/\{\w+\}/g) ?? [])].sort().join();
  };
  const keys = Object.keys(ru).filter((key) => /^(room|media|client)\./.test(key));
  assert.deepEqual(keys.filter((key) => places(ru[key]) !== places(en[key])), []);
});

test("plurals follow the language", () => {
  const years = { "room.age": { one: "{count} год", few: "{count} года", many: "{count} лет", other: "{count} года" } };
  useWords("ru", years);
  assert.deepEqual([1, 3, 11, 65, 101].map((count) => t("room.age", { count })), ["1 год", "3 года", "11 лет", "65 лет", "101 год"]);
});

test("a refusal is told by its code, then by the server, then by the code itself", () => {
  useWords("en", { "error.no_quorum": "No quorum: {have} of {need}." });
  assert.equal(refusal("no_quorum", "", { have: 2, need: 3 }), "No quorum: 2 of 3.");
  assert.equal(refusal("odd", "The server says so."), "The server says so.");
  assert.equal(refusal("odd"), "odd");
  assert.ok(!has("odd"));
});

test("times are short and days are Russian", () => {
  assert.equal(stopwatch(75), "1:15");
  assert.equal(stopwatch(3_725), "1:02:05");
  assert.equal(stopwatch(-4), "0:00");
  assert.equal(day("1961-02-10"), "10.02.1961");
});
