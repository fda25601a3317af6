// Words beside the talk. Nothing typed is lost while the connection is away: it is sent once it is back.
import { useEffect, useRef, useState } from "preact/hooks";
import { clock, t } from "../live/words";
import { useRoom, useSnapshot } from "./context";
import { may, nameAt } from "./select";
import { typed } from "./typed";

export function Chat() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const text = typed("chat");
  const [sending, setSending] = useState(false);
  const end = useRef<HTMLLIElement>(null);
  useEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [snapshot.chat.length]);
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const said = text.value.trim();
    if (!said || sending) return;
    setSending(true);
    if (await room.act("chat.send", { text: said })) text.value = "";
    setSending(false);
  };
  return (
    <div class="chat">
      <ul class="plain" aria-label={t("room.tab.chat")} data-testid="chat-list">
        {snapshot.chat.map((message) => (
          <li key={message.id} data-testid="chat-message" data-seat={message.seat}>
            <div class="small"><strong>{nameAt(snapshot, message.seat)}</strong> <time class="quiet number" dateTime={message.at}>{clock(message.at)}</time></div>
            <p class="prose">{message.text}</p>
          </li>
        ))}
        <li ref={end} aria-hidden="true" />
      </ul>
      {snapshot.chat.length === 0 && <p class="quiet small">{t("room.chat_empty")}</p>}
      {may(snapshot, "chat") && (
        <form onSubmit={(event) => void send(event)} class="chat-form">
          <label for="chat-text" class="off-screen">{t("room.chat_label")}</label>
          <input id="chat-text" data-testid="chat-input" value={text.value} maxLength={2000} autocomplete="off" placeholder={t("room.chat_label")}
            onInput={(event) => { text.value = event.currentTarget.value; }} />
          <button type="submit" aria-busy={sending} data-testid="chat-send">{t("room.send")}</button>
        </form>
      )}
    </div>
  );
}
