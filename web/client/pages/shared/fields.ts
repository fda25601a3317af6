// Reads a form into the fields of a command. `name="fields.surname"` nests, `name="seats[]"` collects,
// `data-type` says what a value is: integer, boolean, nullable, optional, lines, instant.
import { pageData } from "./texts";
import type { Fields } from "./send";

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const LEAVE_OUT = Symbol("leave out");

export function fieldsOf(form: HTMLFormElement): Fields {
  const found: Fields = {};
  for (const one of form.elements) {
    const control = one as Control;
    if (!control.name || control.disabled || "ignore" in control.dataset) continue;
    if (control instanceof HTMLInputElement && skipped(control)) continue;
    const value = valueOf(control);
    if (value !== LEAVE_OUT) put(found, control.name, value);
  }
  return found;
}

export function valueOf(control: Control): unknown {
  const text = control.value.trim();
  switch (control.dataset.type) {
    case "integer":
      return text === "" ? LEAVE_OUT : Number(text);
    case "boolean":
      return (control as HTMLInputElement).checked;
    case "nullable":
      return text === "" ? null : text;
    case "optional":
      return text === "" ? LEAVE_OUT : text;
    case "lines":
      return text.split(/\n+/).map((line) => line.trim()).filter(Boolean);
    case "instant":
      return text === "" ? LEAVE_OUT : `${text.length === 16 ? `${text}:00` : text}${pageData.offset}`;
    case "digits":
      return text.replace(/\D+/g, "");
    default:
      return control instanceof HTMLInputElement && control.type === "password" ? control.value : text;
  }
}

/** Unchecked radios and plain checkboxes say nothing. */
function skipped(control: HTMLInputElement): boolean {
  if (control.dataset.type === "boolean") return false;
  return (control.type === "radio" || control.type === "checkbox") && !control.checked;
}

function put(into: Fields, name: string, value: unknown): void {
  if (name.endsWith("[]")) {
    const list = (into[name.slice(0, -2)] ??= []) as unknown[];
    list.push(value);
    return;
  }
  const dot = name.indexOf(".");
  if (dot < 0) into[name] = value;
  else put((into[name.slice(0, dot)] ??= {}) as Fields, name.slice(dot + 1), value);
}
