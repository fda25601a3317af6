import assert from "node:assert/strict";
import { test } from "node:test";
import * as Y from "yjs";
import { decode, encode } from "../draft/base64";
import { Draft, type DraftWire } from "../draft/draft";
import { Refused } from "../live/wire";

/** The server's half of a draft: it keeps updates and refuses when told to. */
class Ledger implements DraftWire {
  readonly document = new Y.Doc();
  writes = 0;
  refuse: string | null = null;
  frozen = false;

  ask<T>(): Promise<T> {
    return Promise.resolve({
      update: encode(Y.encodeStateAsUpdate(this.document)), frozen: this.frozen, sections: ["course", "decision"],
    } as T);
  }

  command(_name: string, fields: Record<string, unknown>): Promise<Record<string, unknown>> {
    if (this.refuse) return Promise.reject(new Refused({ code: this.refuse, message: "" }));
    this.writes += 1;
    Y.applyUpdate(this.document, decode(String(fields.update)));
    return Promise.resolve({});
  }

  get course(): string {
    return this.document.getText("course").toString();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what is typed reaches the ledger and is then called saved", async () => {
  const ledger = new Ledger();
  const draft = new Draft("p", ledger);
  await draft.open();
  draft.text("course").insert(0, "Кашель");
  assert.equal(draft.state.value, "saving");
  await settled();
  assert.equal(draft.state.value, "saved");
  assert.equal(ledger.course, "Кашель");
});

test("letters typed while one update travels go together as the next", async () => {
  const ledger = new Ledger();
  const draft = new Draft("p", ledger);
  await draft.open();
  for (const letter of "Кашель") draft.text("course").insert(draft.text("course").length, letter);
  await settled();
  assert.equal(ledger.course, "Кашель");
  assert.equal(ledger.writes, 2);
});

test("what was typed without a connection is sent after it is back, beside what others wrote", async () => {
  const ledger = new Ledger();
  const draft = new Draft("p", ledger);
  await draft.open();
  draft.offline();
  draft.text("course").insert(0, "моё ");
  ledger.document.getText("decision").insert(0, "чужое");
  assert.equal(draft.state.value, "offline");
  assert.equal(ledger.writes, 0);
  await draft.open();
  await settled();
  assert.equal(ledger.course, "моё ");
  assert.equal(draft.text("decision").toString(), "чужое");
  assert.equal(draft.state.value, "saved");
});

test("coming back with nothing new sends nothing", async () => {
  const ledger = new Ledger();
  ledger.document.getText("course").insert(0, "готово");
  const draft = new Draft("p", ledger);
  await draft.open();
  await draft.open();
  await settled();
  assert.equal(ledger.writes, 0);
});

test("a draft frozen meanwhile takes no more words", async () => {
  const ledger = new Ledger();
  const draft = new Draft("p", ledger);
  await draft.open();
  ledger.refuse = "draft_frozen";
  draft.text("course").insert(0, "поздно");
  await settled();
  assert.equal(draft.state.value, "frozen");
});

test("any other refusal is said with its code, and the text stays", async () => {
  const ledger = new Ledger();
  const draft = new Draft("p", ledger);
  await draft.open();
  ledger.refuse = "too_large";
  draft.text("course").insert(0, "длинно");
  await settled();
  assert.equal(draft.state.value, "refused");
  assert.equal(draft.refusal.value, "too_large");
  assert.equal(draft.text("course").toString(), "длинно");
});

test("bytes travel as base64 and come back", () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, at) => at % 256);
  assert.deepEqual(decode(encode(bytes)), bytes);
});
