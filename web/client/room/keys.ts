// Every action has a key. Physical keys, so that they are the same in the Russian layout.
import { signal } from "@preact/signals";
import { LAYOUTS, type Snapshot } from "../live/wire";
import { share, take } from "./bar";
import { primary } from "./primary";
import { mark } from "./recorded";
import { askForRecording, change } from "./recording";
import type { Room, Side } from "./room";
import { leads, may, myHand } from "./select";

export interface Shortcut {
  id: string; // catalogue: room.key.<id>
  code: string;
  shift?: boolean;
  shown: string;
  can: (snapshot: Snapshot) => boolean;
  run: (room: Room, snapshot: Snapshot) => void;
}

const always = (): boolean => true;

function panel(room: Room, side: Side): void {
  const shown = room.sideOpen.value && room.side.value === side;
  room.side.value = side;
  room.sideOpen.value = !shown;
  if (!shown) requestAnimationFrame(() => (document.getElementById("chat-text") ?? document.getElementById("side-panel"))?.focus());
}

const page = (by: number) => (room: Room, snapshot: Snapshot): void => {
  const { shown } = room.viewer;
  if (shown.value) void room.viewer.turn(shown.value.page + by, leads(snapshot));
};

export const SHORTCUTS: readonly Shortcut[] = [
  { id: "next", code: "KeyN", shown: "N", can: always, run: (room, snapshot) => {
    const next = primary(snapshot);
    if (next) void take(room, next);
  } },
  { id: "mic", code: "KeyM", shown: "M", can: (one) => may(one, "publish"), run: ({ capture }) => void capture.setMic(!capture.micOn.value) },
  { id: "camera", code: "KeyV", shown: "V", can: (one) => may(one, "publish"), run: ({ capture }) => void capture.setCamera(!capture.camera.value) },
  { id: "share", code: "KeyS", shown: "S", can: (one) => may(one, "share"), run: (room) => share(room) },
  { id: "show_more", code: "KeyS", shift: true, shown: "Shift S", can: (one) => may(one, "share"), run: (room) => { room.showing.value = true; } },
  { id: "own_quality", code: "KeyI", shown: "I", can: always, run: (room, snapshot) => { room.lookingAt.value = snapshot.me.seat; } },
  { id: "hand", code: "KeyH", shown: "H", can: (one) => may(one, "hand"), run: (room, snapshot) =>
    void (myHand(snapshot) ? room.act("hand.lower") : room.act("hand.raise", { point_of_order: false })) },
  { id: "point_of_order", code: "KeyH", shift: true, shown: "Shift H", can: (one) => may(one, "hand"), run: (room) =>
    void room.act("hand.raise", { point_of_order: true }) },
  { id: "people", code: "KeyP", shown: "P", can: always, run: (room) => panel(room, "people") },
  { id: "hands", code: "KeyQ", shown: "Q", can: always, run: (room) => panel(room, "hands") },
  { id: "chat", code: "KeyT", shown: "T", can: always, run: (room) => panel(room, "chat") },
  { id: "lobby", code: "KeyL", shown: "L", can: (one) => may(one, "admit"), run: (room) => panel(room, "lobby") },
  { id: "admit_all", code: "KeyA", shift: true, shown: "Shift A", can: (one) => may(one, "admit") && one.lobby.length > 0, run: (room) =>
    void room.act("seat.admit_all") },
  ...LAYOUTS.map((layout, at): Shortcut => ({
    id: `layout_${layout}`, code: `Digit${at + 1}`, shown: String(at + 1), can: always, run: (room) => void room.look(layout),
  })),
  { id: "common_view", code: "Digit0", shown: "0", can: always, run: (room) => { room.ownView.value = null; } },
  { id: "page_next", code: "PageDown", shown: "Page Down", can: always, run: page(1) },
  { id: "page_back", code: "PageUp", shown: "Page Up", can: always, run: page(-1) },
  { id: "record", code: "KeyR", shift: true, shown: "Shift R", can: (one) => may(one, "record"), run: (room, snapshot) =>
    mark(snapshot, null, 0) ? change(room, snapshot) : askForRecording(room) },
  { id: "presenter", code: "KeyB", shown: "B", can: always, run: ({ viewer }) => (viewer.following.value ? viewer.explore() : viewer.back()) },
];

const KEYS_OFF = "consilium.single_keys_off";

/** Single letters can be switched off (WCAG 2.1.4): speech input types them by accident. */
export const singleKeys = signal(localStorage.getItem(KEYS_OFF) === null);

export function switchSingleKeys(on: boolean): void {
  singleKeys.value = on;
  if (on) localStorage.removeItem(KEYS_OFF);
  else localStorage.setItem(KEYS_OFF, "1");
}

export function keyOf(id: string): string | undefined {
  return SHORTCUTS.find((one) => one.id === id)?.shown;
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

/** The one listener of the room; dialogs keep their keys to themselves. */
export function listen(room: Room): void {
  document.addEventListener("keydown", (event) => {
    const snapshot = room.snapshot.value;
    if (!snapshot) return;
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyK") {
      event.preventDefault();
      room.palette.value = true;
      return;
    }
    if (typing(event.target) || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      room.help.value = true;
      return;
    }
    if (!singleKeys.value) return;
    const digit = LAYOUTS[Number(event.code.replace("Digit", "")) - 1];
    if (digit && event.shiftKey) return void room.look(digit, true);
    const found = SHORTCUTS.find((one) => one.code === event.code && Boolean(one.shift) === event.shiftKey && one.can(snapshot));
    if (!found) return;
    event.preventDefault();
    found.run(room, snapshot);
  });
}
