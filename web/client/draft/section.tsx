// One section of the protocol: a labelled text field bound to a shared text, the caret kept when others type.
import { useEffect, useRef } from "preact/hooks";
import { t } from "../live/words";
import { change, moved } from "./binding";
import type { Draft } from "./draft";

interface Props {
  draft: Draft;
  section: string;
  readOnly: boolean;
  missing: boolean;
}

export function Section({ draft, section, readOnly, missing }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const composing = useRef(false);
  useEffect(() => {
    const text = draft.text(section);
    const element = area.current;
    if (!element) return undefined;
    element.value = text.toString();
    const observe = (event: { delta: unknown; transaction: { local: boolean } }): void => {
      if (event.transaction.local || composing.current) return;
      const delta = event.delta as Parameters<typeof moved>[1];
      const { selectionStart, selectionEnd, scrollTop } = element;
      element.value = text.toString();
      if (document.activeElement !== element) return;
      element.setSelectionRange(moved(selectionStart, delta), moved(selectionEnd, delta));
      element.scrollTop = scrollTop;
    };
    text.observe(observe);
    return () => text.unobserve(observe);
  }, [draft, section]);

  // Who came by a finding's link from the protocol's page is brought to the field it means, once.
  useEffect(() => {
    if (location.hash !== `#section-${section}`) return;
    history.replaceState(null, "", location.pathname + location.search);
    area.current?.scrollIntoView({ block: "center" });
    area.current?.focus();
  }, [section]);

  const typed = (): void => {
    const element = area.current;
    if (!element || readOnly || composing.current) return;
    const text = draft.text(section);
    const done = change(text.toString(), element.value, element.selectionEnd);
    if (!done) return;
    draft.document.transact(() => {
      if (done.remove) text.delete(done.at, done.remove);
      if (done.insert) text.insert(done.at, done.insert);
    });
  };
  return (
    <div class="protocol-section" data-testid="section" data-section={section} data-state={missing ? "missing" : "ok"}>
      <label for={`section-${section}`}>{t(`room.section.${section}`)}</label>
      <textarea ref={area} id={`section-${section}`} data-testid={`section-${section}`} rows={4} maxLength={40_000} readOnly={readOnly}
        aria-invalid={missing} aria-describedby={missing ? `missing-${section}` : undefined} spellcheck
        onInput={typed}
        onCompositionStart={() => { composing.current = true; }}
        onCompositionEnd={() => { composing.current = false; typed(); }} />
      {missing && <p class="error" id={`missing-${section}`}>{t("room.section.missing")}</p>}
    </div>
  );
}
