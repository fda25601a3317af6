// Carries commands so that each is done once: its id is made here and stays the same however often it is sent.
import { delay, pause } from "./backoff";
import { Refused, type Ack } from "./wire";

/** Answers that leave the outcome open or ask to come back: the same id is sent again. */
const AGAIN = new Set(["unknown", "busy", "rate_limited", "unavailable"]);

export interface Line {
  /** Resolves when messages can be sent; rejects with Refused when the room is gone for good. */
  ready(): Promise<void>;
  /** One message; rejects when no answer came within `timeout` milliseconds or the connection broke. */
  send(name: string, payload: Record<string, unknown>, timeout: number): Promise<Ack>;
}

export interface Patience {
  timeout: number;
  tries: number;
  wait: (attempt: number) => Promise<void>;
}

const PATIENT: Patience = { timeout: 5_000, tries: 8, wait: (attempt) => pause(delay(attempt)) };

/**
 * Sends a command until it has an answer. A broken connection costs no try: the command waits for the next one.
 * Throws Refused with the server's code, or with `unknown` when the tries are used up.
 */
export async function carry(
  line: Line,
  name: string,
  fields: Record<string, unknown>,
  id: string = crypto.randomUUID(),
  patience: Patience = PATIENT,
): Promise<Record<string, unknown>> {
  for (let attempt = 0; attempt < patience.tries; attempt += 1) {
    await line.ready();
    const answer = await line.send(name, { command: id, ...fields }, patience.timeout).catch(() => null);
    if (answer?.ok) return answer;
    if (answer && !AGAIN.has(answer.error.code)) throw new Refused(answer.error);
    await patience.wait(attempt);
  }
  throw new Refused({ code: "unknown", message: "" });
}
