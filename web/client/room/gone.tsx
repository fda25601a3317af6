// The end: left, let out, closed, or not allowed in; and where to go from here.
import { has, t } from "../live/words";
import { useRoom } from "./context";

const RETURN = new Set(["left", "room_gone"]);

export function Gone({ code, message }: { code: string; message: string }) {
  const room = useRoom();
  const reason = code === "room_gone" ? message : code;
  const known = has(`room.gone.${reason}.title`) ? reason : "other";
  const back = RETURN.has(code) && reason !== "closed" && reason !== "denied";
  const why = room.snapshot.value?.me.denied_reason;
  const signIn = code === "not_signed_in" || code === "session_expired";
  return (
    <main class="waiting-room" id="stage" tabIndex={-1} data-testid="gone" data-state={reason}>
      <div class="card">
        <div class="body stack" role="status">
          <h1>{t(`room.gone.${known}.title`)}</h1>
          <p>{t(`room.gone.${known}.text`)}</p>
          {reason === "denied" && why && <p data-testid="denied-reason">{t("room.waiting.denied.text", { reason: why })}</p>}
          {known === "other" && <p class="small quiet">{message} <code>{code}</code></p>}
          <div class="actions">
            {back && <a class="button primary" href={location.pathname} data-testid="come-back">{t("room.come_back")}</a>}
            {signIn
              ? <a class="button primary" href={`/sign-in?next=${encodeURIComponent(location.pathname)}`}>{t("room.sign_in")}</a>
              : <a class="button" href={`/consilia/${room.consilium}`}>{t("room.to_consilium")}</a>}
            <a class="button" href="/">{t("room.to_day")}</a>
          </div>
        </div>
      </div>
    </main>
  );
}
