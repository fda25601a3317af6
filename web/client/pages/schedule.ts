// Planning a consilium: seats by role, the rules of the kind ticked off as they are met, the quorum forecast.
import { send, clearError, showError, type Fields } from "./shared/send";
import { pageData, t } from "./shared/texts";

interface KindRules {
  readonly minimum: number;
  readonly required: string[];
  readonly allowed: string[];
  readonly single: string[];
  readonly counted: string[];
  readonly quorum: { readonly numerator: number; readonly denominator: number; readonly floor: number; readonly strict: boolean };
  readonly needs_body: boolean;
}

interface Member {
  readonly person: string;
  readonly role: string;
  readonly deputises_for: string | null;
}

interface Plan {
  readonly kinds: Record<string, KindRules>;
  readonly kind: string;
  readonly bodies: { readonly id: string; readonly members: Member[] }[];
  readonly cases: { readonly id: string; readonly author_id: string }[];
  readonly seats: { readonly person: string; readonly role: string; readonly items: readonly number[] }[];
  readonly change: { readonly id: string; readonly revision: number } | null;
}

const plan = JSON.parse(document.getElementById("plan-data")?.textContent ?? "{}") as Plan;
const form = document.getElementById("plan") as HTMLFormElement;
const list = document.getElementById("seats") as HTMLUListElement;
const row = document.getElementById("seat-row") as HTMLTemplateElement;

function kind(): string {
  return form.querySelector<HTMLInputElement>("[name=kind]:checked")?.value ?? plan.kind;
}

function rules(): KindRules {
  const found = plan.kinds[kind()];
  if (!found) throw new Error("unknown kind");
  return found;
}

interface Seat {
  readonly person: string;
  readonly role: string;
}

function seats(): Seat[] {
  return [...list.children]
    .map((one) => ({
      person: one.querySelector<HTMLSelectElement>("[data-person]")?.value ?? "",
      role: one.querySelector<HTMLSelectElement>("[data-role]")?.value ?? "",
    }))
    .filter((one) => one.person);
}

function addSeat(person = "", role = "", focus = false): void {
  const one = row.content.firstElementChild?.cloneNode(true) as HTMLElement;
  const who = one.querySelector<HTMLSelectElement>("[data-person]");
  const as = one.querySelector<HTMLSelectElement>("[data-role]");
  if (!who || !as) return;
  for (const [control, label] of [[who, 0], [as, 1]] as const) {
    control.id = crypto.randomUUID();
    one.querySelectorAll("label")[label]?.setAttribute("for", control.id);
  }
  who.value = person;
  list.append(one);
  allowRoles(one);
  if (role) as.value = role;
  as.addEventListener("change", look);
  who.addEventListener("change", look);
  one.querySelector("[data-remove]")?.addEventListener("click", () => {
    one.remove();
    look();
    form.querySelector<HTMLElement>("[data-add-seat]")?.focus();
  });
  if (focus) who.focus();
}

function allowRoles(one: Element): void {
  const as = one.querySelector<HTMLSelectElement>("[data-role]");
  if (!as) return;
  const allowed = rules().allowed;
  for (const option of as.options) option.hidden = option.disabled = !allowed.includes(option.value);
  if (!allowed.includes(as.value)) as.value = allowed.find((code) => code === "member") ?? allowed[0] ?? "";
}

/** Puts empty rows for the roles the kind demands, so that the first look already shows what is needed. */
function startRows(): void {
  list.replaceChildren();
  for (const role of rules().required.filter((code) => code !== "attending")) addSeat("", role);
  for (let at = 0; at < Math.max(0, rules().minimum - list.children.length); at += 1) addSeat("", "member");
}

/** A commission's present members, substitutes left out while their principals sit; the server checks the day. */
function fillFromBody(): void {
  const body = plan.bodies.find((one) => one.id === form.querySelector<HTMLSelectElement>("#body")?.value);
  if (!body) return;
  list.replaceChildren();
  for (const one of body.members.filter((each) => !each.deputises_for)) addSeat(one.person, one.role);
  look();
}

function chosenCases(): string[] {
  return [...form.querySelectorAll<HTMLInputElement>('[name="cases[]"]:checked')].map((one) => one.value);
}

