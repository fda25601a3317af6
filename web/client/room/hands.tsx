// One queue for everybody, ordered by the server, with the time each has waited.
import { stopwatch, t } from "../live/words";
import { useRoom, useSnapshot } from "./context";
import { may, myHand, nameAt } from "./select";

export function Hands() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { floor, me } = snapshot;
  const waited = (since: string): string => stopwatch((room.now.value - Date.parse(since)) / 1_000);
  return (
    <div class="stack tight">
      {floor.seat
        ? (
          <div class="note accent" data-testid="floor" data-seat={floor.seat}>
            {t("room.floor_of", { name: nameAt(snapshot, floor.seat) })}
            {floor.since && <span class="number"> · {waited(floor.since)}</span>}
            {(floor.seat === me.seat || may(snapshot, "give_floor")) && (
              <button type="button" class="bare small" data-testid="release-floor" onClick={() => void room.act("floor.release")}>
                {t(floor.seat === me.seat ? "room.next.release_floor" : "room.end_floor")}
              </button>
            )}
          </div>
        )
        : <p class="quiet small">{t("room.floor_free")}</p>}
      <ol class="plain side-list" aria-label={t("room.tab.hands")}>
        {floor.hands.map((hand, at) => (
          <li key={hand.seat} data-testid="hand-row" data-seat={hand.seat}>
            <span class="number">{at + 1}.</span>
            <div class="grow">
              <strong>{nameAt(snapshot, hand.seat)}</strong>
              <div class="small quiet">
                {hand.point_of_order && <span class="badge warn">{t("room.point_of_order")}</span>} {t("room.waits", { time: waited(hand.raised_at) })}
              </div>
              {(hand.seat === me.seat || may(snapshot, "give_floor")) && (
                <div class="actions">
                  {may(snapshot, "give_floor") && (
                    <button type="button" class="small" data-testid="hand-give" onClick={() => void room.act("floor.give", { seat: hand.seat })}>
                      {t("room.give_floor")}
                    </button>
                  )}
                  <button type="button" class="bare small" data-testid="hand-lower" onClick={() => void room.act("hand.lower", { seat: hand.seat })}>
                    {t("room.lower")}
                  </button>
                </div>
              )}
            </div>
          </li>
        ))}
      </ol>
      {floor.hands.length === 0 && <p class="quiet small">{t("room.no_hands")}</p>}
      {may(snapshot, "hand") && !myHand(snapshot) && (
        <div class="actions">
          <button type="button" data-testid="raise-hand" onClick={() => void room.act("hand.raise", { point_of_order: false })}>{t("room.next.raise_hand")}</button>
          <button type="button" class="bare small" data-testid="point-of-order" onClick={() => void room.act("hand.raise", { point_of_order: true })}>{t("room.point_of_order_ask")}</button>
        </div>
      )}
    </div>
  );
}
