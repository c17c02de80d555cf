// Who the lead is and how to reach it: the head of the lead page. Called by live_lead.js.

import { clockTime } from "./live_words.js";
import { waysToReach } from "./live_lead_words.js";
import { keepingFocus } from "./live_lead_parts.js";
import { el, setText, simulatedTag } from "./live_dom.js";

export class LeadHead {
  /** `close` leaves the page. */
  constructor({ nameOfUser, close }) {
    this.nameOfUser = nameOfUser;
    this.name = el("h2", { id: "hub-lead", tabindex: "-1" });
    this.tags = el("span.tags");
    this.facts = el("p.meta.lead-facts");
    this.ways = el("div.ways", { role: "group", "aria-label": "Reach the lead" });
    this.close = el("button.quiet.lead-close", { type: "button", onclick: close }, "Close");
    this.node = el("header.lead-head", {}, el("div.lead-title", {}, el("div.line", {}, this.name, this.tags), this.facts), this.ways, this.close);
  }

  /** Only a name is known until the gateway has answered. */
  begin(name) {
    setText(this.name, name);
    this.tags.replaceChildren();
    setText(this.facts, "");
    this.#writeWays([]);
  }

  show({ lead, intelligence, conversation }) {
    setText(this.name, lead.name);
    this.tags.replaceChildren(...(lead.simulated ? [simulatedTag()] : []));
    setText(this.facts, headFacts(lead, intelligence, this.nameOfUser).join(" · "));
    this.#writeWays(waysToReach({ contact: lead.contact, reach: intelligence?.next_action?.reach, messages: conversation }));
  }

  #writeWays(ways) {
    const inWords = JSON.stringify(ways);
    if (inWords === this.shown) return;
    this.shown = inWords;
    const reasons = [...new Set(ways.map((way) => way.why).filter(Boolean))];
    const why = reasons.length ? el("p.meta.no-way", {}, `${sentence(reasons.join("; "))}.`) : "";
    keepingFocus(this.ways, this.close, () => this.ways.replaceChildren(...ways.map(wayLink), why));
  }
}

/** "Stage new · from zillow · with Alex Rivera · as of Nov 26, 14:00": what is known, and that it is not where it is not. */
export function headFacts(lead, intelligence, nameOfUser) {
  const source = intelligence?.source ?? lead.contact.source;
  return [
    `Stage ${lead.stage}`,
    source ? `from ${source}` : "source not known",
    lead.assigned_to ? `with ${nameOfUser(lead.assigned_to)}` : "not assigned",
    intelligence ? `as of ${clockTime(intelligence.as_of)}` : "nothing concluded yet",
  ];
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function wayLink({ name, label, href, why }) {
  if (href) return el("a.way", { href, "data-focus": `way:${name}` }, label);
  return el("button.way", { type: "button", disabled: true, title: why }, label);
}
