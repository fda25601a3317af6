// The published list of keys, and the finder: people, cases and actions by a few letters.
import { useEffect, useRef, useState } from "preact/hooks";
import { command } from "../live/ask";
import { language, speak, t, type Language } from "../live/words";
import type { Snapshot } from "../live/wire";
import { useRoom, useSnapshot } from "./context";
import { SHORTCUTS, singleKeys, switchSingleKeys } from "./keys";
import type { Room } from "./room";
import { leads, may } from "./select";

export function Help() {
  const room = useRoom();
  return room.help.value ? <Keys /> : null;
}

function Keys() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="wide" aria-labelledby="keys-title" data-testid="keys" onClose={() => { room.help.value = false; }}>
      <div class="body">
        <h2 id="keys-title">{t("room.keys.title")}</h2>
        <dl class="facts keys">
          {SHORTCUTS.filter((one) => one.can(snapshot)).map((one) => (
            <div key={one.id}><dt><kbd>{one.shown}</kbd></dt><dd>{t(`room.key.${one.id}`)}</dd></div>
          ))}
          <div><dt><kbd>Shift 1–5</kbd></dt><dd>{t("room.key.own_view")}</dd></div>
          <div><dt><kbd>Ctrl K</kbd></dt><dd>{t("room.key.find")}</dd></div>
          <div><dt><kbd>?</kbd></dt><dd>{t("room.key.help")}</dd></div>
        </dl>
        <label class="choice">
          <input type="checkbox" checked={singleKeys.value} onChange={(event) => switchSingleKeys(event.currentTarget.checked)} />
          {t("room.keys.single")}
        </label>
        <div class="actions"><button type="button" class="primary" onClick={() => dialog.current?.close()}>{t("room.close")}</button></div>
      </div>
    </dialog>
  );
}

interface Found {
  id: string;
  label: string;
  hint: string;
  run: () => void;
}

/** Everything the finder knows, in the order in which it is offered. */
function offers(room: Room, snapshot: Snapshot): Found[] {
  const actions = SHORTCUTS.filter((one) => one.can(snapshot)).map((one): Found => ({
    id: `key-${one.id}`, label: t(`room.key.${one.id}`), hint: one.shown, run: () => one.run(room, snapshot),
  }));
  const documents = (snapshot.case?.documents ?? []).map((one): Found => ({
    id: `document-${one.id}`, label: one.title, hint: t("room.document"), run: () => {
      void room.look("images", true).then(() => room.viewer.open(one.id, leads(snapshot)));
    },
  }));
  const cases = snapshot.agenda.filter((item) => item.case_number).map((item): Found => ({
    id: `case-${item.item}`, label: `${item.case_number} ${item.patient}`, hint: t(`item.${item.status}`), run: () => {
      if (may(snapshot, "agenda") && item.status === "waiting") void room.act("agenda.open", { item: item.item });
      else room.side.value = "agenda";
    },
  }));
  const people = snapshot.people.map((one): Found => ({
    id: `person-${one.seat}`, label: one.name, hint: t(`role.${one.role}`), run: () => {
      room.side.value = "people";
      room.sideOpen.value = true;
      requestAnimationFrame(() => document.querySelector(`[data-testid=person][data-seat="${one.seat}"]`)?.scrollIntoView());
    },
  }));
  const other: Language = language.value === "ru" ? "en" : "ru";
  const settings: Found = { id: "language", label: other === "en" ? "English" : "По-русски", hint: t("room.language"), run: () => {
    document.documentElement.lang = other;
    void speak(other).then(() => command("settings.change", { language: other })).catch((error) => room.refuse(error));
  } };
  return [...actions, ...documents, ...cases, ...people, settings];
}

export function Palette() {
  const room = useRoom();
  return room.palette.value ? <Finder /> : null;
}

function Finder() {
  const room = useRoom();
  const snapshot = useSnapshot();
  const dialog = useRef<HTMLDialogElement>(null);
  const [words, setWords] = useState("");
  const [chosen, setChosen] = useState(0);
  useEffect(() => dialog.current?.showModal(), []);
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = offers(room, snapshot).filter((one) => wanted.every((word) => one.label.toLowerCase().includes(word))).slice(0, 12);
  const at = Math.min(chosen, found.length - 1);
  const run = (one: Found | undefined): void => {
    dialog.current?.close();
    one?.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") setChosen((at + 1) % found.length);
    else if (event.key === "ArrowUp") setChosen((at - 1 + found.length) % found.length);
    else if (event.key === "Enter") run(found[at]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog ref={dialog} aria-label={t("room.key.find")} data-testid="palette" onClose={() => { room.palette.value = false; }}>
      <div class="body">
        <input role="combobox" aria-expanded="true" aria-controls="found" aria-label={t("room.key.find")} autofocus value={words}
          aria-activedescendant={found[at] ? `found-${found[at].id}` : undefined} placeholder={t("room.find_placeholder")}
          onInput={(event) => { setWords(event.currentTarget.value); setChosen(0); }} onKeyDown={onKeyDown} />
        <ul id="found" class="plain found" role="listbox" aria-label={t("room.key.find")}>
          {found.map((one, index) => (
            <li key={one.id} id={`found-${one.id}`} role="option" aria-selected={index === at} onClick={() => run(one)}>
              <span>{one.label}</span><span class="quiet small">{one.hint}</span>
            </li>
          ))}
        </ul>
        {found.length === 0 && <p class="quiet">{t("room.nothing_found")}</p>}
      </div>
    </dialog>
  );
}
