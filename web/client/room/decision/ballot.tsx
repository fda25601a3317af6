// A ballot is a sheet: the frozen wording on top, three equal buttons, the dissent as a fourth way, a receipt.
import { clock, t } from "../../live/words";
import type { Ballot, Choice } from "../../live/wire";
import { useRoom, useSnapshot } from "../context";
import { entitled, may } from "../select";
import { useWordingCheck } from "./digest";

const CHOICES: readonly Choice[] = ["for", "against", "abstain"];

export function BallotSheet({ ballot }: { ballot: Ballot }) {
  const snapshot = useSnapshot();
  const check = useWordingCheck(ballot.wording, ballot.digest);
  return (
    <section class="ballot" aria-labelledby="ballot-title" data-testid="ballot" data-ballot={ballot.id} data-state={check}>
      <header>
        <h2 id="ballot-title" tabIndex={-1} data-focus="ballot">{t("room.ballot.title", { number: ballot.number })}</h2>
        <span class="badge accent number" data-testid="ballot-count">
          {t("room.ballot.count", { voted: ballot.voted.length, entitled: ballot.entitled.length })}
        </span>
      </header>
      <blockquote class="prose wording" data-testid="ballot-wording">{ballot.wording}</blockquote>
      <p class="small quiet">
        {t(`room.ballot.digest_${check}`)} <code title={`sha256 ${ballot.digest}`} data-testid="ballot-digest">{ballot.digest.slice(0, 16)}</code>
      </p>
      {check === "different" && <p class="note bad" role="alert">{t("room.ballot.mismatch")}</p>}
      {entitled(snapshot) && may(snapshot, "vote")
        ? <Ways ballot={ballot} ready={check === "same"} />
        : <p class="note" data-testid="not-entitled">{t(notEntitled(snapshot.me.recused.includes(snapshot.decision.item ?? "")))}</p>}
    </section>
  );
}

function notEntitled(recused: boolean): string {
  return recused ? "room.ballot.recused" : "room.ballot.not_entitled";
}

function Ways({ ballot, ready }: { ballot: Ballot; ready: boolean }) {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { vote } = snapshot.me;
  const mine = vote?.ballot === ballot.id ? vote : null;
  const busy = room.busy.value.has("vote.cast");
  const cast = async (choice: Choice): Promise<void> => {
    if (!ready || busy) return;
    const done = await room.act("vote.cast", { ballot: ballot.id, choice, digest: ballot.digest });
    if (done) room.say(t("room.ballot.cast", { choice: t(`room.choice.${choice}`) }));
  };
  return (
    <>
      <div class="ways" role="group" aria-label={t("room.ballot.ways")}>
        {CHOICES.map((choice) => (
          <button key={choice} type="button" class={`way large${mine?.choice === choice ? " chosen" : ""}`} aria-pressed={mine?.choice === choice}
            aria-disabled={!ready} aria-busy={busy} data-testid={`vote-${choice}`} data-state={mine?.choice === choice ? "chosen" : "free"}
            onClick={() => void cast(choice)}>
            {t(`room.choice.${choice}`)}
          </button>
        ))}
        {may(snapshot, "dissent") && (
          <button type="button" class="way large" data-testid="vote-dissent" onClick={() => {
            const editor = document.getElementById("dissent");
            if (editor instanceof HTMLDetailsElement) editor.open = true;
            requestAnimationFrame(() => document.getElementById("dissent-text")?.focus());
          }}>
            {t("room.dissent.title")}
          </button>
        )}
      </div>
      {mine
        ? (
          <p class="receipt" role="status" data-testid="receipt" data-receipt={mine.receipt}>
            {t("room.ballot.receipt", { choice: t(`room.choice.${mine.choice}`), time: clock(mine.cast_at) })} <code>{mine.receipt}</code>
            <br /><span class="small quiet">{t("room.ballot.change")}</span>
          </p>
        )
        : <p class="small quiet">{t("room.ballot.named")}</p>}
    </>
  );
}
