// The right panel: people, hands, chat, and for those who admit, who waits at the door.
import { useEffect } from "preact/hooks";
import { t } from "../live/words";
import { Agenda } from "./agenda";
import { Chat } from "./chat";
import { useRoom, useSnapshot } from "./context";
import { Hands } from "./hands";
import { LobbyPanel } from "./lobby";
import { People } from "./people";
import type { Side } from "./room";
import { may } from "./select";

const PANELS = { people: People, hands: Hands, chat: Chat, lobby: LobbyPanel, agenda: Agenda };

export function SidePanel() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const tabs: Side[] = ["people", "hands", "chat", ...(may(snapshot, "admit") ? ["lobby" as const] : []), "agenda"];
  const open = tabs.includes(room.side.value) ? room.side.value : "people";
  const Panel = PANELS[open];
  useEffect(() => { if (open === "chat") room.unread.value = 0; }, [open, room.unread.value]);
  if (!room.sideOpen.value) return null;
  const counts: Partial<Record<Side, number>> = {
    people: snapshot.people.filter((one) => one.online && one.admitted).length,
    hands: snapshot.floor.hands.length,
    chat: room.unread.value,
    lobby: snapshot.lobby.length,
  };
  return (
    <aside class="room-side" data-testid="side" aria-label={t("room.side")}>
      <div class="room-tabs" role="tablist" aria-label={t("room.side")} onKeyDown={arrows}>
        {tabs.map((tab) => (
          <button key={tab} type="button" role="tab" class="row" id={`tab-${tab}`} aria-controls="side-panel"
            aria-selected={tab === open} tabIndex={tab === open ? 0 : -1} data-testid={`tab-${tab}`} data-tab={tab}
            onClick={() => { room.side.value = tab; }}>
            {t(`room.tab.${tab}`)}
            {counts[tab] ? <span class={`count${tab === "lobby" ? " alert" : ""}`}>{counts[tab]}</span> : null}
          </button>
        ))}
      </div>
      <div id="side-panel" role="tabpanel" aria-labelledby={`tab-${open}`} tabIndex={0} class="room-panel"><Panel /></div>
    </aside>
  );
}

/** Left and right move between tabs, as screen readers expect. */
function arrows(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
  const tabs = [...event.currentTarget.querySelectorAll<HTMLButtonElement>("[role=tab]")];
  const next = tabs.indexOf(document.activeElement as HTMLButtonElement) + (event.key === "ArrowRight" ? 1 : -1);
  const tab = tabs[(next + tabs.length) % tabs.length];
  tab?.click();
  tab?.focus();
  event.preventDefault();
}
