// One line at the bottom that tells what an answer did and takes it back. Made by live_hub.js.
// It goes after eight seconds, but not while somebody points at it or is in it with the keyboard.

import { el } from "./live_dom.js";

const TOAST_FOR_MS = 8_000;

export class Toast {
  constructor(node, { outside }) {
    Object.assign(this, { node, outside });
    for (const event of ["pointerenter", "focusin"]) node.addEventListener(event, () => this.#hold());
    for (const event of ["pointerleave", "focusout"]) node.addEventListener(event, () => this.#letGo());
  }

  /** `undo` null: nothing to take back. */
  show(text, undo = null) {
    const words = el("span.toast-text", {}, text);
    const back = undo && el("button.toast-undo", { type: "button", "aria-keyshortcuts": "z", onclick: undo }, "Undo", el("kbd", { "aria-hidden": "true" }, "z"));
    const hadFocus = this.node.contains(this.node.getRootNode().activeElement);
    this.node.replaceChildren(...[words, back].filter(Boolean));
    this.node.hidden = false;
    if (hadFocus) back?.focus();
    this.#letGo();
  }

  hide() {
    this.outside.cancel(this.timer);
    this.node.hidden = true;
    this.node.replaceChildren();
  }

  #hold() {
    this.outside.cancel(this.timer);
  }

  #letGo() {
    this.outside.cancel(this.timer);
    if (this.node.hidden || this.node.matches(":hover, :focus-within")) return;
    this.timer = this.outside.later(() => this.hide(), TOAST_FOR_MS);
  }
}
