// How long to wait before the next try: doubling with full jitter, so that a room does not come back at once.

/** Milliseconds before try number `attempt` (0 first). `random` is 0..1. */
export function delay(attempt: number, random: number = Math.random(), base = 400, limit = 8_000): number {
  const ceiling = Math.min(limit, base * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
