// Ctrl-K: people, cases, consilia and places by a few letters. The server finds only what the person may see.
import { t } from "./texts";

interface Found {
  readonly title: string;
  readonly note: string;
  readonly href: string;
}

let timer: ReturnType<typeof setTimeout> | undefined;
let chosen = 0;

export function openFinder(): void {
  const dialog = document.getElementById("find-dialog") as HTMLDialogElement | null;
  const input = document.getElementById("find-input") as HTMLInputElement | null;
  if (!dialog || !input || dialog.open) return;
  input.value = "";
  input.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void find(input), 150);
  };
  input.onkeydown = (event) => keys(event, input);
  dialog.showModal();
  input.focus();
  void find(input);
}

async function find(input: HTMLInputElement): Promise<void> {
  const answer = await fetch(`/api/find?words=${encodeURIComponent(input.value)}`).catch(() => null);
  const body = answer?.ok ? ((await answer.json()) as { found: Found[] }) : { found: [] };
  show(body.found, input);
}

function show(found: Found[], input: HTMLInputElement): void {
  const list = document.getElementById("find-list");
  if (!list) return;
  list.replaceChildren(...found.map(row));
  if (found.length === 0) {
    const none = document.createElement("li");
    none.className = "quiet";
    none.textContent = t("nothing_found");
    list.append(none);
  }
  choose(0, input);
}

function row(one: Found, at: number): HTMLLIElement {
  const item = document.createElement("li");
  item.id = `found-${at}`;
  item.setAttribute("role", "option");
  const link = document.createElement("a");
  link.className = "title";
  link.href = one.href;
  link.tabIndex = -1;
  link.textContent = one.title;
  const note = document.createElement("span");
  note.className = "quiet small";
  note.textContent = ` ${one.note}`;
  item.append(link, note);
  return item;
}

function choose(at: number, input: HTMLInputElement): void {
  const rows = [...document.querySelectorAll("#find-list [role=option]")];
  chosen = Math.max(0, Math.min(at, rows.length - 1));
  rows.forEach((one, index) => one.setAttribute("aria-selected", String(index === chosen)));
  if (rows[chosen]) input.setAttribute("aria-activedescendant", `found-${chosen}`);
  rows[chosen]?.scrollIntoView({ block: "nearest" });
}

function keys(event: KeyboardEvent, input: HTMLInputElement): void {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    choose(chosen + (event.key === "ArrowDown" ? 1 : -1), input);
  } else if (event.key === "Enter") {
    event.preventDefault();
    document.querySelector<HTMLAnchorElement>(`#found-${chosen} a`)?.click();
  }
}
