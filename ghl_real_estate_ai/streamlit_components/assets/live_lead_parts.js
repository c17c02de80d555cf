// What the parts of the lead page are made of: a part that is written only when what it shows has changed, a line that undoes.
// Called by the live_lead_*.js modules.

import { el } from "./live_dom.js";

/**
 * A part of the page: {node, head, body, show(...inputs), forget()}. `write(...inputs)` returns its nodes and runs only when the inputs differ
 * from those shown, so that a news about one thing neither moves nor rebuilds the others. The focus stays on the control with
 * the same `data-focus`.
 */
export function leadPart(title, write, { kind = "" } = {}) {
  const body = el("div.part-body");
  const head = el("h3", { tabindex: "-1" }, title);
  const node = el(`section.part${kind ? `.part-${kind}` : ""}`, { "aria-label": title }, head, body);
  let shown;
  const show = (...inputs) => {
    const inWords = JSON.stringify(inputs);
    if (inWords === shown) return;
    shown = inWords;
    keepingFocus(body, head, () => body.replaceChildren(...write(...inputs).filter(Boolean)));
  };
  const forget = () => {
    shown = undefined;
    body.replaceChildren();
  };
  return { node, head, body, show, forget };
}

/** Write `holder` anew with the focus on the same control; when that is gone, on `heir`: never back at the page's top. */
export function keepingFocus(holder, heir, write) {
  const focused = holder.getRootNode().activeElement;
  const had = focused && holder.contains(focused) ? focused : null;
  write();
  if (!had || had.isConnected) return;
  const same = had.dataset.focus && [...holder.querySelectorAll("[data-focus]")].find((node) => node.dataset.focus === had.dataset.focus);
  (same || heir).focus({ preventScroll: true });
}

/** One line that says what was done, with its undo: {node, say(text, undo?), fail(text), clear()}. */
export function doneLine() {
  const text = el("span");
  const undo = el("button.quiet", { type: "button", "data-focus": "undo" }, "Undo");
  const node = el("p.done", { role: "status" }, text, undo);
  const write = (words, act, bad) => {
    text.textContent = words;
    node.hidden = !words;
    node.classList.toggle("trouble-line", bad);
    undo.hidden = !act;
    undo.onclick = act ?? null;
  };
  write("", null, false);
  return {
    node,
    say: (words, act = null) => write(words, act, false),
    fail: (words, act = null) => write(words, act, true),
    clear: () => write("", null, false),
  };
}

/** A note that a part is not up to date, with the reason; null when it is. */
export function staleLine(part) {
  return part.stale_reason && part.value ? el("p.trouble-line", {}, `Not up to date: ${part.stale_reason}`) : null;
}
