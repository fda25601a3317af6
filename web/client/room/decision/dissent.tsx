// The dissenting opinion: its author's alone until the protocol, saved as it is written, withdrawn at will.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../../live/words";
import { Refused } from "../../live/wire";
import { useSnapshot } from "../context";
import type { Room } from "../room";
import { may } from "../select";

const PAUSE = 900; // milliseconds without typing after which the text is saved

export function DissentEditor({ item, room }: { item: string; room: Room }) {
  const snapshot = useSnapshot();
  const saved = snapshot.me.dissents.find((one) => one.item === item && !one.withdrawn);
  const [text, setText] = useState(saved?.text ?? "");
  const [state, setState] = useState<"clean" | "waiting" | "saving" | "saved" | "failed">(saved ? "saved" : "clean");
  const revision = useRef(snapshot.me.dissents.find((one) => one.item === item)?.revision ?? 0);
  const turn = useRef<Promise<void>>(Promise.resolve());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const latest = useRef(text);
  useEffect(() => () => clearTimeout(timer.current), []);
  if (!may(snapshot, "dissent") && !saved) return null;

  const save = async (): Promise<void> => {
    const wanted = latest.current.trim();
    if (!wanted) return setState("clean");
    setState("saving");
    try {
      const ballot = room.snapshot.value?.decision.ballot?.id ?? null;
      const answer = await room.live.command("dissent.write", { item, text: wanted, revision: revision.current, ballot });
      revision.current = Number(answer.revision ?? revision.current + 1);
      setState(latest.current.trim() === wanted ? "saved" : "waiting");
    } catch (error) {
      if (error instanceof Refused && error.code === "stale_revision") {
        revision.current = Number(error.details.revision ?? room.snapshot.value?.me.dissents.find((one) => one.item === item)?.revision ?? 0);
      }
      setState("failed");
      room.refuse(error);
    }
  };
  const changed = (next: string): void => {
    setText(next);
    latest.current = next;
    setState("waiting");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => { turn.current = turn.current.then(save); }, PAUSE);
  };
  const withdraw = async (): Promise<void> => {
    clearTimeout(timer.current);
    if (!(await room.act("dissent.withdraw", { item }))) return;
    changed("");
    clearTimeout(timer.current);
    setState("clean");
  };
  return (
    <details id="dissent" class="card dissent" data-testid="dissent" open={Boolean(saved)}>
      <summary>{t("room.dissent.title")}</summary>
      <div class="body stack tight">
        <label for="dissent-text">{t("room.dissent.label")}</label>
        <p class="hint" id="dissent-hint">{t("room.dissent.hint")}</p>
        <textarea id="dissent-text" data-testid="dissent-text" aria-describedby="dissent-hint" maxLength={10000} rows={5} value={text}
          readOnly={!may(snapshot, "dissent")} onInput={(event) => changed(event.currentTarget.value)} />
        <div class="actions">
          <span class="save-state" role="status" data-testid="dissent-state" data-state={state}>{t(`room.dissent.${state}`)}</span>
          {saved && may(snapshot, "dissent") && (
            <button type="button" class="bare" data-testid="dissent-withdraw" onClick={() => void withdraw()}>{t("room.dissent.withdraw")}</button>
          )}
        </div>
      </div>
    </details>
  );
}
