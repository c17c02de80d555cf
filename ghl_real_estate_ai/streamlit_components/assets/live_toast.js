// One line at the bottom that tells what an answer did and takes it back. Made by live_hub.js.
// It goes after eight seconds, but not while a mouse points at it or somebody is in it with the keyboard.

import { el, setText } from "./live_dom.js";

const TOAST_FOR_MS = 8_000;

export class Toast {
  constructor(node, { outside }) {
    Object.assign(this, { node, outside, pointed: false });
    this.words = el("span.toast-text");
    this.back = el("button.toast-undo", { type: "button", "aria-keyshortcuts": "z", onclick: () => this.undo?.() }, "Undo", el("kbd", { "aria-hidden": "true" }, "z"));
    // A finger leaves no pointer behind, and a lasting :hover all the same: only a mouse holds the line.
    node.addEventListener("pointerenter", ({ pointerType }) => this.#point(pointerType === "mouse"));
    node.addEventListener("pointerleave", () => this.#point(false));
    for (const event of ["focusin", "focusout"]) node.addEventListener(event, () => this.#letGo());
  }

  /** `undo` null: nothing to take back. A newer text leaves the button under the finger as it is. */
  show(text, undo = null) {
    this.undo = undo;
    if (!undo) this.#leave();
    if (!this.words.parentNode) this.node.replaceChildren(this.words, this.back);
    setText(this.words, text);
    this.back.hidden = !undo;
    this.node.hidden = false;
    this.#letGo();
  }

  hide() {
    this.outside.cancel(this.timer);
    this.undo = null;
    this.pointed = false;
    this.#leave();
    this.node.hidden = true;
    this.words.remove();
    this.back.remove();
  }

  #point(on) {
    this.pointed = on;
    this.#letGo();
  }

  #letGo() {
    this.outside.cancel(this.timer);
    if (this.node.hidden || this.pointed || this.node.querySelector(":focus-visible")) return;
    this.timer = this.outside.later(() => this.hide(), TOAST_FOR_MS);
  }

  /** The button goes: the keyboard must not fall back to the page's top, but go on where the line stands. */
  #leave() {
    if (!this.node.contains(this.node.getRootNode().activeElement)) return;
    const headings = [...this.node.parentNode.querySelectorAll("h2")];
    const heading = headings.find((one) => one.checkVisibility?.() ?? true);
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  }
}
