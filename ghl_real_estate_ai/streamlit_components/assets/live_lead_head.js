// Who the lead is and how to reach it: the head of the lead page. Called by live_lead.js.

import { clockTime, hasMeetingAhead, percent, reachHref, STAGE_WORDS } from "./live_words.js";
import { keepingFocus } from "./live_lead_parts.js";
import { el, setText, simulatedTag, staleTag } from "./live_dom.js";

export class LeadHead {
  /** `close` leaves the page. */
  constructor({ nameOfUser, close }) {
    this.nameOfUser = nameOfUser;
    this.name = el("h2", { id: "hub-lead", tabindex: "-1" });
    this.tags = el("span.tags");
    this.chances = el("p.lead-chances");
    this.facts = el("p.meta.lead-facts");
    this.line = el("span.connection", {}, el("span.dot", { "aria-hidden": "true" }), el("span"));
    this.ways = el("div.ways", { role: "group", "aria-label": "Reach the lead" });
    this.close = el("button.quiet.lead-close", { type: "button", onclick: close }, "Close");
    this.node = el("header.lead-head", {}, el("div.lead-title", {}, el("div.line", {}, this.name, this.tags, this.line), this.chances, this.facts), this.ways, this.close);
  }

  /** Only a name is known until the gateway has answered. */
  begin(name) {
    setText(this.name, name);
    this.tags.replaceChildren();
    setText(this.facts, "");
    this.chances.replaceChildren();
    this.#writeWays([]);
  }

  /** `ways`: live_lead_words.waysToReach. The one that the next action's own button offers is there, and not twice. */
  show({ lead, intelligence }, ways) {
    setText(this.name, lead.name);
    this.tags.replaceChildren(...(lead.simulated ? [simulatedTag()] : []));
    this.chances.replaceChildren(...(intelligence ? chancesOf(intelligence, lead.stage) : []));
    setText(this.facts, headFacts(lead, intelligence, this.nameOfUser).join(" · "));
    this.#writeWays(ways.filter((way) => !isOfAction(way, intelligence?.next_action)));
  }

  /** Whether news still arrive: the bar with the same words lies under this page. `line`: {name, words}. */
  showLine({ name, words }) {
    if (this.line.dataset.state !== name) this.line.dataset.state = name;
    setText(this.line.lastChild, words);
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

/** Hot, and slipping? The two numbers that an agent looks for first; stale ones say so. */
function chancesOf({ score, won, churn, next_action: action }, stage) {
  const risk = churn.value;
  const [chance, word] = hasMeetingAhead(stage, action) && won?.value ? [won, " chance of a deal "] : [score, " score "];
  return [
    el("span", {}, el("b.number", {}, percent(chance.value?.probability)), word, chance.stale_reason ? staleTag(chance.stale_reason) : ""),
    el(
      "span",
      {},
      el("b.number", {}, percent(risk?.probability)),
      " churn risk ",
      risk ? el(`span.stage.stage-${risk.stage}`, {}, STAGE_WORDS[risk.stage]) : "",
      churn.stale_reason ? staleTag(churn.stale_reason) : "",
    ),
  ];
}

/** "Stage new · from zillow · with Alex Rivera · as of Nov 26, 14:00": what is known, and that it is not where it is not. */
export function headFacts(lead, intelligence, nameOfUser) {
  const source = intelligence?.source ?? lead.contact.source;
  return [
    ...(lead.simulated ? ["made by a simulator"] : []),
    `Stage ${lead.stage}`,
    source ? `from ${source}` : "source not known",
    lead.assigned_to ? `with ${nameOfUser(lead.assigned_to)}` : "not assigned",
    intelligence ? `as of ${clockTime(intelligence.as_of)}` : "nothing concluded yet",
  ];
}

function isOfAction({ name, href }, action) {
  return href !== null && reachHref(action?.reach ?? null)?.split(":")[0] === href.split(":")[0];
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function wayLink({ name, label, href, why }) {
  if (href) return el("a.way", { href, "data-focus": `way:${name}` }, label);
  return el("button.way", { type: "button", disabled: true, title: why }, label);
}
