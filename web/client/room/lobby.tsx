// Who waits at the door: verified name, position, organisation, for which case. One, all, or no with a reason.
import { stopwatch, t } from "../live/words";
import type { Waiting } from "../live/wire";
import { ask } from "./ask";
import { useRoom, useSnapshot } from "./context";

export function LobbyPanel() {
  const room = useRoom();
  const { lobby } = useSnapshot();
  if (lobby.length === 0) return <p class="quiet small">{t("room.lobby.empty")}</p>;
  return (
    <div class="stack tight">
      <button type="button" class="primary" data-testid="admit-all" aria-busy={room.busy.value.has("seat.admit_all")}
        onClick={() => void room.act("seat.admit_all")}>
        {t("room.lobby.admit_all", { count: lobby.length })}
      </button>
      <ul class="plain side-list" aria-label={t("room.tab.lobby")}>
        {lobby.map((one) => <Row key={one.seat} waiting={one} />)}
      </ul>
    </div>
  );
}

function Row({ waiting }: { waiting: Waiting }) {
  const room = useRoom();
  const deny = (): void => ask({
    title: t("room.lobby.deny_title", { name: waiting.name }),
    text: t("room.lobby.deny_text"),
    reason: t("room.reason"),
    action: t("room.lobby.deny"),
    danger: true,
    run: (reason) => room.act("seat.deny", { seat: waiting.seat, reason }),
  });
  return (
    <li data-testid="waiting" data-seat={waiting.seat}>
      <div class="grow">
        <strong>{waiting.name}</strong>
        <div class="small">{[t(`role.${waiting.role}`), waiting.position].filter(Boolean).join(" · ")}</div>
        <div class="small quiet">{waiting.organisation}</div>
        <div class="small quiet">
          {waiting.case_number ? t("room.lobby.for_case", { number: waiting.case_number }) : t("room.lobby.for_all")}
          {" · "}{t("room.waits", { time: stopwatch((room.now.value - Date.parse(waiting.waiting_since)) / 1_000) })}
        </div>
        <div class="actions">
          <button type="button" class="primary" data-testid="admit" onClick={() => void room.act("seat.admit", { seat: waiting.seat })}>
            {t("room.lobby.admit")}
          </button>
          <button type="button" data-testid="deny" onClick={deny}>{t("room.lobby.deny")}</button>
        </div>
      </div>
    </li>
  );
}
