// What was decided, and who voted how.
import { clock, t } from "../../live/words";
import type { Choice, Result } from "../../live/wire";
import { useSnapshot } from "../context";
import { nameAt } from "../select";

export function Results({ results }: { results: Result[] }) {
  return (
    <section class="stack tight" aria-labelledby="results-title">
      <h2 id="results-title">{t("room.results.title")}</h2>
      {[...results].reverse().map((one) => <Sheet key={one.id} result={one} />)}
    </section>
  );
}

function Sheet({ result }: { result: Result }) {
  const snapshot = useSnapshot();
  const counts: [Choice, number][] = [["for", result.votes_for], ["against", result.votes_against], ["abstain", result.votes_abstain]];
  const total = Math.max(1, result.votes_for + result.votes_against + result.votes_abstain);
  return (
    <article class="card result" data-testid="result" data-resolution={result.resolution} data-state={result.adopted ? "adopted" : "rejected"}>
      <header>
        <h3>{t("room.decision.number", { number: result.number })}</h3>
        <span class={`badge ${result.adopted ? "good" : "bad"}`}>{t(result.adopted ? "room.results.adopted" : "room.results.rejected")}</span>
      </header>
      <div class="body stack tight">
        <p class="prose wording">{result.wording}</p>
        <p class="small quiet">{t("room.results.need", { need: result.majority_need, time: clock(result.closed_at) })}</p>
        <dl class="tally">
          {counts.map(([choice, count]) => (
            <div key={choice}>
              <dt>{t(`room.choice.${choice}`)}</dt>
              <dd>
                <strong class="number" data-testid={`count-${choice}`}>{count}</strong>
                <meter class="tally-bar" min={0} max={total} value={count} aria-hidden="true" />
                <span class="small">{result.votes.filter((one) => one.choice === choice).map((one) => nameAt(snapshot, one.seat)).join(", ")}</span>
              </dd>
            </div>
          ))}
        </dl>
      </div>
    </article>
  );
}
