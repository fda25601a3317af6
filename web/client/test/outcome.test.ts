// What was settled on: typed here, changed by another meanwhile; nothing typed is lost and nothing is overwritten.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Outcome, merged, NOTHING, trimmed, type Diagnosis, type OutcomeWire, type Particulars, type Shown } from "../draft/outcome";
import { Refused } from "../live/wire";

const line = (code: string): Diagnosis => ({
  code, kind: "1", text: code, certainty: "", nature: "", stage: "", tumour: NOTHING, node: NOTHING, metastasis: NOTHING,
});
const empty: Particulars = { diagnoses: [], clinical_group: NOTHING, advice: [], services: [], complaints: "" };
const shown: Shown = {
  digest: "0", particulars: empty, may_edit: true, places: [], referral: { code: "C50.4", text: "Рак" },
  choices: { kinds: [], certainties: [], natures: [], methods: [] },
};

/** A server that keeps what it is given, and refuses what was not written over its own words. */
function server(first: Particulars = empty) {
  const held = { particulars: first, digest: "0" };
  const wire: OutcomeWire = {
    read: () => Promise.resolve({ ...shown, ...held }),
    write(before, particulars) {
      if (before !== held.digest) {
        return Promise.reject(new Refused({ code: "stale_revision", message: "", details: { digest: held.digest, current: held.particulars } }));
      }
      held.particulars = particulars;
      held.digest = String(Number(held.digest) + 1);
      return Promise.resolve({ digest: held.digest });
    },
  };
  return { held, wire };
}

test("what is typed is saved, and lines nobody filled are not sent", async () => {
  const { held, wire } = server();
  const outcome = new Outcome(wire);
  await outcome.open();
  assert.equal(outcome.state.value, "empty");
  outcome.change({ diagnoses: [line("C50.4"), { ...line(""), text: "" }] });
  assert.equal(outcome.state.value, "changed");
  assert.ok(await outcome.save());
  assert.equal(outcome.state.value, "saved");
  assert.deepEqual(held.particulars.diagnoses.map((one) => one.code), ["C50.4"]);
  assert.equal(outcome.dirty, false);
});

test("another person's part is taken over and one's own stays", async () => {
  const { held, wire } = server();
  const [mine, theirs] = [new Outcome(wire), new Outcome(wire)];
  await Promise.all([mine.open(), theirs.open()]);
  theirs.change({ complaints: "Кашель" });
  await theirs.save();
  mine.change({ diagnoses: [line("C50.4")] });
  assert.equal(await mine.save(), false);
  assert.equal(mine.state.value, "changed");
  assert.deepEqual([mine.mine.value?.complaints, mine.mine.value?.diagnoses.length], ["Кашель", 1]);
  assert.ok(await mine.save());
  assert.deepEqual([held.particulars.complaints, held.particulars.diagnoses.length], ["Кашель", 1]);
});

test("where both changed one part the person chooses, and nothing is sent before", async () => {
  const { held, wire } = server();
  const [mine, theirs] = [new Outcome(wire), new Outcome(wire)];
  await Promise.all([mine.open(), theirs.open()]);
  theirs.change({ complaints: "Кашель" });
  await theirs.save();
  mine.change({ complaints: "Одышка" });
  await mine.save();
  assert.equal(mine.state.value, "conflict");
  assert.deepEqual(mine.torn.value, ["complaints"]);
  assert.equal(mine.mine.value?.complaints, "Одышка");
  assert.equal(held.particulars.complaints, "Кашель");
  mine.keepMine();
  assert.ok(await mine.save());
  assert.equal(held.particulars.complaints, "Одышка");
});

test("the other version may be taken instead", async () => {
  const { wire } = server();
  const [mine, theirs] = [new Outcome(wire), new Outcome(wire)];
  await Promise.all([mine.open(), theirs.open()]);
  theirs.change({ complaints: "Кашель" });
  await theirs.save();
  mine.change({ complaints: "Одышка" });
  await mine.open(); // the page heard of it before anything was sent
  assert.equal(mine.state.value, "conflict");
  mine.takeTheirs();
  assert.deepEqual([mine.mine.value?.complaints, mine.state.value], ["Кашель", "saved"]);
});

test("a refusal names its field and keeps every word", async () => {
  const wire: OutcomeWire = {
    read: () => Promise.resolve(shown),
    write: () => Promise.reject(new Refused({ code: "field_required", message: "Заполните", details: { field: "diagnoses.0.code" } })),
  };
  const outcome = new Outcome(wire);
  await outcome.open();
  outcome.change({ diagnoses: [{ ...line(""), text: "Рак" }] });
  await outcome.save();
  assert.deepEqual(outcome.fault.value, { field: "diagnoses.0.code", message: "Заполните", code: "field_required" });
  assert.equal(outcome.mine.value?.diagnoses[0]?.text, "Рак");
});

test("the same change on both sides tears nothing", () => {
  const both = { ...empty, complaints: "Кашель" };
  assert.deepEqual(merged(empty, both, both), { both, torn: [] });
  assert.deepEqual(trimmed(empty), empty);
});
