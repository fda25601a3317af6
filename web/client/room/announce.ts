// What a screen reader is told, politely and once, and what the corner of the screen shows.
import type { RoomEvent, Snapshot } from "../live/wire";
import { nameAt } from "./select";

export interface Saying {
  key: string;
  values: Record<string, string | number>;
  /** Concerns me directly: shown as a notice too. */
  mine: boolean;
}

type Say = (event: RoomEvent, snapshot: Snapshot) => Omit<Saying, "mine"> | null;

const seat = (event: RoomEvent): string => String(event.data.seat ?? "");
const byName = (key: string): Say => (event, snapshot) => {
  const name = nameAt(snapshot, seat(event));
  return name ? { key, values: { name } } : null;
};
const plain = (key: string): Say => () => ({ key, values: {} });

const SAY: Record<string, Say> = {
  SeatWaiting: byName("waiting"),
  ParticipantJoined: byName("joined"),
  ParticipantLeft: byName("left"),
  HandRaised: byName("hand"),
  FloorGiven: byName("floor"),
  ChairTaken: byName("chair_taken"),
  ChairOffered: byName("chair_offered"),
  PresenterPassed: byName("presenter"),
  ChatSent: byName("chat"),
  MemberRecused: byName("recused"),
  LayoutSet: plain("layout"),
  DocumentShown: (event) => (event.data.document ? { key: "document", values: {} } : null),
  VoteOpened: (_, { decision }) => ({ key: "vote_opened", values: { number: decision.ballot?.number ?? "" } }),
  VoteClosed: (event) => ({ key: event.data.adopted ? "vote_adopted" : "vote_rejected", values: {
    votes_for: Number(event.data.votes_for ?? 0),
    against: Number(event.data.votes_against ?? 0),
    abstain: Number(event.data.votes_abstain ?? 0),
  } }),
  ItemOpened: (event, { agenda }) => {
    const item = agenda.find((one) => one.item === event.data.item);
    return item ? { key: "item_opened", values: { number: item.case_number } } : null;
  },
  ItemClosed: plain("item_closed"),
  ProtocolDrafted: plain("protocol_drafted"),
  ProtocolFrozen: plain("protocol_frozen"),
  RecordingStarted: plain("recording_started"),
  RecordingPaused: plain("recording_paused"),
  RecordingResumed: plain("recording_started"),
  RecordingRefused: plain("recording_refused"),
  RecordingInterrupted: plain("recording_interrupted"),
  RecordingRestored: plain("recording_restored"),
  RecordingStopped: plain("recording_stopped"),
  ConsiliumClosed: plain("closed"),
};

/** Those of which the person himself is the subject get words of their own. */
const ABOUT_ME: Record<string, string> = {
  FloorGiven: "floor_mine",
  ChairOffered: "chair_mine",
  ChairTaken: "chair_taken_mine",
  PresenterPassed: "presenter_mine",
};

/** The sentence for an event, or nothing when it is of no interest (my own act, a silent bookkeeping event). */
export function saying(event: RoomEvent, snapshot: Snapshot): Saying | null {
  const me = snapshot.me.seat;
  const mine = ABOUT_ME[event.name];
  if (mine && event.data.seat === me) return { key: `room.say.${mine}`, values: {}, mine: true };
  if (event.name === "VoteOpened" && snapshot.decision.ballot?.entitled.includes(me)) {
    return { key: "room.say.vote_mine", values: { number: snapshot.decision.ballot.number }, mine: true };
  }
  if (event.name === "RecordingAsked" && event.data.seat !== me) return { key: "room.say.recording_asked", values: {}, mine: true };
  if (event.name === "RecordingInterrupted") return { key: "room.say.recording_interrupted", values: {}, mine: true };
  if (event.name === "ProtocolFrozen") return { key: "room.say.protocol_frozen", values: {}, mine: true };
  if (event.data.seat === me) return null;
  if (event.name === "SeatWaiting" && !snapshot.me.can.includes("admit")) return null;
  const said = SAY[event.name]?.(event, snapshot);
  return said ? { ...said, key: `room.say.${said.key}`, mine: false } : null;
}