/** Doctors who asked are seated by the server; they count here too. */
function withAuthors(): Seat[] {
  const found = seats();
  const authors = plan.cases.filter((one) => chosenCases().includes(one.id)).map((one) => one.author_id);
  const missing = [...new Set(authors)].filter((id) => !found.some((one) => one.person === id));
  return [...found, ...missing.map((person) => ({ person, role: "attending" }))];
}

function need(total: number): number {
  const { numerator, denominator, floor, strict } = rules().quorum;
  const whole = total * numerator;
  const share = strict ? Math.floor(whole / denominator) + 1 : Math.ceil(whole / denominator);
  return Math.max(floor, share);
}

const CHECKS: Record<string, (all: Seat[]) => boolean> = {
  required: (all) => rules().required.every((role) => all.some((one) => one.role === role)),
  minimum: (all) => counted(all) >= rules().minimum,
  single: (all) => rules().single.every((role) => all.filter((one) => one.role === role).length <= 1),
  body: () => !rules().needs_body || Boolean(form.querySelector<HTMLSelectElement>("#body")?.value),
  cases: () => plan.change !== null || chosenCases().length > 0,
  one_case: () => plan.change !== null || chosenCases().length === 1,
};

function counted(all: Seat[]): number {
  return all.filter((one) => rules().counted.includes(one.role)).length;
}

function look(): void {
  const all = withAuthors();
  for (const one of document.querySelectorAll<HTMLElement>("[data-rules]")) one.hidden = one.dataset.rules !== kind();
  for (const one of document.querySelectorAll<HTMLElement>(`[data-rules="${kind()}"] [data-check]`)) {
    const done = CHECKS[one.dataset.check ?? ""]?.(all) ?? false;
    one.classList.toggle("done", done);
    one.classList.toggle("missing", !done);
  }
  const total = counted(all);
  const forecast = document.getElementById("forecast");
  if (forecast) forecast.textContent = total ? t("forecast", { need: need(total), total }) : "";
  document.querySelector("[data-body]")?.toggleAttribute("hidden", !rules().needs_body);
  for (const one of list.children) {
    const does = one.querySelector("[data-does]");
    const role = one.querySelector<HTMLSelectElement>("[data-role]")?.value ?? "";
    if (does) does.textContent = t(`does.${role}`);
  }
}

function fields(): Fields {
  const chosen = seats();
  if (plan.change) {
    const known = new Map(plan.seats.map((one) => [one.person, one.items]));
    const kept = chosen.map((one) => ({ ...one, items: known.get(one.person) ?? [] }));
    return { consilium: plan.change.id, revision: plan.change.revision, seats: kept };
  }
  const value = (id: string): string => form.querySelector<HTMLInputElement | HTMLSelectElement>(id)?.value ?? "";
  return {
    kind: kind(),
    organisation: value("#organisation"),
    scheduled_at: value("#when") ? `${value("#when")}:00${pageData.offset}` : "",
    duration_minutes: Number(value("#minutes")),
    cases: chosenCases(),
    seats: chosen,
    body: rules().needs_body ? value("#body") || null : null,
  };
}

let wanted = crypto.randomUUID();

async function submit(): Promise<void> {
  const button = form.querySelector("[type=submit]");
  if (button?.getAttribute("aria-busy") === "true") return;
  clearError(form);
  button?.setAttribute("aria-busy", "true");
  try {
    const name = plan.change ? "consilium.seats" : "consilium.schedule";
    const result = await send<{ consilium?: string }>(name, fields(), wanted);
    location.assign(`/consilia/${plan.change?.id ?? result.consilium ?? ""}`);
  } catch (error) {
    wanted = crypto.randomUUID();
    showError(form, error);
    button?.removeAttribute("aria-busy");
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void submit();
});
form.addEventListener("change", (event) => {
  const target = event.target as HTMLInputElement;
  if (target.name === "kind") {
    if (seats().length === 0) startRows();
    else for (const one of list.children) allowRoles(one);
  }
  if (target.id === "body") fillFromBody();
  look();
});
form.querySelector("[data-add-seat]")?.addEventListener("click", () => {
  addSeat("", rules().allowed.includes("member") ? "member" : "", true);
  look();
});

if (plan.seats.length) for (const one of plan.seats) addSeat(one.person, one.role);
else startRows();
look();
