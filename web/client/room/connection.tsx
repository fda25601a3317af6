// How well somebody is connected: a mark on his tile, its word on touch, the reason on request; my own trouble in a line.
import { useEffect, useRef } from "preact/hooks";
import { t } from "../live/words";
import type { Grade, Id } from "../live/wire";
import { isBad, type Mark, type Own } from "../media/quality";
import { useRoom, useSnapshot } from "./context";
import { nameAt } from "./select";

const BARS: Record<Grade, number> = { excellent: 4, good: 3, poor: 1, lost: 0 };

/** Four bars, as many filled as the link is worth; a cross where nothing comes. */
function Bars({ grade }: { grade: Grade }) {
  return (
    <svg class="bars" viewBox="0 0 16 16" aria-hidden="true">
      {[0, 1, 2, 3].map((at) => (
        <rect key={at} x={at * 4 + 0.5} y={11 - at * 3} width="3" height={4 + at * 3} rx="0.6" class={at < BARS[grade] ? "" : "empty"} />
      ))}
      {grade === "lost" && <path d="M3 3l10 10M13 3 3 13" />}
    </svg>
  );
}

function useMark(seat: Id): Mark | null {
  const { monitor } = useRoom().media;
  return seat === useSnapshot().me.seat ? monitor.own.value : monitor.mark(seat);
}

/** Grade and cause as one sentence. */
function said({ grade, cause }: Mark): string {
  const word = t(`room.quality.${grade}`);
  return cause ? `${word}: ${t(`room.quality.cause.${cause}`)}` : word;
}

export function QualityMark({ seat, name }: { seat: Id; name: string }) {
  const room = useRoom();
  const mark = useMark(seat);
  if (!mark) return null;
  return (
    <button type="button" class={`mark ${mark.grade}`} data-testid="quality" data-state={mark.grade} data-cause={mark.cause ?? undefined}
      aria-label={t("room.quality.of", { name, said: said(mark) })} aria-haspopup="dialog" onClick={() => { room.lookingAt.value = seat; }}>
      <Bars grade={mark.grade} />
      <span class="mark-word" aria-hidden="true">{said(mark)}</span>
    </button>
  );
}

/** My own line is bad for a while: what it is and what to do. */
export function OwnTrouble() {
  const room = useRoom();
  const { me } = useSnapshot();
  const own = room.media.monitor.trouble.value;
  if (!own?.cause) return null;
  const camera = own.cause === "uplink" && room.capture.camera.value !== null;
  return (
    <div class="room-offer" role="status" data-testid="own-trouble" data-state={own.grade} data-cause={own.cause}>
      <span>{t(`room.quality.trouble.${own.cause}`)}</span>
      {camera && (
        <button type="button" data-testid="trouble-camera-off" onClick={() => void room.capture.setCamera(false)}>{t("room.check.camera_off")}</button>
      )}
      <button type="button" class="bare" onClick={() => { room.lookingAt.value = me.seat; }}>{t("room.quality.more")}</button>
    </div>
  );
}

export function ConnectionDetails() {
  const seat = useRoom().lookingAt.value;
  return seat ? <Details key={seat} seat={seat} /> : null;
}

function Details({ seat }: { seat: Id }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const dialog = useRef<HTMLDialogElement>(null);
  const mark = useMark(seat);
  const own = seat === snapshot.me.seat ? room.media.monitor.own.value : null;
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="connection-title" data-testid="connection-details" onClose={() => { room.lookingAt.value = null; }}>
      <div class="body stack">
        <h2 id="connection-title">{own ? t("room.quality.own_title") : t("room.quality.title", { name: nameAt(snapshot, seat) })}</h2>
        {mark && <p class={`connection-grade ${mark.grade}`}><Bars grade={mark.grade} /><strong>{said(mark)}</strong></p>}
        {mark?.cause && isBad(mark.grade) && <p>{t(`room.quality.advice.${mark.cause}`)}</p>}
        {own && <Numbers own={own} />}
        <div class="actions"><button type="button" class="primary" onClick={() => dialog.current?.close()}>{t("room.close")}</button></div>
      </div>
    </dialog>
  );
}

function Numbers({ own }: { own: Own }) {
  const share = (part: number): string => `${(part * 100).toFixed(1)} %`;
  const rows: [string, string][] = [
    ["rung", own.rung ? t(`media.rung.${own.rung}`) : "–"],
    ["rtt", own.rtt === null ? "–" : t("room.check.ms", { count: Math.round(own.rtt * 1_000) })],
    ["up", share(own.up)],
    ["down", share(own.down)],
  ];
  return (
    <dl class="facts">
      {rows.map(([key, value]) => [<dt key={key}>{t(`room.quality.detail.${key}`)}</dt>, <dd key={`${key}-value`} data-testid={`own-${key}`}>{value}</dd>])}
    </dl>
  );
}
