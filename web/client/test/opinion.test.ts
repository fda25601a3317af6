import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused } from "../live/wire";
import { Opinion } from "../room/decision/opinion";

/** The server's half: one text with its revision, refusing stale ones as the rule does. */
class Shelf {
  text = "";
  revision = 0;
  writes = 0;

  command(_name: string, fields: Record<string, unknown>): Promise<Record<string, unknown>> {
    this.writes += 1;
    if (fields.revision !== this.revision) {
      const details = { current: this.text, revision: this.revision };
      return Promise.reject(new Refused({ code: "stale_revision", message: "", details }));
    }
    this.text = String(fields.text);
    this.revision += 1;
    return Promise.resolve({ revision: this.revision });
  }
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
};

function opinion(shelf: Shelf, refused: unknown[] = []): Opinion {
  return new Opinion("item", shelf, (error) => refused.push(error), 0);
}

test("what is written is saved by itself, each time over the last revision", async () => {
  const shelf = new Shelf();
  const mine = opinion(shelf);
  mine.write("Не согласен", null);
  assert.equal(mine.state.value, "waiting");
  await until(() => mine.state.value === "saved");
  mine.write("Не согласен, потому что", null);
  await until(() => mine.state.value === "saved");
  assert.equal(shelf.text, "Не согласен, потому что");
  assert.equal(shelf.revision, 2);
});

test("words from another window of mine are written over, not lost in silence", async () => {
  const shelf = new Shelf();
  shelf.text = "из другого окна";
  shelf.revision = 3;
  const mine = opinion(shelf);
  mine.write("новое", null);
  await until(() => mine.state.value === "saved");
  assert.equal(shelf.text, "новое");
});

test("what the server has is shown at first and never over unsaved words", async () => {
  const mine = opinion(new Shelf());
  mine.known({ id: "d", item: "item", text: "сохранённое", revision: 2, withdrawn: false });
  assert.equal(mine.text.value, "сохранённое");
  mine.write("правлю", null);
  mine.known({ id: "d", item: "item", text: "сохранённое", revision: 2, withdrawn: false });
  assert.equal(mine.text.value, "правлю");
});

test("a refusal is told and the text stays", async () => {
  const refused: unknown[] = [];
  const mine = new Opinion("item", { command: () => Promise.reject(new Refused({ code: "draft_frozen", message: "" })) }, (error) => refused.push(error), 0);
  mine.write("поздно", null);
  await until(() => mine.state.value === "failed");
  assert.equal(refused.length, 1);
  assert.equal(mine.text.value, "поздно");
});

test("an emptied field is no opinion and is not sent", async () => {
  const shelf = new Shelf();
  const mine = opinion(shelf);
  mine.write("  ", null);
  await until(() => mine.state.value === "clean");
  assert.equal(shelf.writes, 0);
});
