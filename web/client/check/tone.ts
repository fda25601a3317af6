// Two short notes on the chosen loudspeaker.
import { direct } from "../media/loudspeaker";

export async function playTone(speaker: string | undefined): Promise<void> {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const gain = context.createGain();
  gain.gain.setValueAtTime(0, context.currentTime);
  gain.connect(out);
  [523, 659].forEach((frequency, at) => {
    const note = context.createOscillator();
    note.frequency.value = frequency;
    note.connect(gain);
    note.start(context.currentTime + at * 0.45);
    note.stop(context.currentTime + at * 0.45 + 0.4);
  });
  gain.gain.linearRampToValueAtTime(0.25, context.currentTime + 0.05);
  gain.gain.setValueAtTime(0.25, context.currentTime + 0.8);
  gain.gain.linearRampToValueAtTime(0, context.currentTime + 0.9);
  const element = new Audio();
  element.srcObject = out.stream;
  if (speaker) await direct(element, speaker).catch(() => undefined);
  await element.play();
  await new Promise((done) => setTimeout(done, 950));
  element.srcObject = null;
  await context.close();
}
