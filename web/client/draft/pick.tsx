// A field that suggests rows of a national dictionary (AD-03): the ARIA combobox with a list, for what Preact draws.
// Where the dictionary is not installed it offers `options`, and stays the text field it is.
import { useRef, useState } from "preact/hooks";
import { t } from "../live/words";
import type { Choice } from "./outcome";

interface Props {
  id: string;
  label: string;
  hint?: string;
  dictionary: string;
  value: string;
  /** Shown beside the words: the code they were picked with. */
  code?: string;
  options?: readonly Choice[];
  invalid?: boolean;
  max?: number;
  onType: (text: string) => void;
  onPick: (row: Choice) => void;
}

interface Answer {
  readonly installed: boolean;
  readonly rows: readonly Choice[];
}

const QUIET = 150;
const MOST = 12;

export function Pick({ id, label, hint, dictionary, value, code = "", options = [], invalid = false, max = 1_000, onType, onPick }: Props) {
  const list = `${id}-list`; // not useId: two roots on one page count alike
  const [rows, setRows] = useState<readonly Choice[]>([]);
  const [at, setAt] = useState(-1);
  const asked = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const open = rows.length > 0;
  const close = (): void => {
    clearTimeout(timer.current);
    asked.current += 1; // what is on its way comes too late
    setRows([]);
    setAt(-1);
  };
  /** Only the newest question's answer counts. */
  const ask = async (words: string): Promise<void> => {
    const mine = (asked.current += 1);
    const answer = await fetch(`/api/nsi/${dictionary}?q=${encodeURIComponent(words)}&limit=${MOST}`, { credentials: "same-origin" }).catch(() => null);
    const found = answer?.ok ? ((await answer.json()) as Answer) : { installed: false, rows: [] };
    if (mine !== asked.current) return;
    const said = words.trim().toLowerCase();
    setRows(found.installed ? found.rows : options.filter((one) => one.name.toLowerCase().includes(said)));
    setAt(-1);
  };
  const choose = (row: Choice | undefined): void => {
    close();
    if (row) onPick(row);
  };
  const key = (event: KeyboardEvent & { currentTarget: HTMLInputElement }): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const by = event.key === "ArrowDown" ? 1 : -1;
      if (!open) void ask(event.currentTarget.value);
      else setAt((at + by + rows.length + (at < 0 && by < 0 ? 1 : 0)) % rows.length);
    } else if (event.key === "Enter" && open && at >= 0) {
      event.preventDefault();
      choose(rows[at]);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };
  return (
    <div>
      <label for={id}>{label}</label>
      <div class="picker">
        <input id={id} type="text" role="combobox" autocomplete="off" aria-autocomplete="list" aria-expanded={open} aria-controls={list}
          aria-activedescendant={open && at >= 0 ? `${list}-${at}` : undefined} aria-invalid={invalid || undefined}
          aria-describedby={hint ? `${id}-hint` : undefined} maxLength={max} value={value} onKeyDown={key} onBlur={close}
          onClick={(event) => { if (!open) void ask(event.currentTarget.value); }}
          onInput={(event) => {
            const words = event.currentTarget.value;
            onType(words);
            clearTimeout(timer.current);
            timer.current = setTimeout(() => void ask(words), QUIET);
          }} />
        <span class="picker-code" aria-hidden="true" hidden={!code}>{code}</span>
        {/* Before the blur, so that the field keeps the focus while its list is pressed. */}
        <ul id={list} role="listbox" aria-label={label} hidden={!open} onMouseDown={(event) => event.preventDefault()}>
          {rows.map((row, number) => (
            <li key={row.code} id={`${list}-${number}`} role="option" aria-selected={number === at} onClick={() => choose(row)}
              ref={(element) => { if (element && number === at) element.scrollIntoView({ block: "nearest" }); }}>
              {row.name} <span class="quiet small number">{row.code}</span>
            </li>
          ))}
        </ul>
        <span class="off-screen" role="status">{open ? t("client.outcome.found", { count: rows.length }) : ""}</span>
      </div>
      {hint && <span class="small quiet" id={`${id}-hint`}>{hint}</span>}
    </div>
  );
}
