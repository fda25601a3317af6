// A draft is checked some time after its last change, one question at a time, and the newest change is always seen.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Checking, type Checked } from "../draft/checking";
import { Refused } from "../live/wire";

const empty: Checked = { checked: true, conformant: true, guide: "", rules_fired: 0, unchecked: [], findings: [] };

/** A server that answers when it is told to. */
function server() {
  const waiting: { give: (found: Checked) => void; fail: (error: unknown) => void }[] = [];
  let told: () => void = () => undefined;
  const ask = (): Promise<Checked> => new Promise((give, fail) => {
    waiting.push({ give, fail });
    told();
  });
  const asked = (count: number): Promise<void> => new Promise((done) => {
    told = () => waiting.length >= count && done();
    told();
  });
  return { ask, asked, waiting };
}

test("changes while a check runs are seen by the next one, which is one and not three", async () => {
  const { ask, asked, waiting } = server();
  const checking = new Checking("p", () => true, ask, 0);
  const first = checking.now();
  for (let n = 0; n < 3; n += 1) checking.soon();
  await asked(1);
  waiting[0]?.give({ ...empty, rules_fired: 1 });
  await first;
  await asked(2);
  waiting[1]?.give({ ...empty, rules_fired: 2 });
  await new Promise((done) => checking.state.subscribe((state) => state === "checked" && done(null)));
  assert.equal(waiting.length, 2);
  assert.equal(checking.result.value?.rules_fired, 2);
});

test("what is not on the server yet is not checked", async () => {
  const { ask, asked, waiting } = server();
  let ready = false;
  const checking = new Checking("p", () => ready, ask, 0);
  await checking.now();
  assert.equal(waiting.length, 0);
  ready = true;
  await asked(1);
  checking.close();
});

test("a failure keeps the last findings and says so", async () => {
  const { ask, waiting } = server();
  const checking = new Checking("p", () => true, ask, 0);
  const first = checking.now();
  waiting[0]?.give(empty);
  await first;
  const second = checking.now();
  waiting[1]?.fail(new Refused({ code: "offline", message: "" }));
  await second;
  assert.equal(checking.state.value, "failed");
  assert.equal(checking.result.value, empty);
  checking.close();
});
