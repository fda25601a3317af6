// The dissenting opinion: its author's alone until the protocol, saved as it is written, withdrawn at will.
import { t } from "../../live/words";
import { useSnapshot } from "../context";
import type { Room } from "../room";
import { may } from "../select";

export function DissentEditor({ item, room }: { item: string; room: Room }) {
  const snapshot = useSnapshot();
  const saved = snapshot.me.dissents.find((one) => one.item === item);
  const stands = saved !== undefined && !saved.withdrawn;
  const opinion = room.opinion(item);
  opinion.known(saved);
  if (!may(snapshot, "dissent") && !stands) return null;
  const state = opinion.state.value;
  const withdraw = async (): Promise<void> => {
    if (await room.act("dissent.withdraw", { item })) opinion.withdrawn();
  };
  return (
    <details id="dissent" class="card dissent" data-testid="dissent" open={stands || state !== "clean"}>
      <summary>{t("room.dissent.title")}</summary>
      <div class="body stack tight">
        <label for="dissent-text">{t("room.dissent.label")}</label>
        <p class="hint" id="dissent-hint">{t("room.dissent.hint")}</p>
        <textarea id="dissent-text" data-testid="dissent-text" aria-describedby="dissent-hint" maxLength={10000} rows={5}
          value={opinion.text.value} readOnly={!may(snapshot, "dissent")}
          onInput={(event) => opinion.write(event.currentTarget.value, snapshot.decision.ballot?.id ?? null)} />
        <div class="actions">
          <span class="save-state" role="status" data-testid="dissent-state" data-state={state}>{t(`room.dissent.${state}`)}</span>
          {stands && may(snapshot, "dissent") && (
            <button type="button" class="bare" data-testid="dissent-withdraw" onClick={() => void withdraw()}>{t("room.dissent.withdraw")}</button>
          )}
        </div>
      </div>
    </details>
  );
}
