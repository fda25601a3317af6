// The protocol on the stage: chair and secretary write together while all watch; then it is frozen.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { command } from "../live/ask";
import { day, refusal, t } from "../live/words";
import { Refused, type ProtocolRow } from "../live/wire";
import { ask } from "../room/ask";
import { useRoom, useSnapshot } from "../room/context";
import { DissentEditor } from "../room/decision/dissent";
import { may, protocolAt } from "../room/select";
import { Checking } from "./checking";
import type { Draft } from "./draft";
import { Findings } from "./findings";
import { outcomeOf, type Outcome } from "./outcome";
import { OutcomeCard, unsaved as whyNot } from "./outcome-card";
import { Section } from "./section";

export function ProtocolStage() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const [chosen, setChosen] = useState<string | null>(null);
  const row = snapshot.protocols.find((one) => one.id === chosen) ?? protocolAt(snapshot);
  if (!row) return <p class="empty" data-testid="no-protocol">{t("room.protocol.none")}</p>;
  return (
    <div class="protocol stack">
      {snapshot.protocols.length > 1 && (
        <div>
          <label for="protocol-choice">{t("room.protocol.which")}</label>
          <select id="protocol-choice" value={row.id} onChange={(event) => setChosen(event.currentTarget.value)}>
            {snapshot.protocols.map((one) => <option key={one.id} value={one.id}>{one.number}</option>)}
          </select>
        </div>
      )}
      <Editor key={`${row.id}:${row.version}`} row={row} />
      {row.status === "drafting" && <DissentEditor key={`dissent-${row.item}`} item={row.item} room={room} />}
    </div>
  );
}

/** A statutory item that is not there yet (323-ФЗ ст. 48 ч. 4), and the section it belongs to. */
interface Lack {
  code: string;
  field: string;
}

function Editor({ row }: { row: ProtocolRow }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const draft = useMemo(() => room.drafts.of(row.id, row.status === "drafting"), [row.id, row.status]);
  useEffect(() => () => room.drafts.leave(row.id), [row.id]);
  const outcome = outcomeOf(row.id);
  useEffect(() => void outcome.open(), [outcome, row.particulars, row.status]);
  const [missing, setMissing] = useState<Lack[]>([]);
  const frozen = row.status !== "drafting" || draft.state.value === "frozen";
  const readOnly = frozen || !may(snapshot, "edit_protocol") || draft.state.value === "opening";
  return (
    <section class="stack tight" aria-labelledby="protocol-title" data-testid="protocol" data-protocol={row.id} data-state={row.status}>
      <header class="protocol-head">
        <h2 id="protocol-title">{t("room.protocol.title", { number: row.number })}</h2>
        <Saved draft={draft} frozen={frozen} />
      </header>
      <Whose item={row.item} />
      {frozen ? <Frozen row={row} /> : <p class="quiet small">{t(readOnly ? "room.protocol.watch" : "room.protocol.write")}</p>}
      {missing.length > 0 && <Missing missing={missing} />}
      <div class="with-findings">
        <div>
          <div class="stack tight">
            {draft.sections.value.map((section) => (
              <Section key={section} draft={draft} section={section} readOnly={readOnly} missing={missing.some((one) => one.field === section)} />
            ))}
          </div>
          {!frozen && <WhileTyping draft={draft} entered={row.particulars} />}
        </div>
      </div>
      {!frozen && <OutcomeCard outcome={outcome} />}
      {!frozen && may(snapshot, "freeze") && <Freeze row={row} lacking={setMissing} outcome={outcome} />}
    </section>
  );
}

/** Asked again after every change, whoever made it, as soon as it is on the server; `entered`: what was settled on. */
function WhileTyping({ draft, entered }: { draft: Draft; entered: string }) {
  const checking = useMemo(() => new Checking(draft.protocol, () => draft.state.peek() === "saved"), [draft]);
  useEffect(() => {
    const changed = (): void => checking.soon();
    draft.document.on("update", changed);
    void checking.now();
    return () => {
      draft.document.off("update", changed);
      checking.close();
    };
  }, [checking, draft]);
  useEffect(() => checking.soon(), [checking, entered]);
  return <Findings checking={checking} beside />;
}

