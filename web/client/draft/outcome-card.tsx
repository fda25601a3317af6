// "Итоги консилиума": diagnoses, recommendations, services, complaints; entered by chair and secretary, read by all.
import { useEffect } from "preact/hooks";
import { day, t } from "../live/words";
import { AdviceRow, DiagnosisRow, ServiceRow } from "./outcome-rows";
import { EMPTY, isEmpty, MAIN, NOTHING, PARTS, type Advice, type Diagnosis, type Outcome, type Part, type Particulars, type Service, type Shown } from "./outcome";
import { Pick } from "./pick";

const TONES = { opening: "", empty: "", saved: "good", changed: "warn", saving: "accent", conflict: "bad", refused: "bad", failed: "bad" } as const;

const diagnosis = (shown: Shown, first: boolean): Diagnosis => ({
  code: first ? shown.referral.code : "", kind: first ? MAIN : "3", text: first ? shown.referral.text : "",
  certainty: "", nature: "", stage: "", tumour: NOTHING, node: NOTHING, metastasis: NOTHING,
});
const advice = (kind: string): Advice => ({ kind, text: "", method: NOTHING, stage: 0, planned_on: null });
const service: Service = { name: "", code: "" };

/** Why nothing is frozen now. */
export const unsaved = (): string => t("client.outcome.unsaved");

interface Props {
  outcome: Outcome;
  heading?: "h2" | "h3";
  /** Called once what was typed is on the server. */
  onSaved?: () => void;
}

export function OutcomeCard({ outcome, heading: Heading = "h3", onSaved }: Props) {
  const shown = outcome.shown.value;
  const state = outcome.state.value;
  return (
    <section class="outcome" aria-labelledby="outcome-title" data-testid="outcome" data-state={state}>
      <header>
        <Heading id="outcome-title">{t("client.outcome.title")}</Heading>
        <span class={`badge ${TONES[state]}`} role="status" id="outcome-state">{t(`client.outcome.state.${state}`)}</span>
      </header>
      {shown && (shown.may_edit ? <Form outcome={outcome} shown={shown} onSaved={onSaved} /> : <Summary shown={shown} />)}
    </section>
  );
}

function Form({ outcome, shown, onSaved }: { outcome: Outcome; shown: Shown; onSaved: (() => void) | undefined }) {
  const mine = outcome.mine.value;
  const fault = outcome.fault.value;
  useEffect(() => {
    if (!fault?.field) return;
    const id = `outcome-${fault.field}`.replace(/\./g, "-");
    (document.getElementById(id) ?? document.getElementById(`section-${fault.field}`))?.focus();
  }, [fault]);
  if (!mine) return null;
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (await outcome.save()) onSaved?.();
  };
  const busy = outcome.state.value === "saving";
  return (
    <form class="outcome-form" onSubmit={(event) => void save(event)} noValidate>
      <Diagnoses outcome={outcome} shown={shown} mine={mine} fault={fault?.field ?? ""} />
      <Recommendations outcome={outcome} shown={shown} mine={mine} fault={fault?.field ?? ""} />
      {shown.places.includes("services") && <Services outcome={outcome} shown={shown} mine={mine} fault={fault?.field ?? ""} />}
      {shown.places.includes("complaints") && (
        <div>
          <label for="section-complaints">{t("client.outcome.complaints")}</label>
          <textarea id="section-complaints" rows={3} maxLength={8_000} spellcheck value={mine.complaints} onInput={(event) => outcome.change({ complaints: event.currentTarget.value })} />
        </div>
      )}
      {outcome.torn.value.length > 0 && <Torn outcome={outcome} />}
      {fault && <p class="error" role="alert">{fault.message || t("client.outcome.state.refused")} <code>{fault.code}</code></p>}
      <div class="actions">
        <button type="submit" class="primary" aria-busy={busy || undefined} data-testid="outcome-save" aria-describedby="outcome-state" disabled={outcome.state.value === "saved" || outcome.state.value === "empty" || outcome.state.value === "conflict"}>{t("client.outcome.save")}</button>
        {outcome.state.value !== "saved" && outcome.state.value !== "empty" && !busy && <button type="button" onClick={() => outcome.drop()}>{t("client.outcome.drop")}</button>}
      </div>
    </form>
  );
}

interface ListProps {
  outcome: Outcome;
  shown: Shown;
  mine: Particulars;
  fault: string;
}

const replaced = <Row,>(rows: readonly Row[], at: number, row: Row): Row[] => rows.map((one, number) => (number === at ? row : one));
const without = <Row,>(rows: readonly Row[], at: number): Row[] => rows.filter((_, number) => number !== at);

function Diagnoses({ outcome, shown, mine, fault }: ListProps) {
  const rows = mine.diagnoses;
  const set = (diagnoses: Diagnosis[]): void => outcome.change({ diagnoses });
  return (
    <fieldset>
      <legend id="section-diagnosis" tabIndex={-1}>{t("client.outcome.diagnoses")}</legend>
      {rows.length === 0 && <p class="small quiet" data-testid="outcome-origin">{t("client.outcome.referral", { code: shown.referral.code, text: shown.referral.text })}</p>}
      {rows.length > 0 && <div class="outcome-rows">
        {rows.map((row, at) => (
          <DiagnosisRow key={at} row={row} place={`diagnoses.${at}`} shown={shown} fault={fault} onChange={(one) => set(replaced(rows, at, one))} onRemove={() => set(without(rows, at))} />
        ))}
      </div>}
      {shown.places.includes("clinical_group") && (
        <div class="outcome-group" id="section-follow_up" tabIndex={-1}>
          <Pick id="outcome-clinical_group" label={t("client.outcome.clinical_group")} dictionary="99.2.146" value={mine.clinical_group.name} code={mine.clinical_group.code} invalid={fault === "clinical_group"}
            onType={(name) => outcome.change({ clinical_group: { name, code: "" } })} onPick={(one) => outcome.change({ clinical_group: { name: one.name, code: one.code } })} />
        </div>
      )}
      <div class="actions">
        <button type="button" data-testid="add-diagnosis" disabled={rows.length >= 20} onClick={() => set([...rows, diagnosis(shown, rows.length === 0)])}>
          {t(rows.length === 0 ? "client.outcome.diagnosis.first" : "client.outcome.diagnosis.add")}
        </button>
      </div>
    </fieldset>
  );
}

