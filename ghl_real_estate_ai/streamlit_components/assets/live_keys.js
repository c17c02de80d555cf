// The keyboard: one letter, one thing. Made by live_hub.js. No key is taken while somebody types, or with a modifier.

import { el } from "./live_dom.js";

const KEYS_TOLD = [
  ["/", "Search"],
  ["j k", "Next and previous row"],
  ["Enter", "Open the lead"],
  ["a", "Call, text, email, or done"],
  ["s", "Snooze for 2 hours"],
  ["d", "Done: answered another way, or needs no answer"],
  ["n", "Not mine"],
  ["z", "Undo the newest answer"],
  ["1 – 6", "Go to a panel"],
  ["?", "This list"],
  ["Esc", "Close"],
];
const TYPED_INTO = "input, select, textarea, [contenteditable]";

/** What a key press means: {name, panel?}, or null. Pure: `pressed` is {key, ctrlKey, metaKey, altKey, isTyping, inDialog}. */
export function meaningOf({ key, ctrlKey, metaKey, altKey, isTyping, inDialog }) {
  if (isTyping || ctrlKey || metaKey || altKey) return null;
  if (key === "z") return { name: "undo" };
  if (inDialog) return null; // its own buttons, and Esc of the browser
  if (/^[1-6]$/.test(key)) return { name: "panel", panel: Number(key) - 1 };
  const names = { "/": "search", j: "next", k: "previous", a: "act", s: "snooze", d: "answered", n: "decline", "?": "keys" };
  return names[key] ? { name: names[key] } : null;
}

const KEYS_OFF = "enterprisehub.keys_off";

/** Whether single letters do anything: whoever dictates, or hits keys by chance, turns them off. Kept in this browser. */
export class KeyChoice {
  constructor(storage) {
    this.storage = storage;
    this.on = this.#kept() === null;
  }

  set(on) {
    this.on = on;
    try {
      if (on) this.storage.removeItem(KEYS_OFF);
      else this.storage.setItem(KEYS_OFF, "1");
    } catch {
      // No storage: the choice holds until the page is left.
    }
  }

  #kept() {
    try {
      return this.storage.getItem(KEYS_OFF);
    } catch {
      return null;
    }
  }
}

export class Keyboard {
  /** `deeds`: {search, next, previous, act, snooze, answered, decline, undo, keys, panel}, functions. `root`: the screen. */
  constructor(root, { deeds, choice, signal }) {
    const hear = (event) => {
      const target = event.composedPath()[0];
      const isTyping = target instanceof Element && target.matches(TYPED_INTO);
      const inDialog = Boolean(root.querySelector("dialog[open], [popover]:popover-open"));
      if (isTyping && event.key === "Escape" && root.contains(target)) return target.blur();
      const { key, ctrlKey, metaKey, altKey } = event;
      const meaning = !choice.on || event.defaultPrevented || event.isComposing ? null : meaningOf({ key, ctrlKey, metaKey, altKey, isTyping, inDialog });
      if (!meaning) return;
      event.preventDefault();
      deeds[meaning.name](meaning.panel);
    };
    document.addEventListener("keydown", hear, { signal });
  }
}

/** Fill the dialog that lists the keys, and open it. */
export function showKeys(dialog, choice) {
  const close = el("button.quiet", { type: "button", onclick: () => dialog.close() }, "Close");
  const rows = KEYS_TOLD.map(([key, words]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, words)));
  const on = el("input", { type: "checkbox", checked: choice.on, onchange: () => choice.set(on.checked) });
  const turn = el("label.keys-switch", {}, on, " Single keys work");
  dialog.replaceChildren(el("header.line", {}, el("h2", { id: "hub-keys" }, "Keys"), el("span.push", {}, close)), turn, el("dl", {}, ...rows));
  dialog.showModal();
}
