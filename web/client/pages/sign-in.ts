// Sign-in; in a demonstration one press on an account fills the form.
import { post } from "../live/ask";
import { clearError, showError } from "./shared/send";

const form = document.getElementById("sign-in") as HTMLFormElement;
const login = form.elements.namedItem("login") as HTMLInputElement;
const password = form.elements.namedItem("password") as HTMLInputElement;
/** The language pressed on this page goes on after it. */
const chosen = form.dataset.language;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void signIn();
});

async function signIn(): Promise<void> {
  const button = form.querySelector("[type=submit]");
  if (button?.getAttribute("aria-busy") === "true") return;
  clearError(form);
  button?.setAttribute("aria-busy", "true");
  try {
    await post("session.begin", { login: login.value.trim(), password: password.value });
    if (chosen) await post("settings.change", { command: crypto.randomUUID(), language: chosen }).catch(() => null);
    location.assign(form.dataset.next ?? "/");
  } catch (error) {
    button?.removeAttribute("aria-busy");
    showError(form, error);
    password.select();
  }
}

for (const one of document.querySelectorAll<HTMLButtonElement>("[data-account]")) {
  one.addEventListener("click", () => {
    login.value = one.dataset.account ?? "";
    password.value = one.dataset.password ?? "";
    form.querySelector<HTMLButtonElement>("[type=submit]")?.focus();
  });
}

(login.value ? password : login).focus();
