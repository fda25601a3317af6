// The person's own microphone, camera and screen: tracks, what is on, and what went wrong, by name.
import { batch, signal } from "@preact/signals";
import { SOURCES, type Source } from "../live/wire";
import { loadChoice, qualityOf, saveChoice, type DeviceChoice, type PictureQuality } from "./choice";

/** Why a device is not there: permission, absent, busy in another program, or a page that is not secure. */
export type Trouble = "denied" | "absent" | "busy" | "insecure" | "failed";

export type ScreenSource = "screen" | "screen2" | "screen3";
export const SCREENS: readonly ScreenSource[] = ["screen", "screen2", "screen3"];

const CAMERA: Record<PictureQuality, MediaTrackConstraints> = {
  high: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 24, max: 30 } },
  usual: { width: { ideal: 960 }, height: { ideal: 540 }, frameRate: { ideal: 20, max: 24 } },
  low: { width: { ideal: 320 }, height: { ideal: 180 }, frameRate: { ideal: 10, max: 12 } },
};
/** A microscope or an ultrasound: sharp before smooth. */
const INSTRUMENT = { width: { ideal: 1920 }, height: { ideal: 1080 }, frameRate: { ideal: 15, max: 25 } };
const MIC = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

export function troubleOf(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "absent";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "failed";
}

/** The picture as the person chose it before the room. */
function picture(choice: DeviceChoice): MediaTrackConstraints {
  return { ...CAMERA[qualityOf(choice)], ...exactly(choice.camera) };
}

function exactly(id: string | undefined): MediaTrackConstraints {
  return id ? { deviceId: { ideal: id } } : {};
}

export class Capture {
  readonly mic = signal<MediaStreamTrack | null>(null);
  readonly camera = signal<MediaStreamTrack | null>(null);
  readonly camera2 = signal<MediaStreamTrack | null>(null);
  readonly screen = signal<MediaStreamTrack | null>(null);
  readonly screen2 = signal<MediaStreamTrack | null>(null);
  readonly screen3 = signal<MediaStreamTrack | null>(null);
  readonly micOn = signal(false);
  readonly trouble = signal<Partial<Record<Source, Trouble>>>({});
  readonly devices = signal<MediaDeviceInfo[]>([]);
  private readonly listeners: ((source: Source, track: MediaStreamTrack | null) => void)[] = [];

  constructor() {
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.list());
  }

  /** Told what is to be sent now: null when the source is off. */
  onTrack(listener: (source: Source, track: MediaStreamTrack | null) => void): void {
    this.listeners.push(listener);
  }

  sent(source: Source): MediaStreamTrack | null {
    if (source === "mic") return this.micOn.value ? this.mic.value : null;
    return this[source].value;
  }

  /** Opens what was chosen, both with one question to the person; one failing does not take the other along. */
  async open(want = loadChoice()): Promise<void> {
    if (!navigator.mediaDevices) {
      this.trouble.value = { mic: "insecure", camera: "insecure" };
      return;
    }
    if (want.micOn && want.cameraOn && (await this.acquireBoth(want))) return;
    if (want.micOn) await this.setMic(true);
    if (want.cameraOn) await this.setCamera(true);
    await this.list();
  }

  async setMic(on: boolean): Promise<void> {
    if (on && !this.alive(this.mic.value)) {
      const { mic } = loadChoice();
      this.take("mic", await this.acquire("mic", { audio: { ...MIC, ...exactly(mic) } }));
    }
    this.switchMic(on && this.alive(this.mic.value));
    saveChoice({ micOn: on });
  }

  async setCamera(on: boolean): Promise<void> {
    if (on && !this.alive(this.camera.value)) {
      this.take("camera", await this.acquire("camera", { video: picture(loadChoice()) }));
    } else if (!on) this.drop("camera");
    saveChoice({ cameraOn: on });
  }

  /** The second camera, by its device; null puts it away. */
  async setInstrument(id: string | null): Promise<void> {
    if (id === null) return this.drop("camera2");
    saveChoice({ camera2: id });
    const track = await this.acquire("camera2", { video: { ...INSTRUMENT, deviceId: { exact: id } } });
    if (track) this.take("camera2", track);
    await this.list();
  }

  async setScreen(on: boolean, source: ScreenSource = "screen"): Promise<void> {
    if (!on) return this.drop(source);
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 8, max: 12 } } });
      const track = stream.getVideoTracks()[0] ?? null;
      if (track) track.contentHint = "detail";
      this.take(source, track);
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble !== "denied") this.trouble.value = { ...this.trouble.value, [source]: trouble };
    }
  }

  /** A smaller or the usual picture, kept for next time; the camera is opened anew. */
  async chooseQuality(quality: PictureQuality): Promise<void> {
    saveChoice({ quality });
    const on = this.camera.value !== null;
    this.drop("camera");
    if (on) await this.setCamera(true);
  }

  /** Another microphone or camera, kept for next time; what is on stays on. */
  async choose(source: "mic" | "camera", id: string): Promise<void> {
    saveChoice({ [source]: id });
    const on = source === "mic" ? this.micOn.value : this.camera.value !== null;
    this.drop(source);
    if (on) await (source === "mic" ? this.setMic(true) : this.setCamera(true));
  }

  async list(): Promise<void> {
    this.devices.value = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  }

  close(): void {
    for (const source of SOURCES) this.drop(source);
  }

  private alive(track: MediaStreamTrack | null): boolean {
    return track?.readyState === "live";
  }

  private async acquireBoth(want: DeviceChoice): Promise<boolean> {
    const wanted = { audio: { ...MIC, ...exactly(want.mic) }, video: picture(want) };
    const both = await navigator.mediaDevices.getUserMedia(wanted).catch(() => null);
    if (!both) return false;
    batch(() => {
      this.take("mic", both.getAudioTracks()[0] ?? null);
      this.take("camera", both.getVideoTracks()[0] ?? null);
      this.switchMic(true);
    });
    await this.list();
    return true;
  }

  private async acquire(source: "mic" | "camera" | "camera2", wanted: MediaStreamConstraints): Promise<MediaStreamTrack | null> {
    if (!navigator.mediaDevices) {
      this.trouble.value = { ...this.trouble.value, [source]: "insecure" };
      return null;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia(wanted);
      return stream.getTracks()[0] ?? null;
    } catch (error) {
      this.trouble.value = { ...this.trouble.value, [source]: troubleOf(error) };
      return null;
    }
  }

  private take(source: Source, track: MediaStreamTrack | null): void {
    this[source].value?.stop();
    this[source].value = track;
    if (track) {
      const { [source]: _gone, ...rest } = this.trouble.value;
      this.trouble.value = rest;
      track.addEventListener("ended", () => this[source].value === track && this.drop(source));
      if (source === "mic") track.contentHint = "speech";
    }
    this.tell(source);
  }

  private drop(source: Source): void {
    this[source].value?.stop();
    this[source].value = null;
    if (source === "mic") this.micOn.value = false;
    this.tell(source);
  }

  /** A muted microphone stays open, so that speaking into it can be noticed; nothing of it is sent. */
  private switchMic(on: boolean): void {
    this.micOn.value = on;
    this.tell("mic");
  }

  private tell(source: Source): void {
    for (const listener of this.listeners) listener(source, this.sent(source));
  }
}
