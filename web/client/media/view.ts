// What of the received pictures is drawn, and how large: the relay sends nothing for what nobody sees (RM-09).
import type { Slot, TileSize } from "../live/wire";

const STEP = 20; // device pixels; smaller changes of a tile's height are nobody's business

interface Drawn {
  mid: string;
  height: number;
  visible: boolean;
}

/** The largest of a picture's tiles counts; a picture without a tile is not seen. */
export function sizes(slots: readonly Slot[], drawn: Iterable<Drawn>): Record<string, TileSize> {
  const tiles: Record<string, TileSize> = {};
  for (const { mid, kind, seat } of slots) if (kind === "video" && seat) tiles[mid] = { height: 0, visible: false };
  for (const { mid, height, visible } of drawn) {
    const tile = tiles[mid];
    if (!tile || !visible) continue;
    tiles[mid] = { height: Math.max(tile.height, Math.ceil(height / STEP) * STEP), visible: true };
  }
  return tiles;
}

/** Watches video elements. `changed` is called for every change, as often as there are any. */
export class View {
  private readonly drawn = new Map<Element, Drawn>();
  private readonly resized: ResizeObserver;
  private readonly seen: IntersectionObserver;

  constructor(private readonly changed: () => void) {
    this.resized = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) this.set(target, { height: contentRect.height * devicePixelRatio });
    });
    this.seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.set(target, { visible: isIntersecting });
    });
    for (const name of ["visibilitychange", "enterpictureinpicture", "leavepictureinpicture"]) {
      document.addEventListener(name, changed, true);
    }
  }

  watch(element: HTMLVideoElement, mid: string): () => void {
    this.drawn.set(element, { mid, height: 0, visible: false });
    this.resized.observe(element);
    this.seen.observe(element);
    return () => {
      this.resized.unobserve(element);
      this.seen.unobserve(element);
      this.drawn.delete(element);
      this.changed();
    };
  }

  tiles(slots: readonly Slot[]): Record<string, TileSize> {
    const floating = document.pictureInPictureElement ?? null;
    const awake = document.visibilityState === "visible";
    const drawn = [...this.drawn].map(([element, one]) => ({ ...one, visible: element === floating || (awake && one.visible) }));
    return sizes(slots, drawn);
  }

  private set(element: Element, change: Partial<Drawn>): void {
    const before = this.drawn.get(element);
    if (!before) return;
    this.drawn.set(element, { ...before, ...change });
    this.changed();
  }
}