function Recommendations({ outcome, shown, mine, fault }: ListProps) {
  const rows = mine.advice;
  const set = (advised: Advice[]): void => outcome.change({ advice: advised });
  return (
    <fieldset>
      <legend id="section-recommendations" tabIndex={-1}>{t("client.outcome.recommendations")}</legend>
      {rows.length > 0 && <div class="outcome-rows">
        {rows.map((row, at) => (
          <AdviceRow key={at} row={row} place={`advice.${at}`} shown={shown} fault={fault} onChange={(one) => set(replaced(rows, at, one))} onRemove={() => set(without(rows, at))} />
        ))}
      </div>}
      <div class="actions">
        <button type="button" data-testid="add-advice" disabled={rows.length >= 40} onClick={() => set([...rows, advice(rows.at(-1)?.kind ?? "treatment")])}>{t("client.outcome.advice.add")}</button>
      </div>
    </fieldset>
  );
}

function Services({ outcome, shown, mine, fault }: ListProps) {
  const rows = mine.services;
  const set = (services: Service[]): void => outcome.change({ services });
  return (
    <fieldset>
      <legend id="section-services" tabIndex={-1}>{t("client.outcome.services")}</legend>
      {rows.length === 0 && <p class="small quiet">{t("client.outcome.services.none")}</p>}
      {rows.length > 0 && <div class="outcome-rows">
        {rows.map((row, at) => (
          <ServiceRow key={at} row={row} place={`services.${at}`} shown={shown} fault={fault} onChange={(one) => set(replaced(rows, at, one))} onRemove={() => set(without(rows, at))} />
        ))}
      </div>}
      <div class="actions"><button type="button" data-testid="add-service" disabled={rows.length >= 20} onClick={() => set([...rows, service])}>{t("client.outcome.services.add")}</button></div>
    </fieldset>
  );
}

/** Both changed the same part: nothing is lost until the person has chosen. */
function Torn({ outcome }: { outcome: Outcome }) {
  const shown = outcome.shown.value;
  return (
    <div class="note warn" role="alert" data-testid="outcome-torn">
      <p>{t("client.outcome.torn", { parts: outcome.torn.value.map((part) => t(`client.outcome.part.${part}`)).join(", ") })}</p>
      {shown && <details open><summary>{t("client.outcome.theirs")}</summary><Summary shown={shown} part={outcome.torn.value} /></details>}
      <div class="actions">
        <button type="button" onClick={() => outcome.takeTheirs()}>{t("client.outcome.take")}</button>
        <button type="button" onClick={() => outcome.keepMine()}>{t("client.outcome.keep")}</button>
      </div>
    </div>
  );
}

/** For those who read: what the document will say. */
function Summary({ shown, part }: { shown: Shown; part?: readonly Part[] }) {
  const found = part ? only(shown.particulars, part) : shown.particulars;
  const named = (table: keyof Shown["choices"], code: string): string => shown.choices[table].find((one) => one.code === code)?.name ?? code;
  return (
    <dl class="outcome-summary small" data-testid="outcome-summary">
      {(!part || found.diagnoses.length > 0) && <dt>{t("client.outcome.diagnoses")}</dt>}
      {found.diagnoses.length === 0 && !part && <dd>{t("client.outcome.referral", { code: shown.referral.code, text: shown.referral.text })}</dd>}
      {found.diagnoses.map((one, at) => (
        <dd key={at}>
          <strong>{one.code}</strong> {one.text} <span class="quiet">{[named("kinds", one.kind), one.stage, tnm(one)].filter(Boolean).join(" · ")}</span>
        </dd>
      ))}
      {found.clinical_group.name && <><dt>{t("client.outcome.clinical_group")}</dt><dd>{found.clinical_group.name}</dd></>}
      {found.advice.length > 0 && <dt>{t("client.outcome.recommendations")}</dt>}
      {found.advice.map((one, at) => (
        <dd key={at}><span class="quiet">{[t(`client.outcome.advice.${one.kind}`), one.method.name, one.planned_on ? day(one.planned_on) : ""].filter(Boolean).join(", ")}:</span> {one.text}</dd>
      ))}
      {found.services.length > 0 && <dt>{t("client.outcome.services")}</dt>}
      {found.services.map((one, at) => <dd key={at}>{one.name} {one.code && <span class="quiet">{one.code}</span>}</dd>)}
      {found.complaints && <><dt>{t("client.outcome.complaints")}</dt><dd class="prose">{found.complaints}</dd></>}
      {part && isEmpty(found) && <dd class="quiet">{t("client.outcome.nothing")}</dd>}
    </dl>
  );
}

/** What both changed, nothing else. */
const only = (given: Particulars, parts: readonly Part[]): Particulars =>
  Object.fromEntries(PARTS.map((part) => [part, parts.includes(part) ? given[part] : EMPTY[part]])) as unknown as Particulars;

const tnm = (one: Diagnosis): string => [one.tumour.name, one.node.name, one.metastasis.name].filter(Boolean).join(" ");
