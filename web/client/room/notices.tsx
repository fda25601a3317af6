// What happened, in the corner; what a screen reader is told, once; and the offers that cannot wait.
import { t } from "../live/words";
import { useRoom, useSnapshot } from "./context";
import { may } from "./select";

export function Notices() {
  const room = useRoom();
  return (
    <>
      <div class="off-screen" role="status" aria-live="polite" data-testid="announcer">{room.said.value}</div>
      <section class="toasts room-notices" aria-label={t("room.notices")}>
        {room.notices.value.map((one) => (
          <div key={one.id} class={one.bad ? "bad" : ""} role={one.bad ? "alert" : undefined} data-testid="notice" data-code={one.code}>
            {one.text}
            {one.code && <code class="small quiet"> {one.code}</code>}
            <button type="button" class="bare small" aria-label={t("room.close")} onClick={() => room.dismiss(one.id)}>×</button>
          </div>
        ))}
      </section>
    </>
  );
}

/** The chair is away and it is offered to me; or I am the appointed chair and have come back. */
export function ChairOffer() {
  const room = useRoom();
  const snapshot = useSnapshot();
  if (!may(snapshot, "take_chair")) return null;
  const offered = snapshot.me.chair_offer;
  const key = offered ? "offer" : "return";
  return (
    <div class="room-offer" role={offered ? "alert" : "status"} data-testid="chair-offer" data-state={key}>
      <span>{t(`room.chair.${key}.text`)}</span>
      <button type="button" class="primary" data-testid="take-chair" aria-busy={room.busy.value.has("chair.take")} onClick={() => void room.act("chair.take")}>
        {t(`room.chair.${key}.action`)}
      </button>
    </div>
  );
}

/** The browser wants a click before it plays sound. */
export function SoundOffer() {
  const room = useRoom();
  if (!room.media.speaker.blocked.value) return null;
  return (
    <div class="room-offer" role="alert" data-testid="sound-offer">
      <span>{t("media.blocked")}</span>
      <button type="button" class="primary" data-testid="unlock-sound" onClick={() => void room.media.speaker.unlock()}>{t("media.unlock")}</button>
    </div>
  );
}
