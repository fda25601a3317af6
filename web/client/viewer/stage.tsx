// The stage of a document: what is open, its pages and zoom, whose view it is, and the way back to it.
import { t } from "../live/words";
import { useRoom, useSnapshot } from "../room/context";
import { Icon, type IconName } from "../room/icons";
import { leads, nameAt } from "../room/select";
import { WHOLE, ZOOM, zoomed } from "./geometry";
import { PageStage } from "./page";
import type { Stage } from "./viewer";

export function ViewerStage() {
  const room = useRoom();
  const stage = room.viewer.stage.value;
  return (
    <section class="viewer" data-testid="viewer" data-state={stage.is} data-following={room.viewer.following.value} aria-label={t("room.viewer.title")}>
      <Body stage={stage} />
      <div class={`viewer-tools${room.viewer.following.value ? "" : " own"}`}>
        <Whose />
        {stage.is === "ready" && <Tools />}
      </div>
    </section>
  );
}

function Body({ stage }: { stage: Stage }) {
  const snapshot = useSnapshot();
  if (stage.is === "ready") return <PageStage key={stage.loaded.document.id} loaded={stage.loaded} />;
  if (stage.is === "loading") return <p class="empty" role="status">{t("room.viewer.loading", { title: stage.document.title })}</p>;
  if (stage.is === "failed") {
    return (
      <div class="note bad" role="alert" data-testid="viewer-failed">
        <p>{t(`room.viewer.${stage.code}`, { title: stage.document.title })}</p>
        <code class="small">{stage.detail}</code>
      </div>
    );
  }
  if (!snapshot.case) return <p class="empty">{t("room.no_case")}</p>;
  return <p class="empty">{t(leads(snapshot) ? "room.viewer.choose" : "room.viewer.nothing")}</p>;
}

/** «Ведёт Петров» / «Вы смотрите сами» with the one button that changes it. */
function Whose() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { viewer } = room;
  const mine = leads(snapshot);
  const name = nameAt(snapshot, snapshot.view.presenter);
  if (!viewer.following.value) {
    return (
      <div class="viewer-whose" role="status">
        <span class="off-screen">{t("room.viewer.own")}</span>
        <button type="button" class="primary" data-testid="back-to-presenter" onClick={() => viewer.back()}>
          {t(mine ? "room.viewer.back_mine" : "room.viewer.back", { name })}
        </button>
      </div>
    );
  }
  return (
    <div class="viewer-whose">
      <span class="viewer-name small">{mine ? t("room.viewer.lead") : name ? t("room.viewer.follow", { name }) : ""}</span>
      {!mine && viewer.stage.value.is === "ready" && (
        <button type="button" class="bare small" data-testid="explore" onClick={() => viewer.explore()}>{t("room.viewer.explore")}</button>
      )}
    </div>
  );
}

function Tools() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { viewer } = room;
  const stage = viewer.stage.value;
  const shown = viewer.shown.value;
  if (stage.is !== "ready" || !shown) return null;
  const mine = leads(snapshot);
  const { pages, text } = stage.loaded;
  const tool = (id: string, icon: IconName, run: () => void, off = false) => (
    <button type="button" data-testid={id} aria-label={t(`room.viewer.${id}`)} title={t(`room.viewer.${id}`)} disabled={off} onClick={run}>
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="viewer-buttons" role="group" aria-label={t("room.viewer.tools")}>
      {pages > 1 && (
        <>
          {tool("page-back", "left", () => void viewer.turn(shown.page - 1, mine), shown.page <= 1)}
          <span class="number small" data-testid="page-number">{t("room.viewer.of", { page: shown.page, pages })}</span>
          {tool("page-next", "right", () => void viewer.turn(shown.page + 1, mine), shown.page >= pages)}
        </>
      )}
      {text === undefined && (
        <>
          {tool("zoom-out", "minus", () => viewer.look(zoomed(shown, 1 / ZOOM.step), mine))}
          <span class="number small">{Math.round(shown.zoom * 100)} %</span>
          {tool("zoom-in", "plus", () => viewer.look(zoomed(shown, ZOOM.step), mine))}
          {tool("zoom-fit", "fit", () => viewer.look(WHOLE, mine))}
          {mine && (
            <button type="button" aria-pressed={viewer.pointing.value} data-testid="pointing" aria-label={t("room.viewer.pointing")}
              title={t("room.viewer.pointing")} onClick={() => { viewer.pointing.value = !viewer.pointing.value; }}>
              <Icon name="pointer" />
            </button>
          )}
        </>
      )}
    </div>
  );
}
