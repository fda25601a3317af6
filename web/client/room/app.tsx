// The room as a whole: at the door, inside, or gone.
import { t } from "../live/words";
import { Agenda } from "./agenda";
import { Ask } from "./ask";
import { Banner } from "./banner";
import { Bar } from "./bar";
import { ConnectionDetails, OwnTrouble } from "./connection";
import { RoomContext, useRoom } from "./context";
import { Filmstrip } from "./faces";
import { Gone } from "./gone";
import { Help, Palette } from "./help";
import { ChairOffer, Notices, SoundOffer } from "./notices";
import { RecordingOffer } from "./recording";
import type { Room } from "./room";
import { Showing } from "./showing";
import { SidePanel } from "./side";
import { Stage } from "./stage";
import { WaitingRoom } from "./waiting";

export function App({ room }: { room: Room }) {
  return (
    <RoomContext.Provider value={room}>
      <Place />
      <Notices />
      <Ask />
    </RoomContext.Provider>
  );
}

function Place() {
  const room = useRoom();
  const link = room.live.state.value;
  if (link.is === "gone") return <Gone code={link.code} message={link.message} />;
  if (!room.snapshot.value) {
    return <main class="waiting-room" id="stage"><p role="status" data-testid="connecting">{t(`room.link.${link.is}`, { time: "" })}</p></main>;
  }
  return room.inside.value ? <Inside /> : <WaitingRoom />;
}

function Inside() {
  const room = useRoom();
  const strip = room.layout.value !== "discussion";
  return (
    <div class={`room-grid${room.sideOpen.value ? " with-side" : ""}`} data-testid="room" data-layout={room.layout.value}>
      <Banner />
      <div class="room-offers"><ChairOffer /><RecordingOffer /><SoundOffer /><OwnTrouble /></div>
      <Agenda />
      <Stage />
      <SidePanel />
      {strip && <Filmstrip />}
      <Bar />
      <Help />
      <Palette />
      <Showing />
      <ConnectionDetails />
    </div>
  );
}
