// Line icons of the room, drawn here; decoration only, every button says its name in words.

const PATHS = {
  mic: "M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM5 11a7 7 0 0 0 14 0M12 18v3",
  micOff: "M9 9v3a3 3 0 0 0 4.6 2.5M15 11V6a3 3 0 0 0-5.7-1.3M5 11a7 7 0 0 0 11 5.7M19 11a7 7 0 0 1-.6 2.8M12 18v3M4 4l16 16",
  camera: "M3 7h12v10H3zM15 11l6-3v8l-6-3z",
  cameraOff: "M3 7h3M10 7h5v5m0 4v1H3V7M15 11l6-3v8l-4-2M4 4l16 16",
  screen: "M3 5h18v11H3zM9 20h6M12 16v4M12 13V8m-2.500 2L12 7.500 14.500 10",
  hand: "M7 12V6a1.500 1.500 0 0 1 3 0v5-6.500a1.500 1.500 0 0 1 3 0V11v-5a1.500 1.500 0 0 1 3 0v6-2a1.500 1.500 0 0 1 3 0v4a7 7 0 0 1-7 7c-3 0-4.500-1.500-6-4l-2-3.500a1.500 1.500 0 0 1 2.500-1.500z",
  leave: "M14 4H5v16h9M10 12h11m-4-4 4 4-4 4",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c0-3.500 3-6 6.500-6s6.500 2.500 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6M18 14.500c2 .8 3.500 2.800 3.500 5.500",
  chat: "M4 5h16v11H10l-5 4v-4H4z",
  door: "M6 21V3h12v18M3 21h18M14.500 12v.01",
  list: "M8 6h12M8 12h12M8 18h12M4 6v.01M4 12v.01M4 18v.01",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  pointer: "M5 3l6 17 2.500-7L20 10.500z",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  record: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  keys: "M3 7h18v11H3zM7 11v.01M11 11v.01M15 11v.01M8 15h8",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"
      stroke-linejoin="round" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
