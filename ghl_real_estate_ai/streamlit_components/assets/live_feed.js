// One message of the conversation feed: who wrote, what it states, whether it still waits, and a suggested reply on request.
// Called by live_view.js.

import { channelName, messageText } from "./live_words.js";
import { el, setClass, setText } from "./live_dom.js";
import { leadButton, writeTags } from "./live_rows.js";
import { replyBox } from "./live_reply.js";

/** What kind of thing a message states, said before its words. `models.conversations.FactKind`. */
export const FACT_WORDS = {
  budget: "budget",
  bedrooms: "bedrooms",
  bathrooms: "bathrooms",
  living_area: "living area",
  city: "city",
  home_type: "home type",
  feature: "wants",
  move_by: "moves",
  financing: "financing",
  meeting: "meeting",
  home: "home",
  question: "asks",
  objection: "objection",
  stop: "asked to stop",
};
const BARE_WORDS = { question: "question", home: "names a home", move_by: "says when", feature: "wish" };
const ALARMING = new Set(["stop", "objection"]);

const READ_AT_ONCE = 80; // letters of a message that is not cut in its two lines on a phone

/** A fact in few words, [kind, value]. Of one that is most of the message again, or a question that stands above it, the kind is enough. */
export function factInWords(fact, text) {
  const kind = FACT_WORDS[fact.kind] ?? fact.kind.replaceAll("_", " ");
  if (fact.value.startsWith(`${kind} `)) return [fact.value, ""]; // "asks something": the kind is in it
  const isAbove = fact.value.length > text.length / 2 || (fact.kind === "question" && text.length <= READ_AT_ONCE);
  return text.includes(fact.value) && isAbove ? [BARE_WORDS[fact.kind] ?? kind, ""] : [kind, ` ${fact.value}`];
}

/** The words that it was read from stand in the title. */
function feedFact(fact, text) {
  const [kind, value] = factInWords(fact, text);
  return el(`span.fact${ALARMING.has(fact.kind) ? ".fact-alarm" : ""}`, fact.quote ? { title: `Read from: "${fact.quote}"` } : {}, el("b", {}, kind), value);
}

/** The suggested replies of the feed: at most one is open. `api` asks the gateway; nothing here sends a message. */
export class FeedReplies {
  constructor({ api, changed }) {
    Object.assign(this, { api, changed });
    this.openKey = null; // the message whose reply is open
    this.close = () => {};
  }

  /** Open the reply to `item` in `holder`, or close it when it is open. Settles when the answer is shown. */
  async toggle(item, button, holder) {
    const wasOpen = this.openKey === item.key;
    this.close();
    if (wasOpen) return;
    this.openKey = item.key;
    this.close = () => this.#shut(button, holder);
    button.setAttribute("aria-expanded", "true");
    setText(button, "Close");
    holder.hidden = false;
    holder.replaceChildren(el("p.meta", { role: "status" }, "Looking for what can be said…"));
    const answer = await this.api.get(`/v1/leads/${encodeURIComponent(item.lead_id)}/suggested-reply`);
    if (this.openKey !== item.key) return; // closed, or another one was opened
    if (answer.ok) holder.replaceChildren(replyBox(answer.body));
    else holder.replaceChildren(el("p.trouble-line", { role: "alert" }, `No suggestion: ${answer.message}`));
    holder.scrollIntoView({ block: "nearest" }); // below the last message in sight it would open unseen
  }

  /** Close what is open if its message has gone. */
  settle(keys) {
    if (this.openKey !== null && !keys.has(this.openKey)) this.close();
  }

  #shut(button, holder) {
    this.openKey = null;
    this.close = () => {};
    button.setAttribute("aria-expanded", "false");
    setText(button, "Reply");
    holder.hidden = true;
    holder.replaceChildren();
    this.changed();
  }
}

/** Whether a message still waits for a person: `next` is the next_actions item of its lead. */
export function isUnanswered(message, next) {
  const since = next?.action?.waiting_since;
  return Boolean(since) && !next.acknowledged_by && Date.parse(message.at) >= Date.parse(since);
}

/** Who wrote, as seen from the team. Automation is named: it is no answer to a lead. */
function senderOf(item) {
  if (item.direction === "inbound") return null;
  if (item.human) return el("span.sender", {}, "Team to ");
  return el("span.sender", {}, el("span.tag.tag-auto", { title: "Sent by an automation. It does not count as an answer." }, "AUTO"), " to ");
}

export function feedRow(item, { openLead, nameOf, writeTime, replies, waits }) {
  const inbound = item.direction === "inbound";
  const name = leadButton(item, openLead);
  const tags = el("span.tags");
  const waiting = el("span.feed-waits", { hidden: true, title: "No person has answered since" }, "waits");
  const text = el("p.text");
  const facts = el("p.facts", { hidden: !item.facts?.length }, ...(item.facts ?? []).map((fact) => feedFact(fact, item.text ?? "")));
  const age = el("time.meta", { datetime: item.at, "data-since": item.at });
  const way = el("span.meta", {}, channelName(item.channel), el("span.hidden", {}, inbound ? " from the lead" : " to the lead"));
  const holder = el("div.feed-reply", { hidden: true });
  const reply = inbound ? replyButton(item, { replies, holder, nameOf }) : null;
  const node = el(
    `li.${inbound ? "inbound" : "outbound"}`,
    {},
    el("div.line", {}, senderOf(item), name, tags, waiting, el("span.push", {}, way, el("span.meta", { "aria-hidden": "true" }, " · "), age)),
    el("div.feed-said", {}, text, reply),
    facts,
    holder,
  );
  const mark = () => {
    const now = inbound && waits(item);
    waiting.hidden = !now;
    setClass(node, "unanswered", now);
  };
  const update = (next) => {
    setText(name, nameOf(next.lead_id));
    reply?.setAttribute("aria-label", `Suggested reply to ${nameOf(next.lead_id)}`);
    writeTags(tags, next);
    setText(text, messageText(next));
    writeTime(age);
    mark();
  };
  return { node, update, mark };
}

function replyButton(item, { replies, holder }) {
  const button = el("button.quiet.reply-button", { type: "button", "aria-expanded": "false" }, "Reply");
  button.onclick = () => replies.toggle(item, button, holder);
  return button;
}
