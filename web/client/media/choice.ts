// What the person chose before the room: devices by id, and whether to come in heard and seen.

/** "low": a small picture for a weak line or an old machine. */
export type PictureQuality = "high" | "usual" | "low";

export interface DeviceChoice {
  mic?: string;
  camera?: string;
  camera2?: string;
  speaker?: string;
  quality?: PictureQuality;
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

export function qualityOf(choice: DeviceChoice): PictureQuality {
  return choice.quality ?? "usual";
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
