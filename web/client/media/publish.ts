// What the person sends. The browser offers; a source keeps its m-line for the life of the connection.
import type { Source } from "../live/wire";
import { Link, type Wire } from "./link";

const ENCODING: Record<Source, RTCRtpEncodingParameters> = {
  mic: { maxBitrate: 40_000 },
  camera: { maxBitrate: 600_000 },
  screen: { maxBitrate: 1_500_000, maxFramerate: 12 },
};

export class PublishLink extends Link {
  private readonly transceivers = new Map<Source, RTCRtpTransceiver>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(prefix: "media" | "probe", wire: Wire) {
    super("publish", prefix, wire);
  }

  /** First offer: microphone and camera have their lines from the start, silent or not. */
  start(mic: MediaStreamTrack | null, camera: MediaStreamTrack | null): Promise<void> {
    this.add("mic", mic);
    this.add("camera", camera);
    return this.negotiate();
  }

  /** Puts a track on the source's line; the screen's line is added the first time it is shared. */
  async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    const transceiver = this.transceivers.get(source);
    if (transceiver) await transceiver.sender.replaceTrack(track);
    else if (track) {
      this.add(source, track);
      await this.negotiate();
    }
  }

  private add(source: Source, track: MediaStreamTrack | null): void {
    const kind = source === "mic" ? "audio" : "video";
    const transceiver = this.pc.addTransceiver(track ?? kind, {
      direction: "sendonly",
      sendEncodings: [ENCODING[source]],
    });
    this.transceivers.set(source, transceiver);
  }

  private negotiate(): Promise<void> {
    const next = this.turn.then(() => this.offer());
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async offer(): Promise<void> {
    await this.pc.setLocalDescription(await this.pc.createOffer());
    const sources: Record<string, Source> = {};
    for (const [source, { mid }] of this.transceivers) if (mid !== null) sources[mid] = source;
    const { sdp, epoch } = await this.wire.ask<{ sdp: string; epoch: number }>(`${this.prefix}.publish`, {
      sdp: await this.described(),
      sources,
    });
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    this.answered(epoch);
  }
}
