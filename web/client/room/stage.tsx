// The middle of the room: chosen by the chair for all, or by me for myself, with one way back.
import { useEffect, useRef } from "preact/hooks";
import { ProtocolStage } from "../draft/editor";
import { t } from "../live/words";
import { LAYOUTS, type Layout } from "../live/wire";
import { useRoom, useSnapshot } from "./context";
import { Decision } from "./decision/decision";
import { Faces } from "./faces";
import { ImagesStage, RecordStage } from "./record";
import { may } from "./select";

const STAGES: Record<Layout, () => preact.JSX.Element> = {
  discussion: Faces,
  record: RecordStage,
  images: ImagesStage,
  vote: Decision,
  protocol: ProtocolStage,
};

export function Stage() {
  const room = useRoom();
  const layout = room.layout.value;
  const Chosen = STAGES[layout];
  const away = room.live.state.value.is !== "live";
  return (
    <main id="stage" class={`room-stage${away ? " away" : ""}`} tabIndex={-1} data-testid="stage" data-layout={layout}
      data-own={room.ownView.value !== null} aria-label={t(`room.layout.${layout}`)}>
      <Choice />
      <div class="stage-body"><Chosen /></div>
      {away && <Away />}
    </main>
  );
}

function Choice() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const common = snapshot.consilium.layout;
  const all = may(snapshot, "layout");
  const shown = room.layout.value;
  const row = useRef<HTMLDivElement>(null);
  // On a small screen the row is longer than the screen: the chosen view is always seen in it.
  useEffect(() => row.current?.querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "center" }), [shown]);
  return (
    <div class="stage-choice" ref={row}>
      <div class="room-tabs" role="group" aria-label={t(all ? "room.layouts_all" : "room.layouts_own")}>
        {LAYOUTS.map((layout) => (
          <button key={layout} type="button" class="row" aria-pressed={room.layout.value === layout} data-testid={`layout-${layout}`}
            data-state={layout === common ? "common" : "other"} onClick={() => void room.look(layout)}>
            {t(`room.layout.${layout}`)}
            {layout === common && room.ownView.value !== null && <span class="off-screen">{t("room.common_view")}</span>}
          </button>
        ))}
      </div>
      {room.ownView.value !== null && (
        <button type="button" class="bare small" data-testid="common-view" onClick={() => { room.ownView.value = null; }}>
          {t("room.back_to_common", { layout: t(`room.layout.${common}`) })}
        </button>
      )}
    </div>
  );
}

/** The connection is away: everything stays where it was, and says so. */
function Away() {
  const room = useRoom();
  const link = room.live.state.value;
  const seconds = link.is === "reconnecting" ? Math.max(0, Math.round((Date.now() - link.since) / 1_000)) : 0;
  void room.now.value; // drawn again every second
  return (
    <div class="stage-away" role="status" data-testid="away">
      <strong>{t("room.away.title")}</strong>
      <span>{t("room.away.text", { count: seconds })}</span>
    </div>
  );
}
