// A suggested reply to read, copy and send by hand. It is never sent by itself, and says so.
// Called by the lead page; GET /v1/leads/{lead}/suggested-reply.

import { el } from "./live_dom.js";

export const NEVER_SENT = "Nothing is sent from here. Copy it, read it once more, and send it yourself.";
const BY_WORDS = { rules: "Written by fixed rules, not by a language model." };

/** Put text on the clipboard; without the clipboard's interface (plain http), by the selection of `field`. True when it worked. */
export async function copyText(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field.focus();
    field.select();
    return document.execCommand("copy");
  }
}

/** The answer of the route, shown: text with Copy and grounds, or why there is none. */
export function replyBox(reply) {
  if (!reply.text) return el("div.reply", {}, el("p", {}, reply.withheld ?? "There is nothing to answer now."));
  const field = el("textarea.reply-text", { readonly: true, rows: Math.min(8, 1 + Math.ceil(reply.text.length / 44)), "aria-label": "Suggested reply", "data-focus": "reply-text" });
  field.value = reply.text;
  const told = el("span.meta", { role: "status" });
  const copy = async () => {
    const copied = await copyText(reply.text, field);
    told.textContent = copied ? "Copied." : "Not copied: select the text and copy it.";
  };
  const grounds = reply.grounds.map(({ claim, source }) => el("li", {}, claim, el("span.meta", {}, ` · ${source}`)));
  return el(
    "div.reply",
    {},
    field,
    el("div.line", {}, el("button.take", { type: "button", onclick: copy, "data-focus": "reply-copy" }, "Copy"), told),
    el("p.meta", {}, NEVER_SENT),
    grounds.length
      ? el("details", { open: true }, el("summary", { "data-focus": "reply-grounds" }, "What it rests on"), el("ul.grounds", {}, ...grounds))
      : el("p.meta", {}, "It claims nothing about a home or a wish."),
    BY_WORDS[reply.by] ? el("p.stamp", {}, BY_WORDS[reply.by]) : null,
  );
}
