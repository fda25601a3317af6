// A real confirmation, with its consequence spelled out, and a reason where the law wants one.
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../live/words";

interface Question {
  title: string;
  text: string;
  action: string;
  danger?: boolean;
  /** Label of the reason; absent: none is asked. */
  reason?: string;
  run: (reason: string) => Promise<unknown>;
}

const question = signal<Question | null>(null);

export function ask(next: Question): void {
  question.value = next;
}

export function Ask() {
  const asked = question.value;
  return asked ? <Dialog key={asked.title} asked={asked} /> : null;
}

function Dialog({ asked }: { asked: Question }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const [lacking, setLacking] = useState(false);
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (asked.reason && !reason.trim()) return setLacking(true);
    setBusy(true);
    await asked.run(reason.trim());
    question.value = null;
  };
  return (
    <dialog ref={dialog} aria-labelledby="ask-title" data-testid="ask" onClose={() => { question.value = null; }}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="ask-title">{asked.title}</h2>
        <p>{asked.text}</p>
        {asked.reason && (
          <div>
            <label for="ask-reason">{asked.reason}</label>
            <textarea id="ask-reason" maxLength={1000} value={reason} aria-invalid={lacking} autofocus
              aria-describedby={lacking ? "ask-lacking" : undefined}
              onInput={(event) => setReason(event.currentTarget.value)} />
            {lacking && <p class="error" id="ask-lacking">{t("room.reason_needed")}</p>}
          </div>
        )}
        <div class="actions">
          <button type="button" onClick={() => dialog.current?.close()}>{t("room.cancel")}</button>
          <button type="submit" class={asked.danger ? "danger" : "primary"} aria-busy={busy} data-testid="ask-confirm">
            {asked.action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
