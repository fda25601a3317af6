// The socket: a fresh ticket for every connection, its state in words, commands that arrive once.
import { signal } from "@preact/signals";
import { io, type Socket } from "socket.io-client";
import { post } from "./ask";
import { delay } from "./backoff";
import { carry, type Line } from "./courier";
import { PROTOCOL_VERSION, Refused, type Ack } from "./wire";

export type LinkState =
  | { is: "connecting" }
  | { is: "live" }
  | { is: "reconnecting"; since: number }
  | { is: "gone"; code: string; message: string };

/** Refusals that a new try cannot change. */
const FINAL = new Set([
  "not_signed_in", "session_expired", "not_a_member", "not_found", "forbidden", "protocol_version", "bad_origin",
]);

const CONNECT_WITHIN = 8_000;

/** Payloads are typed where a handler is registered. */
type Handler = (payload: any) => void;

export class Live implements Line {
  readonly state = signal<LinkState>({ is: "connecting" });
  private socket: Socket | null = null;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly handlers = new Map<string, Handler[]>();
  private readonly waiting = new Set<{ resolve: () => void; reject: (reason: Refused) => void }>();
  private readonly opened: (() => Promise<void> | void)[] = [];

  /** Without a consilium it is a page's socket: it hears `page.changed` and asks nothing. */
  constructor(private readonly consilium?: string) {}

  on<T>(name: string, handler: (payload: T) => void): this {
    const list = this.handlers.get(name) ?? [];
    list.push(handler);
    this.handlers.set(name, list);
    this.socket?.on(name, handler);
    return this;
  }

  /** Runs after every connection, before waiting commands are sent: enter, pull, open drafts again. */
  onOpen(handler: () => Promise<void> | void): this {
    this.opened.push(handler);
    return this;
  }

  start(): this {
    addEventListener("online", () => this.hurry());
    addEventListener("offline", () => this.socket?.disconnect());
    addEventListener("pageshow", (event) => event.persisted && this.hurry());
    void this.connect();
    return this;
  }

  ready(): Promise<void> {
    const state = this.state.value;
    if (state.is === "live") return Promise.resolve();
    if (state.is === "gone") return Promise.reject(new Refused({ code: state.code, message: state.message }));
    return new Promise((resolve, reject) => this.waiting.add({ resolve, reject }));
  }

  async send(name: string, payload: Record<string, unknown>, timeout = 5_000): Promise<Ack> {
    const socket = this.socket;
    if (!socket?.connected) throw new Error("not connected");
    return (await socket.timeout(timeout).emitWithAck(name, payload)) as Ack;
  }

  /** A message that needs no command id. Throws Refused. */
  async ask<T>(name: string, payload: Record<string, unknown> = {}, timeout = 8_000): Promise<T> {
    const answer = await this.send(name, payload, timeout).catch(() => null);
    if (!answer) throw new Refused({ code: "unknown", message: "" });
    if (!answer.ok) throw new Refused(answer.error);
    return answer as T;
  }

  /** A domain command: sent until it has an answer, with one id. Throws Refused. */
  command(name: string, fields: Record<string, unknown> = {}, id?: string): Promise<Record<string, unknown>> {
    return carry(this, name, fields, id);
  }

  /** Fire and forget; lost when the line is busy, which is what pointers want. */
  volatile(name: string, payload: object): void {
    if (this.socket?.connected) this.socket.volatile.emit(name, payload);
  }

  leave(code: string, message = ""): void {
    clearTimeout(this.timer);
    this.state.value = { is: "gone", code, message };
    const reason = new Refused({ code, message });
    for (const one of this.waiting) one.reject(reason);
    this.waiting.clear();
    this.socket?.disconnect();
    this.socket = null;
  }

  private hurry(): void {
    if (this.state.value.is !== "reconnecting") return;
    clearTimeout(this.timer);
    void this.connect();
  }

  private async connect(): Promise<void> {
    try {
      const fields = this.consilium ? { consilium: this.consilium } : {};
      const { ticket } = await post<{ ticket: string }>("room.ticket", fields);
      this.open(ticket);
    } catch (error) {
      this.failed(error instanceof Refused ? error.code : "offline", "");
    }
  }

  private open(ticket: string): void {
    if (this.state.value.is === "gone") return;
    this.socket?.removeAllListeners();
    this.socket?.disconnect();
    const socket = io({
      path: "/socket.io",
      transports: ["websocket"],
      reconnection: false,
      forceNew: true,
      timeout: CONNECT_WITHIN,
      auth: { ticket, protocol: PROTOCOL_VERSION },
    });
    this.socket = socket;
    for (const [name, list] of this.handlers) for (const handler of list) socket.on(name, handler);
    socket.on("connect", () => void this.connected(socket));
    socket.on("disconnect", () => this.socket === socket && this.failed("offline", ""));
    socket.on("connect_error", (error: Error & { data?: { code?: string; message?: string } }) => {
      if (this.socket === socket) this.failed(error.data?.code ?? error.message, error.data?.message ?? "");
    });
  }

  private async connected(socket: Socket): Promise<void> {
    try {
      for (const handler of this.opened) await handler();
    } catch {
      socket.disconnect();
      return;
    }
    if (this.socket !== socket || !socket.connected) return;
    this.attempt = 0;
    this.state.value = { is: "live" };
    for (const one of this.waiting) one.resolve();
    this.waiting.clear();
  }

  private failed(code: string, message: string): void {
    const state = this.state.value;
    if (state.is === "gone") return;
    if (FINAL.has(code)) return this.leave(code, message);
    if (state.is !== "reconnecting") this.state.value = { is: "reconnecting", since: Date.now() };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), delay(this.attempt, Math.random(), 300, 3_000)); // back within five seconds (RM-11)
    this.attempt += 1;
  }
}
