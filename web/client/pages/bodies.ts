// Establishing a commission by order: members with roles, terms and those they deputise for.
import { clearError, send, showError } from "./shared/send";

const form = document.getElementById("body-form") as HTMLFormElement | null;
const list = document.getElementById("body-members");
const row = document.getElementById("member-row") as HTMLTemplateElement | null;

function addMember(role: string): void {
  const one = row?.content.firstElementChild?.cloneNode(true) as HTMLElement | undefined;
  if (!one || !list) return;
  for (const control of one.querySelectorAll<HTMLElement>("select, input")) {
    control.id = crypto.randomUUID();
    control.parentElement?.querySelector("label")?.setAttribute("for", control.id);
  }
  const as = one.querySelector<HTMLSelectElement>("[data-role]");
  if (as) as.value = role;
  one.querySelector("[data-remove]")?.addEventListener("click", () => one.remove());
  list.append(one);
}

function members(): Record<string, string | null>[] {
  const day = value("#body-date");
  return [...(list?.children ?? [])]
    .map((one) => {
      const of = (name: string): string => one.querySelector<HTMLInputElement | HTMLSelectElement>(`[data-${name}]`)?.value ?? "";
      return {
        person: of("person"),
        role: of("role"),
        since: of("since") || day,
        until: of("until") || null,
        deputises_for: of("for") || null,
      };
    })
    .filter((one) => one.person);
}

function value(id: string): string {
  return form?.querySelector<HTMLInputElement>(id)?.value.trim() ?? "";
}

async function establish(): Promise<void> {
  if (!form?.reportValidity()) return;
  clearError(form);
  try {
    await send("body.establish", {
      name: value("#body-name"),
      order_number: value("#body-order"),
      order_date: value("#body-date"),
      signing_order: value("#body-signing"),
      signing_days: Number(value("#body-days")) || 0,
      members: members(),
    });
    location.reload();
  } catch (error) {
    showError(form, error);
  }
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  void establish();
});
form?.querySelector("[data-add-member]")?.addEventListener("click", () => addMember("member"));
for (const role of ["chair", "deputy", "secretary"]) addMember(role);
