// Moves the focus to a place that may not be on the screen yet: the new state is still on its way.

const PATIENCE = 3_000; // milliseconds

/** Focuses `[data-focus="<place>"]` as soon as it is there. */
export function focusOn(place: string): void {
  const find = (): boolean => {
    const found = document.querySelector<HTMLElement>(`[data-focus="${place}"]`);
    found?.focus();
    return found !== null;
  };
  if (find()) return;
  const watcher = new MutationObserver(() => find() && watcher.disconnect());
  watcher.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => watcher.disconnect(), PATIENCE);
}
