// One document: sent as a stream with progress, refused in words, never retried behind one's back.
import { Refused, type WireError } from "../../live/wire";
import { clearError, showError } from "./send";
import { t } from "./texts";

/** `before` saves the form: the page is loaded anew afterwards. */
export function prepareUpload(before: () => Promise<boolean>): void {
  const form = document.getElementById("upload") as HTMLFormElement | null;
  if (!form) return;
  const file = form.querySelector<HTMLInputElement>("#u-file");
  const title = form.querySelector<HTMLInputElement>("#u-title");
  if (!file || !title) return;
  file.addEventListener("change", () => {
    const name = file.files?.[0]?.name ?? "";
    if (!title.value) title.value = name.replace(/\.[^.]+$/, "");
  });
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer?.files.length) {
      file.files = event.dataTransfer.files;
      file.dispatchEvent(new Event("change"));
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attach(form, file, before);
  });
}

async function attach(form: HTMLFormElement, input: HTMLInputElement, before: () => Promise<boolean>): Promise<void> {
  const file = input.files?.[0];
  const button = form.querySelector("[type=submit]");
  clearError(form);
  if (!file) {
    input.focus();
    showError(form, new Refused({ code: "field_required", message: t("pick_file") }));
    return;
  }
  if (button?.getAttribute("aria-busy") === "true") return;
  button?.setAttribute("aria-busy", "true");
  try {
    await before();
    await sendFile(form, file);
    location.hash = "documents";
    location.reload();
  } catch (error) {
    showError(form, error);
    say(form, "");
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

function say(form: HTMLFormElement, text: string): void {
  const place = form.querySelector("[data-state]");
  if (place) place.textContent = text;
}

function sendFile(form: HTMLFormElement, file: File): Promise<void> {
  const value = (id: string): string => form.querySelector<HTMLInputElement | HTMLSelectElement>(id)?.value ?? "";
  const query = new URLSearchParams({
    request: form.dataset.request ?? "",
    title: value("#u-title").trim() || file.name,
    kind: value("#u-kind"),
    dated: value("#u-dated"),
    command: crypto.randomUUID(),
  });
  const bar = form.querySelector("progress");
  if (bar) bar.hidden = false;
  say(form, t("reading"));
  // XMLHttpRequest, because fetch does not tell how much of the body has gone.
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", `/api/document.upload?${query}`);
    call.setRequestHeader("X-Consilium", "1");
    call.setRequestHeader("Content-Type", "application/octet-stream");
    call.responseType = "json";
    call.upload.onprogress = (event) => {
      const percent = event.total ? Math.round((100 * event.loaded) / event.total) : 0;
      if (bar) bar.value = percent;
      say(form, percent < 100 ? t("uploading", { percent }) : t("checking_file"));
    };
    call.onload = () => {
      const body = call.response as { ok: boolean; error?: WireError } | null;
      if (body?.ok) resolve();
      else reject(new Refused(body?.error ?? { code: "internal", message: t("failed") }));
    };
    call.onerror = () => reject(new Refused({ code: "offline", message: "" }));
    call.send(file);
  });
}
