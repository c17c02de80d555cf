// The conversation of one lead, newest at the bottom, facts under each message, and a suggested reply to copy.
// Called by live_lead.js.

import { messageText } from "./live_words.js";
import { FACT_WORDS } from "./live_feed.js";
import { messageHead, newestInbound } from "./live_lead_words.js";
import { keepingFocus, leadPart } from "./live_lead_parts.js";
import { el, KeyedList, simulatedTag } from "./live_dom.js";
import { ReplyOffer } from "./live_reply.js";

const NEAR_END_PX = 48; // who has scrolled up further reads something old: new messages do not pull the view away

export class LeadTalk {
  constructor(door) {
    this.door = door;
    this.part = leadPart("Conversation", () => [], { kind: "talk" });
    this.rows = el("ol.bubbles", { tabindex: "0", "aria-label": "Messages, oldest first" });
    this.list = new KeyedList(this.rows, (item) => this.#row(item), (item) => item.version);
    this.none = el("p.meta", {}, "Nobody has written yet.");
    this.reply = new ReplyOffer(door);
    this.part.body.replaceChildren(this.none, this.rows, this.reply.node);
    this.forget();
  }

  forget() {
    this.leadId = null;
    this.list.show([]);
    this.reply.forget();
  }

  /** `messages` oldest first, as the gateway has them; `ways` to reach the lead: live_lead_words.waysToReach. */
  show(leadId, messages, ways) {
    const other = leadId !== this.leadId;
    const atEnd = other || this.rows.scrollHeight - this.rows.scrollTop - this.rows.clientHeight < NEAR_END_PX;
    this.leadId = leadId;
    this.reply.show(leadId, newestInbound(messages)?.event_id ?? null, ways);
    this.none.hidden = messages.length > 0;
    this.rows.hidden = messages.length === 0;
    this.list.show(messages.map((message) => ({ key: message.event_id, message, version: JSON.stringify(message) + this.door.nameOfUser(message.user_id) })));
    if (atEnd) this.rows.scrollTop = this.rows.scrollHeight;
  }

  #row({ key, message }) {
    const kind = message.direction === "inbound" ? "in" : message.human ? "out" : "out automatic";
    const head = el("p.meta");
    const text = el("p.text");
    const facts = el("p.facts");
    const node = el("li", { class: `bubble ${kind}`, "data-key": key }, head, text, facts);
    const update = ({ message: next }) => {
      head.replaceChildren(messageHead(next, this.door.nameOfUser), ...(next.simulated ? [" ", simulatedTag()] : []));
      const marks = writeQuoted(text, messageText(next), next.facts ?? []);
      keepingFocus(facts, this.rows, () => facts.replaceChildren(...(next.facts ?? []).map((fact, i) => factTag(fact, marks.get(i), key))));
    };
    return { node, update };
  }
}

/** The text in pieces, the quotes of its facts apart: [{text, fact: index | null}]. Where quotes overlap the first one stands. */
export function quotedPieces(text, facts) {
  const found = facts
    .map((fact, i) => ({ i, from: fact.quote ? text.indexOf(fact.quote) : -1, length: fact.quote?.length ?? 0 }))
    .filter(({ from }) => from >= 0)
    .sort((a, b) => a.from - b.from || b.length - a.length);
  const pieces = [];
  let at = 0;
  for (const { i, from, length } of found) {
    if (from < at) continue;
    if (from > at) pieces.push({ text: text.slice(at, from), fact: null });
    pieces.push({ text: text.slice(from, from + length), fact: i });
    at = from + length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), fact: null });
  return pieces;
}

/** Write the text with its quotes as elements of their own; returns fact index -> element. */
function writeQuoted(node, text, facts) {
  const marks = new Map();
  node.replaceChildren(
    ...quotedPieces(text, facts).map((piece) => {
      if (piece.fact === null) return piece.text;
      const mark = el("span.quote", {}, piece.text);
      marks.set(piece.fact, mark);
      return mark;
    }),
  );
  return marks;
}

/** What the message states, in few words; hover and focus show where it says so. */
function factTag(fact, mark, key) {
  const on = () => mark?.classList.add("quote-on");
  const off = () => mark?.classList.remove("quote-on");
  return el(
    "span.fact",
    { tabindex: "0", title: fact.quote ? `“${fact.quote}”` : fact.value, "data-focus": `${key}:${fact.kind}`, onmouseenter: on, onmouseleave: off, onfocus: on, onblur: off },
    el("span.meta", {}, FACT_WORDS[fact.kind] ?? fact.kind.replaceAll("_", " ")),
    fact.kind === "question" ? "" : ` ${fact.value}`, // a question stands right above, word for word
  );
}
