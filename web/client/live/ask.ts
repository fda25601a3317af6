// Commands by HTTP, for what does not travel over the socket.
import { Refused, type Ack } from "./wire";

/** POST /api/<name>. Throws Refused with the server's code, `offline` when there was no answer at all. */
export async function post<T = Record<string, unknown>>(name: string, fields: Record<string, unknown>): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Consilium": "1" },
      body: JSON.stringify(fields),
      credentials: "same-origin",
    });
  } catch {
    throw new Refused({ code: "offline", message: "" });
  }
  const body = (await answer.json().catch(() => null)) as Ack | null;
  if (body?.ok) return body as T;
  throw new Refused(body?.error ?? { code: answer.status === 401 ? "not_signed_in" : "internal", message: "" });
}

/** A domain command by HTTP; the id makes a second sending harmless. */
export function command<T = Record<string, unknown>>(
  name: string,
  fields: Record<string, unknown>,
  id: string = crypto.randomUUID(),
): Promise<T> {
  return post<T>(name, { command: id, ...fields });
}
