// The list of cases: what is decided, what is on, what comes; the chair opens and postpones from here.
import { t } from "../live/words";
import type { AgendaItem } from "../live/wire";
import { ask } from "./ask";
import { useRoom, useSnapshot } from "./context";
import { currentItem, may } from "./select";

export function Agenda() {
  const { agenda } = useSnapshot();
  return (
    <nav class="room-agenda" aria-label={t("room.agenda")} data-testid="agenda">
      <h2>{t("room.agenda")}</h2>
      <ol class="plain">
        {agenda.map((item) => <Line key={item.item} item={item} />)}
      </ol>
    </nav>
  );
}

function Line({ item }: { item: AgendaItem }) {
  const snapshot = useSnapshot();
  const current = currentItem(snapshot);
  const chairs = may(snapshot, "agenda");
  return (
    <li class={`agenda-item ${item.status}`} data-testid="agenda-item" data-item={item.item} data-state={item.status}
      aria-current={item.status === "open" ? "step" : undefined}>
      <span class="agenda-mark" aria-hidden="true">{{ waiting: item.order, open: "●", decided: "✓", postponed: "–" }[item.status]}</span>
      <div>
        <span class="number">{item.case_number || t("room.case_closed_to_me")}</span>
        <span class="small quiet"> {t(`item.${item.status}`)}</span>
        {item.patient && <div class="agenda-patient">{item.patient}</div>}
        {chairs && item.status === "waiting" && !current && <Open item={item} />}
        {chairs && item.status === "open" && <Postpone item={item} />}
      </div>
    </li>
  );
}

function Open({ item }: { item: AgendaItem }) {
  const room = useRoom();
  return (
    <button type="button" class="bare small" data-testid="open-item" onClick={() => void room.act("agenda.open", { item: item.item })}>
      {t("room.open_item")}
    </button>
  );
}

function Postpone({ item }: { item: AgendaItem }) {
  const room = useRoom();
  const postpone = (): void => ask({
    title: t("room.postpone.title", { number: item.case_number }),
    text: t("room.postpone.text"),
    reason: t("room.reason"),
    action: t("room.postpone.action"),
    run: (reason) => room.act("agenda.close", { item: item.item, outcome: "postponed", reason }),
  });
  return <button type="button" class="bare small" data-testid="postpone-item" onClick={postpone}>{t("room.postpone.action")}</button>;
}
