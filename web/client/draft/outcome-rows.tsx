// The lines of what was settled on: one block for a diagnosis, a piece of advice, a service.
import type { ComponentChildren } from "preact";
import { t } from "../live/words";
import { NOTHING, type Advice, type Choice, type Diagnosis, type Picked, type Service, type Shown } from "./outcome";
import { Pick } from "./pick";

export const ADVICE = ["treatment", "examination", "medication", "diet", "regime", "other"] as const;

interface RowProps<Row> {
  row: Row;
  /** "diagnoses.0": the server names its fields so. */
  place: string;
  shown: Shown;
  fault: string;
  onChange: (row: Row) => void;
  onRemove: () => void;
}

const idOf = (place: string, name: string): string => `outcome-${place}.${name}`.replace(/\./g, "-");

interface ChoiceProps {
  id: string;
  label: string;
  value: string;
  choices: readonly Choice[];
  empty?: boolean;
  invalid: boolean;
  onChange: (code: string) => void;
}

function Select({ id, label, value, choices, empty = false, invalid, onChange }: ChoiceProps) {
  return (
    <div>
      <label for={id}>{label}</label>
      <select id={id} value={value} aria-invalid={invalid || undefined} onChange={(event) => onChange(event.currentTarget.value)}>
        {empty && <option value="">{t("client.outcome.unsaid")}</option>}
        {choices.map((one) => <option key={one.code} value={one.code}>{one.name}</option>)}
      </select>
    </div>
  );
}

function Block({ title, onRemove, children }: { title: string; onRemove: () => void; children: ComponentChildren }) {
  return (
    <div class="outcome-row" role="group" aria-label={title}>
      <div class="outcome-fields">{children}</div>
      <button type="button" class="bare outcome-remove" aria-label={t("client.outcome.remove", { what: title })} title={t("client.outcome.remove", { what: title })} onClick={onRemove}>×</button>
    </div>
  );
}

export function DiagnosisRow({ row, place, shown, fault, onChange, onRemove }: RowProps<Diagnosis>) {
  const id = (name: string): string => idOf(place, name);
  const bad = (name: string): boolean => fault === `${place}.${name}`;
  const set = (part: Partial<Diagnosis>): void => onChange({ ...row, ...part });
  const number = Number(place.split(".")[1]) + 1;
  const tnm = (name: "tumour" | "node" | "metastasis") => (
    <Pick id={id(name)} label={t(`client.outcome.${name}`)} dictionary="99.2.547" value={row[name].name} code={row[name].code} invalid={bad(name)}
      onType={(text) => set({ [name]: { name: text, code: "" } as Picked })} onPick={(one) => set({ [name]: { name: one.name, code: one.code } as Picked })} />
  );
  return (
    <Block title={t("client.outcome.diagnosis", { number })} onRemove={onRemove}>
      <div class="w-code">
        <Pick id={id("code")} label={t("client.outcome.code")} dictionary="11.1005" value={row.code} max={20} invalid={bad("code")}
          onType={(text) => set({ code: text })}
          onPick={(one) => set({ code: one.code, text: row.text.trim() ? row.text : one.name })} />
      </div>
      <div class="w-wide"><Select id={id("kind")} label={t("client.outcome.kind")} value={row.kind} choices={shown.choices.kinds} invalid={bad("kind")} onChange={(kind) => set({ kind })} /></div>
      <div class="w-full">
        <label for={id("text")}>{t("client.outcome.wording")}</label>
        <textarea id={id("text")} rows={2} maxLength={1_000} spellcheck value={row.text} aria-invalid={bad("text") || undefined} onInput={(event) => set({ text: event.currentTarget.value })} />
      </div>
      <div class="w-half"><Select id={id("certainty")} label={t("client.outcome.certainty")} value={row.certainty} choices={shown.choices.certainties} empty invalid={bad("certainty")} onChange={(certainty) => set({ certainty })} /></div>
      <div class="w-half"><Select id={id("nature")} label={t("client.outcome.nature")} value={row.nature} choices={shown.choices.natures} empty invalid={bad("nature")} onChange={(nature) => set({ nature })} /></div>
      {shown.places.includes("stage") && (
        <div class="w-full outcome-tumour">
          <div>
            <label for={id("stage")}>{t("client.outcome.stage")}</label>
            <input id={id("stage")} type="text" maxLength={100} autocomplete="off" value={row.stage} aria-invalid={bad("stage") || undefined} onInput={(event) => set({ stage: event.currentTarget.value })} />
          </div>
          {tnm("tumour")}
          {tnm("node")}
          {tnm("metastasis")}
        </div>
      )}
    </Block>
  );
}

export function AdviceRow({ row, place, shown, fault, onChange, onRemove }: RowProps<Advice>) {
  const id = (name: string): string => idOf(place, name);
  const bad = (name: string): boolean => fault === `${place}.${name}`;
  const set = (part: Partial<Advice>): void => onChange({ ...row, ...part });
  const number = Number(place.split(".")[1]) + 1;
  const kinds = ADVICE.map((code) => ({ code, name: t(`client.outcome.advice.${code}`) }));
  const turn = (kind: string): void => set(kind === "treatment" ? { kind } : { kind, method: NOTHING, stage: 0, planned_on: null });
  return (
    <Block title={t("client.outcome.line", { number })} onRemove={onRemove}>
      <div class="w-code"><Select id={id("kind")} label={t("client.outcome.kind")} value={row.kind} choices={kinds} invalid={bad("kind")} onChange={turn} /></div>
      <div class="w-wide">
        <label for={id("text")}>{t("client.outcome.what")}</label>
        <textarea id={id("text")} rows={2} maxLength={4_000} spellcheck value={row.text} aria-invalid={bad("text") || undefined} onInput={(event) => set({ text: event.currentTarget.value })} />
      </div>
      {row.kind === "treatment" && (
        <>
          <div class="w-half">
            <Pick id={id("method")} label={t("client.outcome.method")} dictionary="11.1518" value={row.method.name} code={row.method.code} options={shown.choices.methods} invalid={bad("method")}
              onType={(text) => set({ method: { name: text, code: "" } })} onPick={(one) => set({ method: { name: one.name, code: one.code } })} />
          </div>
          <div class="w-half">
            <label for={id("planned_on")}>{t("client.outcome.planned_on")}</label>
            <input id={id("planned_on")} type="date" value={row.planned_on ?? ""} aria-invalid={bad("planned_on") || undefined} onInput={(event) => set({ planned_on: event.currentTarget.value || null })} />
          </div>
        </>
      )}
    </Block>
  );
}

export function ServiceRow({ row, place, fault, onChange, onRemove }: RowProps<Service>) {
  const id = (name: string): string => idOf(place, name);
  const bad = (name: string): boolean => fault === `${place}.${name}`;
  const number = Number(place.split(".")[1]) + 1;
  return (
    <Block title={t("client.outcome.service", { number })} onRemove={onRemove}>
      <div class="w-wide">
        <Pick id={id("name")} label={t("client.outcome.service.name")} dictionary="11.1070" value={row.name} invalid={bad("name")}
          onType={(name) => onChange({ ...row, name })} onPick={(one) => onChange({ name: one.name, code: one.code })} />
      </div>
      <div class="w-code">
        <label for={id("code")}>{t("client.outcome.service.code")}</label>
        <input id={id("code")} type="text" maxLength={20} autocomplete="off" placeholder="B01.027.001" value={row.code} aria-invalid={bad("code") || undefined} onInput={(event) => onChange({ ...row, code: event.currentTarget.value })} />
      </div>
    </Block>
  );
}
