import assert from "node:assert/strict";
import { test } from "node:test";
import * as Y from "yjs";
import { change, moved } from "../draft/binding";

function applied(before: string, after: string, caret?: number): string {
  const found = change(before, after, caret);
  if (!found) return before;
  return before.slice(0, found.at) + found.insert + before.slice(found.at + found.remove);
}

test("nothing changed is no change", () => assert.equal(change("тот же", "тот же"), null));

test("the change is the smallest one", () => {
  assert.deepEqual(change("узел 38 мм", "узел 40 мм"), { at: 5, remove: 2, insert: "40" });
  assert.deepEqual(change("ab", "axb"), { at: 1, remove: 0, insert: "x" });
  assert.deepEqual(change("axb", "ab"), { at: 1, remove: 1, insert: "" });
  assert.deepEqual(change("", "начало"), { at: 0, remove: 0, insert: "начало" });
});

test("a repeated letter is inserted where the caret is", () => {
  assert.deepEqual(change("аа", "ааа", 1), { at: 0, remove: 0, insert: "а" });
  assert.deepEqual(change("аа", "ааа", 3), { at: 2, remove: 0, insert: "а" });
});

test("halves of a pair are never torn apart", () => {
  const found = change("a😀b", "a😁b");
  assert.deepEqual(found, { at: 1, remove: 2, insert: "😁" });
  assert.equal(applied("😀", "😁"), "😁");
});

test("any change, applied, gives the new text", () => {
  const letters = ["а", "б", " ", "😀", "\n"];
  let seed = 7;
  const random = (below: number): number => { seed = (seed * 48_271) % 2_147_483_647; return seed % below; };
  const text = (): string => Array.from({ length: random(12) }, () => letters[random(letters.length)]).join("");
  for (let round = 0; round < 2_000; round += 1) {
    const [before, after] = [text(), text()];
    assert.equal(applied(before, after, random(after.length + 1)), after);
  }
});

test("the caret stays at its words when others type before, after and over it", () => {
  assert.equal(moved(5, [{ insert: "abc" }]), 8);
  assert.equal(moved(5, [{ retain: 9 }, { insert: "abc" }]), 5);
  assert.equal(moved(5, [{ retain: 5 }, { insert: "abc" }]), 5);
  assert.equal(moved(5, [{ retain: 1 }, { delete: 2 }]), 3);
  assert.equal(moved(5, [{ retain: 3 }, { delete: 10 }]), 3);
});

test("two people typing at once end with the same text", () => {
  const [one, other] = [new Y.Doc(), new Y.Doc()];
  one.getText("course").insert(0, "Болен с августа.");
  Y.applyUpdate(other, Y.encodeStateAsUpdate(one));
  const type = (document: Y.Doc, after: string): void => {
    const text = document.getText("course");
    const found = change(text.toString(), after);
    if (!found) return;
    text.delete(found.at, found.remove);
    text.insert(found.at, found.insert);
  };
  type(one, "Болен с августа 2026 года.");
  type(other, "Пациент болен с августа.");
  Y.applyUpdate(one, Y.encodeStateAsUpdate(other));
  Y.applyUpdate(other, Y.encodeStateAsUpdate(one));
  assert.equal(one.getText("course").toString(), other.getText("course").toString());
  assert.match(one.getText("course").toString(), /Пациент болен с августа 2026 года/);
});
