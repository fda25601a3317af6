// The wire as the browser sees it: docs/wire.md in types. Names are those of the server's schema.

export const PROTOCOL_VERSION = 1;

export type Id = string;
export type Instant = string; // RFC 3339, UTC

export type Layout = "discussion" | "record" | "images" | "vote" | "protocol";
export const LAYOUTS: readonly Layout[] = ["discussion", "record", "images", "vote", "protocol"];

export type Role =
  | "chair" | "deputy" | "secretary" | "member" | "attending" | "consultant" | "expert" | "observer";

export type Choice = "for" | "against" | "abstain";

export type Can =
  | "admit" | "layout" | "agenda" | "present" | "pass_presenter" | "give_floor" | "chat" | "hand"
  | "propose" | "open_vote" | "vote" | "close_vote" | "recuse" | "dissent" | "edit_protocol" | "freeze"
  | "take_chair" | "publish" | "share" | "close_room" | "record";

export interface ConsiliumPart {
  id: Id;
  number: string;
  kind: string;
  status: "planned" | "open" | "closed" | "cancelled";
  scheduled_at: Instant;
  opened_at: Instant | null;
  organisation: string;
  layout: Layout;
  chair: Id | null;
  server_time: Instant;
}

export interface OwnVote {
  ballot: Id;
  choice: Choice;
  receipt: string;
  cast_at: Instant;
  changes: number;
}

export interface OwnDissent {
  id: Id;
  item: Id;
  text: string;
  revision: number;
  withdrawn: boolean;
}

export interface MePart {
  seat: Id;
  person: Id;
  name: string;
  role: Role;
  admission: "outside" | "waiting" | "admitted" | "denied";
  can: Can[];
  vote: OwnVote | null;
  dissents: OwnDissent[];
  chair_offer: boolean;
  recused: Id[];
  denied_reason?: string;
}

export interface Person {
  seat: Id;
  person: Id;
  name: string;
  position: string;
  organisation: string;
  role: Role;
  admitted: boolean;
  online: boolean;
  chair: boolean;
  voting: boolean;
  recused: boolean;
}

export interface Waiting {
  seat: Id;
  name: string;
  position: string;
  organisation: string;
  role: Role;
  items: Id[];
  case_number: string | null;
  waiting_since: Instant;
}

export interface AgendaItem {
  item: Id;
  order: number;
  status: "waiting" | "open" | "decided" | "postponed";
  case: Id | null;
  case_number: string;
  patient: string;
  birth_date: string | null;
  question: string;
  protocol: Id | null;
  opened_at: Instant | null;
  closed_at: Instant | null;
}

export interface CaseDocument {
  id: Id;
  title: string;
  kind: string;
  dated: string | null;
  media_type: string;
  size: number;
  digest: string;
  added_at: Instant;
}

export interface CasePart {
  id: Id;
  item: Id;
  number: string;
  patient: { name: string; birth_date: string | null; sex: string; record_number: string };
  diagnosis_code: string;
  diagnosis_name: string;
  question: string;
  goal_code: string;
  urgency_code: string;
  course: string;
  condition: string;
  documents: CaseDocument[];
}

export interface ViewPart {
  document: Id | null;
  page: number;
  presenter: Id | null;
}

export interface Hand {
  seat: Id;
  raised_at: Instant;
  point_of_order: boolean;
}

export interface FloorPart {
  seat: Id | null;
  since: Instant | null;
  hands: Hand[];
}

export interface QuorumPart {
  present: number;
  need: number;
  total: number;
  reached: boolean;
}

export interface Resolution {
  id: Id;
  number: number;
  wording: string;
  status: "draft" | "voting" | "adopted" | "rejected" | "withdrawn";
  digest: string;
  revision: number;
  author: Id;
}

export interface Ballot {
  id: Id;
  resolution: Id;
  number: number;
  wording: string;
  digest: string;
  opened_at: Instant;
  entitled: Id[];
  voted: Id[];
  closed: boolean;
}

export interface Result {
  id: Id;
  resolution: Id;
  number: number;
  wording: string;
  votes_for: number;
  votes_against: number;
  votes_abstain: number;
  majority_need: number;
  adopted: boolean;
  votes: { seat: Id; choice: Choice }[];
  closed_at: Instant;
}

export interface DecisionPart {
  item: Id | null;
  resolutions: Resolution[];
  ballot: Ballot | null;
  results: Result[];
  dissents: { seat: Id; item: Id; written_at: Instant }[];
}

export interface ChatMessage {
  id: Id;
  seat: Id;
  text: string;
  at: Instant;
}

