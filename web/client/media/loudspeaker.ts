// Plays what is heard: one hidden element per audio slot, on the chosen output, unlocked by a click if need be.
import { signal } from "@preact/signals";
import { loadChoice, saveChoice } from "./choice";

export class Loudspeaker {
  /** The browser wants a click before it lets anything sound. */
  readonly blocked = signal(false);
  private readonly elements = new Map<MediaStreamTrack, HTMLAudioElement>();

  play(tracks: readonly MediaStreamTrack[]): void {
    for (const [track, element] of this.elements) {
      if (tracks.includes(track)) continue;
      element.srcObject = null;
      element.remove();
      this.elements.delete(track);
    }
    for (const track of tracks) if (!this.elements.has(track)) this.add(track);
  }

  async unlock(): Promise<void> {
    const started = await Promise.allSettled([...this.elements.values()].map((element) => element.play()));
    this.blocked.value = started.some((one) => one.status === "rejected");
  }

  async choose(id: string): Promise<void> {
    saveChoice({ speaker: id });
    await Promise.allSettled([...this.elements.values()].map((element) => direct(element, id)));
  }

  private add(track: MediaStreamTrack): void {
    const element = document.createElement("audio");
    element.autoplay = true;
    element.hidden = true;
    element.srcObject = new MediaStream([track]);
    this.elements.set(track, element);
    document.body.append(element);
    const { speaker } = loadChoice();
    if (speaker) void direct(element, speaker).catch(() => undefined);
    element.play().catch((error: DOMException) => {
      if (error.name === "NotAllowedError") this.blocked.value = true;
    });
  }
}

/** Chosen output, where the browser can do it. */
export async function direct(element: HTMLMediaElement, id: string): Promise<void> {
  if ("setSinkId" in element) await element.setSinkId(id);
}
