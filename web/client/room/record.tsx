// The record of the case on the table: what the request said, and its documents.
import { day, has, size, t } from "../live/words";
import type { CaseDocument } from "../live/wire";
import { ViewerStage } from "../viewer/stage";
import { useRoom, useSnapshot } from "./context";
import { Icon } from "./icons";
import { leads } from "./select";

export function RecordStage() {
  const room = useRoom();
  const { case: record } = useSnapshot();
  if (!record) return <p class="empty">{t("room.no_case")}</p>;
  const open = room.viewer.stage.value.is !== "empty";
  return (
    <div class={`record${open ? " with-document" : ""}`} data-testid="record">
      <div class="record-text stack">
        <CaseFields />
        <Documents documents={record.documents} />
      </div>
      {open && <ViewerStage />}
    </div>
  );
}

export function ImagesStage() {
  const { case: record } = useSnapshot();
  return (
    <div class="images" data-testid="images">
      {record && <Documents documents={record.documents} compact />}
      <ViewerStage />
    </div>
  );
}

function coded(area: string, code: string): string {
  const key = `${area}.${code}`;
  return has(key) ? t(key) : code;
}

function CaseFields() {
  const { case: record } = useSnapshot();
  if (!record) return null;
  const { patient } = record;
  const rows: [string, string][] = [
    ["question", record.question],
    ["diagnosis", [record.diagnosis_code, record.diagnosis_name].filter(Boolean).join(" ")],
    ["sex", coded("sex", patient.sex)],
    ["record_number", patient.record_number],
    ["urgency", coded("urgency", record.urgency_code)],
    ["course", record.course],
    ["condition", record.condition],
  ];
  return (
    <section aria-labelledby="record-title">
      <h2 id="record-title">{t("room.record.title")}</h2>
      <dl class="facts">
        {rows.filter(([, value]) => value).map(([key, value]) => (
          <div key={key}><dt>{t(`room.record.${key}`)}</dt><dd class="prose">{value}</dd></div>
        ))}
      </dl>
    </section>
  );
}

function Documents({ documents, compact = false }: { documents: CaseDocument[]; compact?: boolean }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const shown = room.viewer.shown.value?.document;
  return (
    <section class={compact ? "documents compact" : "documents"} aria-label={t("room.documents")}>
      {!compact && <h2>{t("room.documents")}</h2>}
      {documents.length === 0 && <p class="quiet">{t("room.documents_none")}</p>}
      <ul class="plain">
        {documents.map((one) => (
          <li key={one.id}>
            <button type="button" class="row" data-testid="document" data-document={one.id} aria-pressed={one.id === shown}
              onClick={() => void room.viewer.open(one.id, leads(snapshot))}>
              <Icon name="file" />
              <span class="grow">
                <span title={one.title}>{one.title}</span>
                <span class="small quiet">
                  {[coded("document", one.kind), one.dated ? day(one.dated) : "", size(one.size)].filter(Boolean).join(" · ")}
                  {!compact && <> · <code title={`sha256 ${one.digest}`}>{one.digest.slice(0, 8)}</code></>}
                </span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
