// A field that suggests rows of a national dictionary (AD-03): the ARIA combobox with a list.
//
//   <input name="fields.region_name" data-picker="99.2.206" data-code="fields.region_code">
//
// The input keeps the words, the control named by `data-code` the code: a hidden one (made here when the form has
// none) loses it as soon as other words are typed; a visible one belongs to the person and is only filled in. Where
// the dictionary is not installed, or without scripts, it stays the text field it is.
import { t } from "./texts";

interface Row {
  readonly code: string;
  readonly name: string;
}

interface Answer {
  readonly installed: boolean;
  readonly rows: readonly Row[];
}

const QUIET = 150;
const MOST = 12;
let made = 0;

class Picker {
  private readonly list = document.createElement("ul");
  private readonly said = document.createElement("span");
  private readonly shown = document.createElement("span");
  private rows: readonly Row[] = [];
  private at = -1;
  private asked = 0;
  private choosing = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly input: HTMLInputElement) {
    this.build();
    input.addEventListener("input", () => !this.choosing && this.typed());
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.close());
    input.addEventListener("click", () => this.rows.length === 0 && this.ask());
    // Before the blur, so that the field keeps the focus while its list is pressed.
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = (event.target as Element).closest<HTMLElement>("[role=option]");
      if (option) this.choose(Number(option.dataset.at));
    });
    this.tell();
  }

  private build(): void {
    const { input, list, said, shown } = this;
    const wrapper = document.createElement("div");
    wrapper.className = "picker";
    list.id = `picker-${(made += 1)}`;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", this.label());
    list.hidden = true;
    said.className = "off-screen";
    said.setAttribute("role", "status");
    shown.className = "picker-code";
    shown.setAttribute("aria-hidden", "true");
    input.replaceWith(wrapper);
    wrapper.append(input, shown, list, said);
    const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
    for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
    input.autocomplete = "off";
  }

  private label(): string {
    return this.input.labels?.[0]?.textContent?.replace("*", "").trim() ?? "";
  }

  /** The control that holds the code, in the same form. */
  private get code(): HTMLInputElement | null {
    const name = this.input.dataset.code;
    if (!name || !this.input.form) return null;
    const there = this.input.form.querySelector<HTMLInputElement>(`input[name="${CSS.escape(name)}"]`);
    if (there) return there;
    const hidden = document.createElement("input");
    hidden.type = "hidden";
    hidden.name = name;
    this.input.parentElement?.append(hidden);
    return hidden;
  }

  private typed(): void {
    if (this.code?.type === "hidden") this.code.value = "";
    this.tell();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), QUIET);
  }

  /** Only the newest question's answer counts. */
  private async ask(): Promise<void> {
    const mine = (this.asked += 1);
    const words = encodeURIComponent(this.input.value);
    const address = `/api/nsi/${this.input.dataset.picker ?? ""}?q=${words}&limit=${MOST}`;
    const answer = await fetch(address, { credentials: "same-origin" }).catch(() => null);
    if (mine !== this.asked || !answer?.ok) return;
    const found = (await answer.json()) as Answer;
    if (mine !== this.asked || document.activeElement !== this.input) return;
    this.show(found);
  }

  private show(found: Answer): void {
    this.rows = found.rows;
    this.at = -1;
    this.list.replaceChildren(...found.rows.map((one, at) => this.option(one, at)));
    const open = found.rows.length > 0;
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    this.input.removeAttribute("aria-activedescendant");
    if (!found.installed) return;
    this.said.textContent = open ? t("picker.found", { count: found.rows.length }) : t("picker.none");
    const same = found.rows.find((one) => one.name.toLowerCase() === this.input.value.trim().toLowerCase());
    if (same) this.keep(same);
  }

  private option(one: Row, at: number): HTMLLIElement {
    const option = document.createElement("li");
    option.id = `${this.list.id}-${at}`;
    option.dataset.at = String(at);
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    const code = document.createElement("span");
    code.className = "quiet small number";
    code.textContent = one.code;
    option.append(one.name, " ", code);
    return option;
  }

  private key(event: KeyboardEvent): void {
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (open) this.move(event.key === "ArrowDown" ? 1 : -1);
      else void this.ask();
    } else if (event.key === "Enter" && open && this.at >= 0) {
      event.preventDefault();
      this.choose(this.at);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }
  }

  private move(by: number): void {
    const options = [...this.list.children];
    options[this.at]?.setAttribute("aria-selected", "false");
    this.at = (this.at + by + options.length + (this.at < 0 && by < 0 ? 1 : 0)) % options.length;
    const now = options[this.at];
    if (!now) return;
    now.setAttribute("aria-selected", "true");
    now.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", now.id);
  }

  private choose(at: number): void {
    const one = this.rows[at];
    if (!one) return;
    this.input.value = one.name;
    this.keep(one);
    this.close();
    this.said.textContent = t("picker.chosen", { name: one.name, code: one.code });
    // The form that saves itself hears it like typing.
    this.choosing = true;
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    this.choosing = false;
  }

  private keep(one: Row): void {
    if (this.code && this.code.value !== one.code) {
      this.code.value = one.code;
      this.code.dispatchEvent(new Event("input", { bubbles: true }));
    }
    this.tell();
  }

  /** The code beside the words, so that one sees whether the dictionary knows them. */
  private tell(): void {
    const hidden = this.code?.type === "hidden" ? this.code.value : "";
    this.shown.textContent = hidden;
    this.shown.hidden = hidden === "";
  }

  private close(): void {
    clearTimeout(this.timer);
    this.asked += 1; // what is on its way comes too late
    this.rows = [];
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}

/** Every `[data-picker]` of the page; those that come later are met at their first focus. */
export function preparePickers(): void {
  for (const one of document.querySelectorAll<HTMLInputElement>("input[data-picker]:not([role])")) new Picker(one);
  document.addEventListener("focusin", (event) => {
    const target = event.target as HTMLElement;
    if (!target.matches("input[data-picker]:not([role])")) return;
    new Picker(target as HTMLInputElement);
    target.focus();
  });
}
