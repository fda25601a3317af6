import assert from "node:assert/strict";
import { test } from "node:test";
import { inside, onPage, onStage, panned, placed, WHOLE, within, zoomed } from "../viewer/geometry";

const page = { width: 210, height: 297 };
const wide = { width: 1000, height: 500 };
const tall = { width: 400, height: 900 };

const near = (one: number, other: number): void => assert.ok(Math.abs(one - other) < 1e-9, `${one} is not ${other}`);

test("at zoom 1 the whole page fits in the middle of any stage", () => {
  for (const stage of [wide, tall]) {
    const place = placed(WHOLE, page, stage);
    assert.ok(place.width <= stage.width + 1e-9 && place.height <= stage.height + 1e-9);
    near(place.left + place.width / 2, stage.width / 2);
    near(place.top + place.height / 2, stage.height / 2);
  }
});

test("a pointer lands on the same spot of the page on screens of different size", () => {
  const view = { zoom: 2.5, x: 0.3, y: 0.6 };
  const spot = onPage({ x: 700, y: 120 }, placed(view, page, wide));
  const there = onPage(onStage(spot, placed(view, page, tall)), placed(view, page, tall));
  near(there.x, spot.x);
  near(there.y, spot.y);
});

test("zooming keeps the point under the hand where it is", () => {
  const view = { zoom: 2, x: 0.5, y: 0.5 };
  const spot = { x: 0.4, y: 0.45 };
  const before = onStage(spot, placed(view, page, wide));
  const after = onStage(spot, placed(zoomed(view, 1.5, spot), page, wide));
  near(before.x, after.x);
  near(before.y, after.y);
});

test("the page cannot be lost: its middle stays, and what fits is centred", () => {
  const place = placed({ zoom: 2, x: 0.5, y: 0.5 }, page, wide);
  assert.deepEqual(panned({ zoom: 2, x: 0.5, y: 0.5 }, { x: 1e6, y: -1e6 }, place), { zoom: 2, x: 0, y: 1 });
  assert.deepEqual(within({ zoom: 0.8, x: 0.1, y: 0.9 }), { zoom: 0.8, x: 0.5, y: 0.5 });
  assert.equal(zoomed(WHOLE, 100).zoom, 8);
  assert.equal(zoomed(WHOLE, 0.001).zoom, 0.5);
});

test("a point beside the page is beside it", () => {
  assert.ok(inside({ x: 0, y: 1 }));
  assert.ok(!inside({ x: -0.01, y: 0.5 }));
});
