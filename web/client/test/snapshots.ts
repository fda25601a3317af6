// A room as a chair sees it, for tests; every test says only what it is about.
import type { AgendaItem, Can, Person, Resolution, Snapshot } from "../live/wire";

export const CHAIR: Can[] = [
  "admit", "layout", "agenda", "pass_presenter", "give_floor", "open_vote", "close_vote", "close_room", "present", "chat",
  "hand", "publish", "share", "propose", "vote", "recuse", "dissent", "edit_protocol", "freeze", "record",
];
export const MEMBER: Can[] = ["chat", "hand", "publish", "share", "propose", "vote", "recuse", "dissent"];

export function person(seat: string, name: string, more: Partial<Person> = {}): Person {
  return {
    seat, person: `person-${seat}`, name, position: "врач-онколог", organisation: "НМИЦ", role: "member", admitted: true,
    online: true, chair: false, voting: true, recused: false, ...more,
  };
}

export function item(id: string, status: AgendaItem["status"], order = 1): AgendaItem {
  return {
    item: id, order, status, case: `case-${id}`, case_number: `ТМК-${order}`, patient: "Образцов Иван", birth_date: "1961-02-10",
    question: "Оперировать?", protocol: null, opened_at: null, closed_at: null,
  };
}

export function resolution(id: string, more: Partial<Resolution> = {}): Resolution {
  return { id, number: 1, wording: "Оперировать", status: "draft", digest: "", revision: 2, author: "chair", ...more };
}

export function snapshot(more: Partial<Snapshot> = {}): Snapshot {
  return {
    consilium: {
      id: "c", number: "КС-1", kind: "general", status: "open", scheduled_at: "", opened_at: "", organisation: "o",
      layout: "discussion", chair: "chair", server_time: "2026-11-23T10:00:00+00:00",
    },
    me: {
      seat: "chair", person: "person-chair", name: "Орлов Дмитрий Сергеевич", role: "chair", admission: "admitted", can: CHAIR,
      vote: null, dissents: [], chair_offer: false, recused: [],
    },
    people: [person("chair", "Орлов Дмитрий Сергеевич", { role: "chair", chair: true }), person("m1", "Волков Андрей Павлович")],
    lobby: [],
    agenda: [],
    case: null,
    view: { document: null, page: 1, presenter: "chair" },
    floor: { seat: null, since: null, hands: [] },
    quorum: { present: 3, need: 3, total: 4, reached: true },
    decision: { item: null, resolutions: [], ballot: null, results: [], dissents: [] },
    chat: [],
    protocols: [],
    recording: null,
    ...more,
  };
}

export function asMember(from: Snapshot): Snapshot {
  return { ...from, me: { ...from.me, seat: "m1", name: "Волков Андрей Павлович", role: "member", can: MEMBER } };
}
