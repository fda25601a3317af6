// The room and its present state, for components: `useRoom` inside <RoomContext.Provider>.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Snapshot } from "../live/wire";
import type { Room } from "./room";

export const RoomContext = createContext<Room | null>(null);

export function useRoom(): Room {
  const room = useContext(RoomContext);
  if (!room) throw new Error("outside of the room");
  return room;
}

/** The room's state; components that ask for it are drawn only once it is there. */
export function useSnapshot(): Snapshot {
  const snapshot = useRoom().snapshot.value;
  if (!snapshot) throw new Error("no state yet");
  return snapshot;
}
