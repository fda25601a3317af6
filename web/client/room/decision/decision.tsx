// The stage of a vote: resolutions worded live, the ballot sheet, results by name, the dissenting opinion.
import { t } from "../../live/words";
import { useRoom, useSnapshot } from "../context";
import { may } from "../select";
import { BallotSheet } from "./ballot";
import { DissentEditor } from "./dissent";
import { Propose, ResolutionCard } from "./resolutions";
import { Results } from "./results";

export function Decision() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const { decision } = snapshot;
  if (!decision.item) return <p class="empty">{t("room.decision.no_case")}</p>;
  const open = decision.resolutions.filter((one) => one.status === "draft");
  return (
    <div class="decision stack" data-testid="decision">
      {decision.ballot && <BallotSheet ballot={decision.ballot} />}
      {open.length > 0 && (
        <section class="stack tight" aria-labelledby="drafts-title">
          <h2 id="drafts-title">{t("room.decision.drafts")}</h2>
          {open.map((one) => <ResolutionCard key={one.id} resolution={one} />)}
        </section>
      )}
      {may(snapshot, "propose") && !decision.ballot && decision.results.length === 0 && <Propose item={decision.item} />}
      {open.length === 0 && !decision.ballot && decision.results.length === 0 && !may(snapshot, "propose") && (
        <p class="empty">{t("room.decision.none")}</p>
      )}
      {decision.results.length > 0 && <Results results={decision.results} />}
      {may(snapshot, "propose") && !decision.ballot && decision.results.length > 0 && <Propose item={decision.item} />}
      <DissentEditor key={decision.item} item={decision.item} room={room} />
    </div>
  );
}
