// A suggested reply to read, copy and send by hand. It is never sent by itself, and says so.
// Called by the feed (`replyBox`), by the lead page (`ReplyOffer`) and beside the button that calls (`copyButton`); GET /v1/leads/{lead}/suggested-reply.

import { addressInWords } from "./live_words.js";
import { el, setText } from "./live_dom.js";

export const NEVER_SENT = "Nothing is sent from here. Read it once more, and send it yourself.";
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

/** A button that copies a number or an address, for a desk without an app to call with: {node, show(address)}; "" hides it. */
export function copyButton(tell) {
  let address = "";
  const copy = async () => {
    const field = el("input.hidden", { readonly: true, tabindex: "-1", "aria-hidden": "true" });
    field.value = address;
    node.after(field);
    const copied = await copyText(address, field);
    field.remove();
    node.focus();
    tell(copied ? `Copied: ${addressInWords(address)}` : `Not copied: ${addressInWords(address)}`);
  };
  const node = el("button.quiet.copy", { type: "button", hidden: true, onclick: copy });
  const show = (next) => {
    if (next === address) return;
    address = next;
    node.hidden = !next;
    node.replaceChildren(el("span.address", {}, addressInWords(next)), " Copy");
    node.setAttribute("aria-label", `${addressInWords(next)} Copy`);
  };
  return { node, show };
}

const WITH_THIS = { sms: "Text with this", email: "Email with this" };

/** The ways that take a text along: [{name, label, href}]. The phone's own app opens with it; there the agent reads and sends. */
export function waysWithText(ways, text) {
  const open = ways.filter(({ name, href }) => WITH_THIS[name] && href);
  return open.map(({ name, href }) => ({ name, label: WITH_THIS[name], href: `${href}?body=${encodeURIComponent(text)}` }));
}

/** A button that asks for a reply, and the place where it is shown: {node, show(leadId, newest, ways), forget()}. */
export class ReplyOffer {
  /** `door`: see LeadPage. */
  constructor(door) {
    this.door = door;
    this.button = el("button.quiet", { type: "button", "data-focus": "suggest", onclick: () => this.#ask() });
    this.place = el("div.reply-place");
    this.node = el("div", {}, el("p.suggest", {}, this.button), this.place);
    this.forget();
  }

  forget() {
    Object.assign(this, { leadId: null, newest: null, answered: undefined, ways: [], asking: false });
    this.place.replaceChildren();
    this.button.ariaDisabled = "false";
    setText(this.button, "Suggest a reply");
  }

  /** `newest`: the id of the lead's newest message, null without one; `ways`: live_lead_words.waysToReach. */
  show(leadId, newest, ways) {
    Object.assign(this, { leadId, newest, ways });
    if (this.answered !== undefined && this.answered !== newest) setText(this.button, "The lead wrote since: suggest again");
  }

  async #ask() {
    const { leadId, newest } = this;
    if (this.asking) return;
    this.asking = true;
    this.button.ariaDisabled = "true"; // disabled it would drop the focus to the page's top
    setText(this.button, "Thinking of a reply…");
    const answer = await this.door.get(`/v1/leads/${encodeURIComponent(leadId)}/suggested-reply`);
    if (leadId !== this.leadId) return;
    this.asking = false;
    this.button.ariaDisabled = "false";
    setText(this.button, "Suggest again");
    this.answered = newest;
    this.place.replaceChildren(answer.ok ? replyBox(answer.body, this.ways) : el("p.trouble-line", { role: "alert" }, answer.message));
    this.#lookAtIt();
  }

  /** Not from somebody who went on to another thing meanwhile. */
  #lookAtIt() {
    const { activeElement } = this.button.getRootNode();
    if (activeElement && ![this.button, document.body].includes(activeElement)) return;
    this.place.querySelector("textarea")?.focus({ preventScroll: true });
    this.place.scrollIntoView({ block: "nearest" });
  }
}

/** The answer of the route, shown: text with Copy and grounds, or why there is none. `ways` may take the text along. */
export function replyBox(reply, ways = []) {
  if (!reply.text) return el("div.reply", {}, el("p", {}, reply.withheld ?? "There is nothing to answer now."));
  const field = el("textarea.reply-text", { readonly: true, rows: Math.min(8, 1 + Math.ceil(reply.text.length / 44)), "aria-label": "Suggested reply", "data-focus": "reply-text" });
  field.value = reply.text;
  const told = el("span.meta", { role: "status" });
  const copy = async () => {
    const copied = await copyText(reply.text, field);
    told.textContent = copied ? "Copied." : "Not copied: select the text and copy it.";
  };
  const withThis = waysWithText(ways, reply.text).map(({ name, label, href }) => el("a.way", { href, "data-focus": `reply-${name}` }, label));
  const grounds = reply.grounds.map(({ claim, source }) => el("li", {}, claim, el("span.meta", {}, ` · ${source}`)));
  return el(
    "div.reply",
    {},
    reply.note ? el("p.meta", {}, reply.note) : null,
    field,
    el("div.line", {}, el("button.take", { type: "button", onclick: copy, "data-focus": "reply-copy" }, "Copy"), ...withThis, told),
    el("p.meta", {}, NEVER_SENT),
    grounds.length
      ? el("details", { open: true }, el("summary", { "data-focus": "reply-grounds" }, "What it rests on"), el("ul.grounds", {}, ...grounds))
      : el("p.meta", {}, "It claims nothing about a home or a wish."),
    BY_WORDS[reply.by] ? el("p.stamp", {}, BY_WORDS[reply.by]) : null,
  );
}