export interface ProtocolRow {
  id: Id;
  item: Id;
  number: string;
  status: "drafting" | "signing" | "sealing" | "sealed";
  version: number;
  digest: string;
  /** Digest of what was settled on (`protocol.particulars`). */
  particulars: string;
  awaits_me: boolean;
  annulled: boolean;
  papers: PaperRow[];
}

/** An extract, an act of annulment, a version whose place was taken: what a protocol has beside it. */
export interface PaperRow {
  id: Id;
  paper: "protocol" | "extract" | "annulment";
  number: string;
  status: "drafting" | "signing" | "sealing" | "sealed" | "withdrawn";
  annulled: boolean;
  awaits_me: boolean;
}

/** The newest recording of the meeting. Who refused is named to nobody. */
export interface RecordingPart {
  id: Id;
  status: "asked" | "running" | "paused" | "refused" | "stopped";
  asked_by: Id;
  ground: string;
  started_at: Instant | null;
  stopped_at: Instant | null;
  awaited: Id[];
  /** My own answer. */
  agreed: boolean | null;
  gaps: { reason: "consent" | "worker" | "disk" | "codec"; began_at: Instant; ended_at: Instant | null }[];
}

/** Bytes of the recording known to be on the disk. */
export interface Proof {
  bytes: number;
  at: Instant;
}

export interface Snapshot {
  consilium: ConsiliumPart;
  me: MePart;
  people: Person[];
  lobby: Waiting[];
  agenda: AgendaItem[];
  case: CasePart | null;
  view: ViewPart;
  floor: FloorPart;
  quorum: QuorumPart;
  decision: DecisionPart;
  chat: ChatMessage[];
  protocols: ProtocolRow[];
  recording: RecordingPart | null;
}

/** Sections as they travel: what a seat may not see, or what is not there, is null. */
export type Patch = { [Section in keyof Snapshot]?: Snapshot[Section] | null };

/** One committed event. `seq` is null for what belongs to another stream (a protocol of this room). */
export interface RoomEvent {
  seq: number | null;
  at: Instant;
  name: string; // empty: something this seat may not see
  data: Record<string, unknown>;
  by?: Id | null;
  patch?: Patch;
}

export interface ProtocolEvent {
  protocol: Id;
  at: Instant;
  name: string;
  data: Record<string, unknown>;
  patch?: Patch;
}

export interface SyncAnswer {
  seq: number;
  snapshot: Patch;
  missed: RoomEvent[];
  presence?: Record<Id, Presence>;
  viewer?: ViewerMove | null;
}

/** What may be sent; camera2 is an instrument (microscope, ultrasound, endoscope). */
export const SOURCES = ["mic", "camera", "camera2", "screen", "screen2", "screen3"] as const;
export type Source = (typeof SOURCES)[number];
/** Shown large and sharp: what is on them is the matter, not the person. */
export const SHOWN = ["screen", "screen2", "screen3", "camera2"] as const;
export type Shown = (typeof SHOWN)[number];

/** Which sources of a seat are on; older servers name the first three. */
export type Presence = Partial<Record<Source, boolean>>;

export interface Speakers {
  loudest: Id | null;
  levels: Record<Id, number>;
}

export interface ViewerMove {
  document: Id;
  page: number;
  zoom: number;
  x: number;
  y: number;
  pointer: { x: number; y: number } | null;
  seat?: Id;
}

/** Why the relay holds a picture back: the link is too weak for it, or nobody looks at it here. */
export type Paused = "bandwidth" | "hidden";

export interface Slot {
  mid: string;
  kind: "audio" | "video";
  seat: Id | null;
  source: Source | null;
  layer?: string | null;
  paused?: Paused | null;
}

/** One slot as it is drawn here: its height in device pixels, and whether any of it is seen. */
export interface TileSize {
  height: number;
  visible: boolean;
}

export type Grade = "excellent" | "good" | "poor" | "lost";

/** A seat's own connections as the relay sees them: what it sends, what it receives, or the relay itself. */
export interface Judged {
  grade: Grade;
  cause: "uplink" | "downlink" | "relay" | null;
}

export interface WireError {
  code: string;
  message: string;
  details?: Record<string, unknown>;
}

export type Ack<T = Record<string, unknown>> = ({ ok: true } & T) | { ok: false; error: WireError };

/** A refusal with its stable code; nothing was changed on the server. */
export class Refused extends Error {
  readonly code: string;
  readonly details: Record<string, unknown>;

  constructor(error: WireError) {
    super(error.message);
    this.name = "Refused";
    this.code = error.code;
    this.details = error.details ?? {};
  }
}
