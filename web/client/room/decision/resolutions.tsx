// Wordings before the vote. Two people rewording at once: the later one gets the other's text and keeps his own.
import { useState } from "preact/hooks";
import { t } from "../../live/words";
import { Refused, type Resolution } from "../../live/wire";
import { useRoom, useSnapshot } from "../context";
import { quorumBlock } from "../primary";
import { may, nameAt } from "../select";
import { forget, typed } from "../typed";

export function Propose({ item }: { item: string }) {
  const room = useRoom();
  const wording = typed(`propose ${item}`);
  const propose = async (event: Event): Promise<void> => {
    event.preventDefault();
    const said = wording.value.trim();
    if (said && (await room.act("resolution.propose", { item, wording: said }))) wording.value = "";
  };
  return (
    <form class="card propose" onSubmit={(event) => void propose(event)}>
      <div class="body stack tight">
        <label for="wording">{t("room.decision.wording")}</label>
        <textarea id="wording" data-testid="wording" data-focus="wording" rows={3} maxLength={4000} value={wording.value}
          placeholder={t("room.decision.wording_hint")} onInput={(event) => { wording.value = event.currentTarget.value; }} />
        <div class="actions">
          <button type="submit" data-testid="propose" aria-busy={room.busy.value.has("resolution.propose")}>{t("room.decision.propose")}</button>
        </div>
      </div>
    </form>
  );
}

export function ResolutionCard({ resolution }: { resolution: Resolution }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const editing = room.rewording.value === resolution.id;
  const edit = (on: boolean): void => { room.rewording.value = on ? resolution.id : null; };
  return (
    <article class="card resolution" data-testid="resolution" data-resolution={resolution.id} data-state={resolution.status}>
      <header>
        <h3>{t("room.decision.number", { number: resolution.number })}</h3>
        <span class="small quiet">{nameAt(snapshot, resolution.author)}</span>
      </header>
      <div class="body">
        {editing ? <Reword resolution={resolution} done={() => edit(false)} /> : <Shown resolution={resolution} edit={() => edit(true)} />}
      </div>
    </article>
  );
}

function Shown({ resolution, edit }: { resolution: Resolution; edit: () => void }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const blocked = snapshot.decision.ballot
    ? { key: "room.decision.another_open", values: {} }
    : quorumBlock(snapshot);
  const why = `why-${resolution.id}`;
  const fields = { resolution: resolution.id, revision: resolution.revision };
  return (
    <div class="stack tight">
      <p class="prose wording">{resolution.wording}</p>
      <div class="actions">
        {may(snapshot, "propose") && <button type="button" class="bare" data-testid="reword" onClick={edit}>{t("room.decision.reword")}</button>}
        {may(snapshot, "propose") && (
          <button type="button" class="bare" data-testid="withdraw" onClick={() => void room.act("resolution.withdraw", { resolution: resolution.id })}>
            {t("room.decision.withdraw")}
          </button>
        )}
        {may(snapshot, "open_vote") && (
          <>
            <button type="button" data-testid="open-vote" aria-disabled={Boolean(blocked)} aria-describedby={blocked ? why : undefined}
              aria-busy={room.busy.value.has("vote.open")} onClick={() => !blocked && void room.act("vote.open", fields)}>
              {t("room.decision.open_vote")}
            </button>
            {blocked && <span id={why} class="small quiet" data-testid="open-vote-why">{t(blocked.key, blocked.values)}</span>}
          </>
        )}
      </div>
    </div>
  );
}

function Reword({ resolution, done }: { resolution: Resolution; done: () => void }) {
  const room = useRoom();
  const text = typed(`reword ${resolution.id}`, resolution.wording);
  const [revision, setRevision] = useState(resolution.revision);
  const [other, setOther] = useState<string | null>(null);
  const end = (): void => {
    forget(`reword ${resolution.id}`);
    done();
  };
  const save = async (): Promise<void> => {
    try {
      await room.live.command("resolution.reword", { resolution: resolution.id, revision, wording: text.value.trim() });
      end();
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "stale_revision") return room.refuse(error);
      const latest = room.snapshot.value?.decision.resolutions.find((one) => one.id === resolution.id) ?? resolution;
      setOther(String(error.details.current ?? latest.wording));
      setRevision(Number(error.details.revision ?? latest.revision));
    }
  };
  return (
    <div class="stack tight">
      <label for={`edit-${resolution.id}`} class="off-screen">{t("room.decision.wording")}</label>
      <textarea id={`edit-${resolution.id}`} data-testid="reword-text" value={text.value} maxLength={4000}
        onInput={(event) => { text.value = event.currentTarget.value; }} />
      {other !== null && (
        <div class="note warn" role="alert" data-testid="conflict">
          <p>{t("room.decision.conflict")}</p>
          <p class="prose wording">{other}</p>
          <button type="button" class="bare" onClick={() => { text.value = other; setOther(null); }}>{t("room.decision.take_theirs")}</button>
        </div>
      )}
      <div class="actions">
        <button type="button" class="primary" data-testid="reword-save" onClick={() => void save()}>{t(other === null ? "room.save" : "room.decision.keep_mine")}</button>
        <button type="button" onClick={end}>{t("room.cancel")}</button>
      </div>
    </div>
  );
}