/** Two identifiers of the patient: the case itself may already be off the table. */
function Whose({ item }: { item: string }) {
  const line = useSnapshot().agenda.find((one) => one.item === item);
  if (!line?.patient) return null;
  return (
    <p class="banner" data-testid="protocol-patient">
      <strong>{line.patient}</strong>
      {line.birth_date && <span class="number">{day(line.birth_date)}</span>}
      <span class="number">{t("room.case_number", { number: line.case_number })}</span>
    </p>
  );
}

function Saved({ draft, frozen }: { draft: Draft; frozen: boolean }) {
  const state = frozen ? "frozen" : draft.state.value;
  const tone = { opening: "", saved: "good", saving: "accent", offline: "warn", frozen: "accent", refused: "bad" }[state];
  return (
    <span class={`badge ${tone}`} role="status" data-testid="draft-state" data-state={state}>
      {state === "refused" ? refusal(draft.refusal.value) : t(`room.draft.${state}`)}
    </span>
  );
}

function Frozen({ row }: { row: ProtocolRow }) {
  return (
    <div class={row.annulled ? "note bad" : "note accent"} data-testid="frozen">
      {row.annulled && <p><strong>{t("room.protocol.annulled")}</strong></p>}
      <p>{t(`room.protocol.${row.status === "sealed" ? "sealed" : "frozen"}`)} <code title={`sha256 ${row.digest}`}>{row.digest.slice(0, 16)}</code></p>
      <a class="button" href={`/protocols/${row.id}`} target="_blank" rel="noopener" data-testid="open-protocol">{t("room.protocol.open")}</a>
      {row.papers.length > 0 && (
        <ul class="plain" data-testid="papers">
          {row.papers.map((one) => (
            <li key={one.id}>
              <a href={`/protocols/${one.id}`} target="_blank" rel="noopener">{t(`room.paper.${one.paper}`, { number: one.number })}</a>{" "}
              <span class="quiet small">{t(`room.paper.state.${one.annulled ? "annulled" : one.status}`)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The statutory items that are not there yet; each leads to its field where it has one. */
function Missing({ missing }: { missing: Lack[] }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => list.current?.scrollIntoView({ block: "nearest" }), [missing]);
  const go = (field: string) => (event: Event): void => {
    event.preventDefault();
    document.getElementById(`section-${field}`)?.focus();
  };
  return (
    <div ref={list} class="note bad" role="alert" data-testid="missing">
      <p>{t("room.protocol.missing")}</p>
      <ul>
        {missing.map(({ code, field }) => (
          <li key={code}>
            {document.getElementById(`section-${field}`)
              ? <a href={`#section-${field}`} data-missing={field} onClick={go(field)}>{t(`room.missing.${code}`)}</a>
              : t(`room.missing.${code}`)}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Freeze({ row, lacking, outcome }: { row: ProtocolRow; lacking: (missing: Lack[]) => void; outcome: Outcome }) {
  const room = useRoom();
  // Only what is saved goes into the document.
  const unsaved = ["changed", "conflict", "refused", "saving"].includes(outcome.state.value);
  const freeze = async (): Promise<void> => {
    try {
      await command("protocol.freeze", { protocol: row.id });
      lacking([]);
    } catch (error) {
      if (error instanceof Refused && error.code === "protocol_incomplete") {
        lacking((error.details.missing as Lack[] | undefined) ?? []);
      }
      room.refuse(error);
    }
  };
  return (
    <div class="actions">
      <button type="button" class="primary large" data-testid="freeze" disabled={unsaved} aria-describedby="freeze-hint" onClick={() => ask({
        title: t("room.freeze.title"), text: t("room.freeze.text"), action: t("room.freeze.action"), run: freeze,
      })}>
        {t("room.freeze.action")}
      </button>
      <span class="small quiet" id="freeze-hint">{unsaved ? whyNot() : t("room.freeze.hint")}</span>
    </div>
  );
}
