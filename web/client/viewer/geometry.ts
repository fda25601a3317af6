// Where a page lies on the stage. A view is a zoom (1 = the whole page fits) and the page point in the middle.

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

/** Zoom and centre; x and y are page coordinates 0..1, so the same view means the same on every screen. */
export interface PageView extends Point {
  zoom: number;
}

export interface Placed extends Size {
  left: number;
  top: number;
}

export const WHOLE: PageView = { zoom: 1, x: 0.5, y: 0.5 };
export const ZOOM = { least: 0.5, most: 8, step: 1.25 };

const between = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));

export function placed(view: PageView, page: Size, stage: Size): Placed {
  const fit = Math.min(stage.width / page.width, stage.height / page.height);
  const width = page.width * fit * view.zoom;
  const height = page.height * fit * view.zoom;
  return { width, height, left: stage.width / 2 - view.x * width, top: stage.height / 2 - view.y * height };
}

/** A point of the stage in page coordinates; outside the page it is outside 0..1. */
export function onPage(point: Point, place: Placed): Point {
  return { x: (point.x - place.left) / place.width, y: (point.y - place.top) / place.height };
}

export function onStage(point: Point, place: Placed): Point {
  return { x: place.left + point.x * place.width, y: place.top + point.y * place.height };
}

export function inside(point: Point): boolean {
  return point.x >= 0 && point.x <= 1 && point.y >= 0 && point.y <= 1;
}

/** Zooms so that `fixed` (page coordinates) stays where it is on the stage. */
export function zoomed(view: PageView, factor: number, fixed: Point = view): PageView {
  const zoom = between(view.zoom * factor, ZOOM.least, ZOOM.most);
  const ratio = view.zoom / zoom;
  return within({ zoom, x: fixed.x + (view.x - fixed.x) * ratio, y: fixed.y + (view.y - fixed.y) * ratio });
}

/** Moves the page by stage pixels. */
export function panned(view: PageView, by: Point, place: Placed): PageView {
  return within({ zoom: view.zoom, x: view.x - by.x / place.width, y: view.y - by.y / place.height });
}

/** Keeps the middle of the stage on the page, and what fits whole in the middle. */
export function within(view: PageView): PageView {
  if (view.zoom <= 1) return { ...view, x: 0.5, y: 0.5 };
  return { zoom: view.zoom, x: between(view.x, 0, 1), y: between(view.y, 0, 1) };
}
