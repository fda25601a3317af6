// Loudness of a track, 0..1, ten times a second, without sending it anywhere.

export interface Meter {
  stop(): void;
}

/** Root mean square of samples as a bar: -60 dB and below is 0, -6 dB is full. */
export function bar(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const level = 20 * Math.log10(Math.sqrt(sum / Math.max(1, samples.length)) || 1e-6);
  return Math.min(1, Math.max(0, (level + 60) / 54));
}

export function meter(track: MediaStreamTrack, heard: (level: number) => void): Meter {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    if (context.state === "suspended") void context.resume().catch(() => undefined);
    analyser.getFloatTimeDomainData(samples);
    heard(bar(samples));
  }, 100);
  return {
    stop() {
      clearInterval(timer);
      void context.close();
    },
  };
}
