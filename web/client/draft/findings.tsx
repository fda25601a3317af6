// The list beside a draft: what stands in the way of freezing it, each with a way to the field that causes it.
import { useId } from "preact/hooks";
import { t } from "../live/words";
import type { Checking, Finding } from "./checking";

const TONES = { error: "bad", warning: "warn", info: "" } as const;

interface Props {
  checking: Checking;
  /** In the room links open beside it: nobody leaves a meeting by a click. */
  beside?: boolean;
}

export function Findings({ checking, beside = false }: Props) {
  const title = useId();
  const found = checking.result.value;
  const errors = found?.findings.filter((one) => one.severity === "error").length ?? 0;
  const partly = found !== null && found.unchecked.length > 0;
  const tone = !found ? "" : errors ? "bad" : partly ? "warn" : "good";
  return (
    <section class="findings" aria-labelledby={title} data-testid="findings" data-state={checking.state.value} data-errors={errors}>
      <header>
        <h2 id={title}>{t("client.findings.title")}</h2>
        {found?.checked && <span class={`badge ${tone}`}>{errors || t(partly ? "client.findings.partly" : "client.findings.holds")}</span>}
        {checking.state.value !== "checked" && <span class="small quiet" aria-hidden="true">{t(`client.findings.${checking.state.value}`)}</span>}
      </header>
      {/* Heard only when the outcome changes, not at every keystroke. */}
      <p class="off-screen" role="status">{found?.checked ? outcome(errors, partly) : ""}</p>
      {found?.checked && found.findings.length === 0 && <p class="small quiet">{t("client.findings.none", { rules: found.rules_fired })}</p>}
      {found && found.findings.length > 0 && (
        <ul class="plain">
          {found.findings.map((one, at) => <Line key={`${one.code}:${one.rule}:${one.path}:${at}`} one={one} beside={beside} />)}
        </ul>
      )}
    </section>
  );
}

function outcome(errors: number, partly: boolean): string {
  if (errors) return t("client.findings.count", { count: errors });
  return t(partly ? "client.findings.partly.long" : "client.findings.holds.long");
}

function Line({ one, beside }: { one: Finding; beside: boolean }) {
  return (
    <li class={`finding ${TONES[one.severity]}`} data-field={one.field} data-severity={one.severity}>
      <span class="off-screen">{t(`client.findings.${one.severity}`)}</span>
      <Way one={one} beside={beside} />
      {one.official && (
        <details>
          <summary class="small quiet">{t("client.findings.official", { rule: one.rule })}</summary>
          <p class="small" lang="ru">{one.official}</p>
          {one.path && <p class="small quiet"><code>{one.path}</code></p>}
        </details>
      )}
    </li>
  );
}

/** To the section on this very page where there is one, else to the page where the thing is kept. */
function Way({ one, beside }: { one: Finding; beside: boolean }) {
  const here = `section-${one.field}`;
  const focus = (event: Event): void => {
    const field = document.getElementById(here);
    if (!field) return;
    event.preventDefault();
    const control = field.matches("form") ? field.querySelector<HTMLElement>("textarea") : field;
    field.scrollIntoView({ block: "center" });
    control?.focus();
  };
  if (!one.href) return <span>{one.text}</span>;
  return (
    <a href={one.href} onClick={focus} {...(beside ? { target: "_blank", rel: "noopener" } : {})}>{one.text}</a>
  );
}
