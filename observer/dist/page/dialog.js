// Dialogs: one at a time, gone when they are closed, and the focus is back where it was.

import { h } from "./dom.js";

/** A dialog with a heading, that goes away when it is closed. */
export function dialog(title, ...children) {
  const before = document.activeElement;
  const element = h(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    h("h2", { id: "dialog-title", tabindex: "-1", autofocus: true }, title),
    children,
  );
  element.addEventListener("close", () => {
    element.remove();
    if (before?.isConnected) before.focus();
  });
  document.body.append(element);
  element.showModal();
  return element;
}

/** A button that closes the dialog that it stands in. */
export const closer = (text) => h("button", { type: "button", onclick: (event) => event.target.closest("dialog").close() }, text);
