// What the person chose before the room: devices by id, and whether to come in heard and seen.

export interface DeviceChoice {
  mic?: string;
  camera?: string;
  speaker?: string;
  /** "low": a small picture for a weak line or an old machine. */
  quality?: "usual" | "low";
  micOn: boolean;
  cameraOn: boolean;
}

const KEY = "consilium.devices";

export function loadChoice(): DeviceChoice {
  const whole: DeviceChoice = { micOn: true, cameraOn: true };
  try {
    return { ...whole, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<DeviceChoice>) };
  } catch {
    return whole; // storage forbidden or spoilt: the defaults are as good
  }
}

export function saveChoice(change: Partial<DeviceChoice>): DeviceChoice {
  const next = { ...loadChoice(), ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // a private window without storage asks again next time
  }
  return next;
}
