// The top line: which patient (two identifiers), which case, quorum, time, and how the connection is.
import { clock, day, stopwatch, t } from "../live/words";
import { useRoom, useSnapshot } from "./context";
import { RecordingMark } from "./recording";
import { currentItem } from "./select";

function age(birth: string, now: number): number {
  const born = new Date(birth);
  const today = new Date(now);
  const passed = today.getMonth() - born.getMonth() || today.getDate() - born.getDate();
  return today.getFullYear() - born.getFullYear() - (passed < 0 ? 1 : 0);
}

export function Banner() {
  const { case: record } = useSnapshot();
  return (
    <header class="room-banner">
      {record ? <Patient /> : <Between />}
      <div class="room-facts">
        <RecordingMark />
        <Quorum />
        <Elapsed />
        <Connection />
      </div>
    </header>
  );
}

function Patient() {
  const room = useRoom();
  const { case: record } = useSnapshot();
  if (!record) return null;
  const { patient } = record;
  return (
    <div class="room-patient" data-testid="patient-banner" data-case={record.id} role="group"
      aria-label={t("room.patient")}>
      <h1 data-testid="patient-name">{patient.name}</h1>
      {patient.birth_date && (
        <span class="number">
          {day(patient.birth_date)} <span class="quiet">{t("room.age", { count: age(patient.birth_date, room.now.value) })}</span>
        </span>
      )}
      <span class="number">{t("room.case_number", { number: record.number })}</span>
      <span class="room-question quiet" title={record.question}>{record.question}</span>
    </div>
  );
}

function Between() {
  const snapshot = useSnapshot();
  const { consilium } = snapshot;
  return (
    <div class="room-patient" data-testid="no-case">
      <h1>{t("room.title", { number: consilium.number })}</h1>
      <span class="quiet">{currentItem(snapshot) ? t("room.case_hidden") : t("room.no_case")}</span>
    </div>
  );
}

function Quorum() {
  const { present, need, reached, total } = useSnapshot().quorum;
  return (
    <span class={`badge ${reached ? "good" : "warn"}`} data-testid="quorum" data-state={reached ? "reached" : "missing"}
      title={t("room.quorum.hint", { present, need, total })}>
      {t(reached ? "room.quorum.reached" : "room.quorum.not_reached", { present, need })}
    </span>
  );
}

function Elapsed() {
  const room = useRoom();
  const { opened_at: opened, scheduled_at: planned } = useSnapshot().consilium;
  if (!opened) return <span class="number quiet">{t("room.begins", { time: clock(planned) })}</span>;
  const seconds = (room.now.value - Date.parse(opened)) / 1_000;
  return <time class="number" role="timer" title={t("room.since", { time: clock(opened) })}>{stopwatch(seconds)}</time>;
}

function Connection() {
  const room = useRoom();
  const link = room.live.state.value;
  const media = room.media.state.value;
  if (link.is === "live") {
    const troubled = media === "failed" || media === "interrupted" || room.media.failing.value;
    return (
      <span class={`badge ${troubled ? "warn" : "good"}`} data-testid="connection" data-state="live" data-media={media}>
        {t(troubled ? "room.link.media_lost" : "room.link.live")}
      </span>
    );
  }
  const seconds = link.is === "reconnecting" ? Math.max(0, (Date.now() - link.since) / 1_000) : 0;
  void room.now.value; // drawn again every second
  return (
    <span class="badge bad" data-testid="connection" data-state={link.is} data-media={media}>
      {t(`room.link.${link.is}`, { time: stopwatch(seconds) })}
    </span>
  );
}
