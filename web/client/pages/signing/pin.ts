// The PIN of a token: asked in the page's own dialog, kept for one act, never sent and never stored.

/** Asks at the first signature of an act and answers the same for the others; null when the signer closed it. */
export function pinOnce(): () => Promise<string | null> {
  let asked: Promise<string | null> | null = null;
  return () => (asked ??= ask());
}

function ask(): Promise<string | null> {
  const dialog = document.getElementById("pin-dialog") as HTMLDialogElement;
  const field = dialog.querySelector("input") as HTMLInputElement;
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    const closed = (): void => {
      const pin = dialog.returnValue === "ok" && field.value ? field.value : null;
      field.value = "";
      resolve(pin);
    };
    dialog.addEventListener("close", closed, { once: true });
  });
}
