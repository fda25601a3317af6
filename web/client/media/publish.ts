// What the person sends. The browser offers; a source keeps its m-line for the life of the connection.
import { SOURCES, type Source } from "../live/wire";
import { encodings, fitted, redFirst, type Size } from "./encodings";
import { Link, type Described, type Wire } from "./link";

export type Tracks = Partial<Record<Source, MediaStreamTrack | null>>;

/** An instrument may stutter where the line is weak, and must not blur. */
const SHARP: Partial<Record<Source, { degradationPreference: RTCDegradationPreference }>> = {
  camera2: { degradationPreference: "maintain-resolution" },
};

export class PublishLink extends Link {
  private readonly transceivers = new Map<Source, RTCRtpTransceiver>();
  /** What the relay says is looked at; until then everything is sent. */
  private readonly wanted = new Map<Source, readonly string[]>();
  /** Offers, and changes of what is sent, one after the other. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(prefix: "media" | "probe", wire: Wire, configuration: RTCConfiguration) {
    super("publish", prefix, wire, configuration);
  }

  /** First offer: microphone and camera have their lines from the start, silent or not. */
  start(tracks: Tracks): Promise<void> {
    for (const source of SOURCES) {
      if (source === "mic" || source === "camera" || tracks[source]) this.add(source, tracks[source] ?? null);
    }
    return this.next(() => this.offer());
  }

  /** Puts a track on the source's line; a line is added the first time its source is shared. */
  async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    const transceiver = this.transceivers.get(source);
    if (transceiver) {
      await transceiver.sender.replaceTrack(track);
      if (track) await this.next(() => this.shape(source));
    } else if (track) {
      this.add(source, track);
      await this.next(() => this.offer());
    }
  }

  /** `media.layers`: sizes that nobody looks at cost neither processor nor uplink. */
  layers(source: Source, wanted: readonly string[]): Promise<void> {
    this.wanted.set(source, wanted);
    return this.next(() => this.shape(source));
  }

  restart(): Promise<void> {
    this.pc.restartIce();
    return this.next(() => this.offer());
  }

  private add(source: Source, track: MediaStreamTrack | null): void {
    const kind = source === "mic" ? "audio" : "video";
    const transceiver = this.pc.addTransceiver(track ?? kind, {
      direction: "sendonly",
      sendEncodings: encodings(source),
    });
    if (source === "mic") preferRed(transceiver);
    this.transceivers.set(source, transceiver);
  }

  private next(work: () => Promise<void>): Promise<void> {
    const next = this.turn.then(work);
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async offer(): Promise<void> {
    await this.pc.setLocalDescription(await this.pc.createOffer());
    const sources: Record<string, Source> = {};
    for (const [source, { mid }] of this.transceivers) if (mid !== null) sources[mid] = source;
    const answer = await this.asked<Described>("publish", { sdp: this.described(), sources });
    await this.pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    this.answered(answer);
    for (const source of this.transceivers.keys()) await this.shape(source);
  }

  private async shape(source: Source): Promise<void> {
    const sender = this.transceivers.get(source)?.sender;
    const parameters = sender?.getParameters();
    if (!sender || !parameters?.encodings) return;
    const next = fitted(source, parameters.encodings, sizeOf(sender.track), this.wanted.get(source) ?? null);
    // A browser that cannot reshape goes on as it was: more is sent than needed, nothing is lost.
    if (next) await sender.setParameters({ ...parameters, encodings: next, ...SHARP[source] }).catch(() => undefined);
  }
}

function sizeOf(track: MediaStreamTrack | null): Size | null {
  const { width, height } = track?.getSettings() ?? {};
  return width && height ? { width, height } : null;
}

function preferRed(transceiver: RTCRtpTransceiver): void {
  const codecs = redFirst(RTCRtpReceiver.getCapabilities("audio")?.codecs ?? []);
  if (!codecs || !("setCodecPreferences" in transceiver)) return;
  try {
    transceiver.setCodecPreferences(codecs);
  } catch {
    // a browser that counts its codecs differently sends plain Opus
  }
}
