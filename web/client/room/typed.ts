// Texts begun and not yet sent, kept while the stage changes under the writer: one per place, in memory only.
import { signal, type Signal } from "@preact/signals";

const places = new Map<string, Signal<string>>();

/** The text of a place; `first` is what it begins with. */
export function typed(place: string, first = ""): Signal<string> {
  let text = places.get(place);
  if (!text) places.set(place, (text = signal(first)));
  return text;
}

export function forget(place: string): void {
  places.delete(place);
}
