// Which leads the screen shows: mine, everyone's or one agent's, stage, source, stage of risk, a search. Made by live_hub.js.
// LeadFilter decides (pure, one look per lead and change); FilterBar is what the user touches.

import { STAGE_WORDS } from "./live_words.js";
import { el, setClass, setText } from "./live_dom.js";

const SEARCH_AFTER_MS = 80; // a fast typist's pause
const COARSE = globalThis.matchMedia?.("(pointer: coarse)"); // a finger has no keys
const ACCENTS = /\p{M}/gu;
const IN_PHONES = /^[+().-]*\d[\d+().-]{2,}$/; // "(555)", "010-0100"
const SHOW_ALL = { who: "team", agent: "", stage: "", source: "", risk: [], q: "" };

export class LeadFilter {
  /** `facetOf(leadId)`: live_store's picture of a lead; `isMine(facet)`: whether it stands in the user's own queue. */
  constructor({ facetOf, isMine }) {
    Object.assign(this, { facetOf, isMine, values: SHOW_ALL });
    this.verdicts = new WeakMap(); // facet -> whether it passes; a changed lead has another facet
    this.haystacks = new WeakMap(); // facet -> its words in lower case
  }

  /** {who, agent, stage, source, risk, q}; what is left out stays. An agent (an id of the CRM's) takes the place of `who`. */
  set(values) {
    this.values = { ...this.values, ...values };
    this.words = searched(this.values.q).split(/\s+/).filter(Boolean);
    this.verdicts = new WeakMap();
  }

  /** Whether anything is hidden at all. */
  get active() {
    return this.ownOnly || this.narrowed;
  }

  /** Whether only the user's own leads are shown. */
  get ownOnly() {
    return this.values.who === "mine" && !this.values.agent;
  }

  /** How many leads of these items would be shown, were they not somebody else's. */
  elsewhere(items) {
    if (!this.ownOnly) return 0;
    return new Set(items.map((item) => item.lead_id).filter((leadId) => leadId && this.#fits(this.facetOf(leadId)))).size;
  }

  /** Those of the items that are not shown only because the user passed their leads on. */
  passedOn(items) {
    if (!this.ownOnly) return [];
    const isPassedOn = (facet) => facet.declined.length > 0 && !this.isMine(facet) && this.isMine({ ...facet, declined: [] });
    return items.filter(({ lead_id: leadId }) => isPassedOn(this.facetOf(leadId)) && this.#fits(this.facetOf(leadId)));
  }

  /** Whether there is something to clear. Whose leads are shown is a choice of its own. */
  get narrowed() {
    const { agent, stage, source, risk, q } = this.values;
    return Boolean(agent || stage || source || risk.length || q.trim());
  }

  /** Those of the items whose lead is to be shown. An item without a lead always is. */
  of(items) {
    return this.active ? items.filter((item) => !item.lead_id || this.passes(item.lead_id)) : items;
  }

  passes(leadId) {
    const facet = this.facetOf(leadId);
    let verdict = this.verdicts.get(facet);
    if (verdict === undefined) this.verdicts.set(facet, (verdict = this.#judge(facet)));
    return verdict;
  }

  /** Whether the row of an answer that was taken back is to be shown; the stream may not tell of that yet. */
  showsAgain(item) {
    return this.#judge({ ...this.facetOf(item.lead_id), declined: [], next: item });
  }

  #judge(facet) {
    const { agent } = this.values;
    if (agent && facet.assigned !== agent) return false;
    if (this.ownOnly && !this.isMine(facet)) return false;
    return this.#fits(facet);
  }

  #fits(facet) {
    const { stage, source, risk } = this.values;
    if (stage && facet.stage !== stage) return false;
    if (source && facet.source !== source) return false;
    if (risk.length && !risk.includes(facet.risk)) return false;
    return !this.words?.length || this.words.every((word) => this.#has(facet, word));
  }

  /** A part of a phone number is sought in whatever way it is written. */
  #has(facet, word) {
    const text = this.#haystack(facet);
    return text.includes(word) || (IN_PHONES.test(word) && text.includes(digitsOf(word)));
  }

  #haystack(facet) {
    let text = this.haystacks.get(facet);
    if (text === undefined) {
      const { name, source, places, said, next } = facet;
      const evidence = next?.action?.evidence?.map((proof) => proof.text) ?? [];
      const reach = next?.action?.reach?.to ?? "";
      text = searched([name, source, ...places, ...said, ...evidence, reach, digitsOf(reach)].join("\n"));
      this.haystacks.set(facet, text);
    }
    return text;
  }
}

/** As it is compared: neither case nor accents count, a phone's keyboard leaves them out. */
function searched(text) {
  return text.normalize("NFD").replace(ACCENTS, "").toLowerCase();
}

function digitsOf(text) {
  return text.replace(/\D/g, "");
}

export class FilterBar {
  /** `container` is the page's search region; `forManagers`: any agent may be chosen; `changed(values)` hears each choice, `cleared()` the way back to all. */
  constructor(container, { outside, forManagers, changed, cleared }) {
    Object.assign(this, { container, outside, changed });
    this.who = { mine: this.#whoButton("mine", "Mine"), team: this.#whoButton("team", "Everyone") };
    this.agent = this.#select("agent", "Agent");
    this.agent.hidden = !forManagers;
    this.stage = this.#select("stage", "Stage");
    this.source = this.#select("source", "Source");
    this.risk = [3, 2, 1, 0].map((stage) => this.#riskButton(stage));
    this.search = el("input", { type: "search", placeholder: COARSE?.matches ? "Search" : "Search (/)", "aria-label": "Search name, phone, address, source, message", maxlength: "80", oninput: () => this.#typed() });
    this.counted = el("span");
    this.count = el("span.filter-count.meta", { hidden: true }, this.counted, el("span.unit", {}, " leads"));
    this.spoken = el("span.hidden", { role: "status" });
    this.clear = el("button.quiet", { type: "button", hidden: true, onclick: () => cleared() }, "Clear");
    this.more = el("button.quiet.more-filters", { type: "button", "aria-expanded": "false", onclick: () => this.#unfold() }, "Filters");
    this.hint = el("p.filter-hint", { role: "note", hidden: true }, "Your account is not linked to a CRM user: ask an admin. Until then the whole team's leads are shown.");
    container.append(
      el("div.segments", { role: "group", "aria-label": "Whose leads" }, this.who.mine, this.who.team),
      this.search,
      this.more,
      el("div.folding", {}, this.agent, this.stage, this.source, el("div.segments", { role: "group", "aria-label": "Stage of risk" }, ...this.risk)),
      this.count,
      this.spoken,
      this.clear,
      this.hint,
    );
  }

  /** Write the choices. `agents`: [id, name]; `stages`, `sources`: what there is to choose from; `canBeMine`: whether the user's own leads are known. */
  show({ values, agents, stages, sources, shown, all, narrowed, canBeMine, hint }) {
    for (const [who, button] of Object.entries(this.who)) button.setAttribute("aria-pressed", String(values.who === who && !values.agent));
    this.who.mine.disabled = !canBeMine;
    for (const button of this.risk) button.setAttribute("aria-pressed", String(values.risk.includes(Number(button.value))));
    writeOptions(this.agent, "Any agent", agents.map(([id]) => id), values.agent, new Map(agents));
    writeOptions(this.stage, "Any stage", stages, values.stage);
    writeOptions(this.source, "Any source", sources, values.source);
    if (!this.timer && this.search.value !== values.q) this.search.value = values.q;
    const chosen = [values.agent, values.stage, values.source, values.risk.length].filter(Boolean).length;
    setText(this.more, chosen ? `Filters (${chosen})` : "Filters");
    setText(this.counted, all ? `${shown} of ${all}` : "");
    this.count.hidden = !all;
    if (this.values && this.values !== values) setText(this.spoken, `Shown: ${shown} leads`); // said after a choice, not with each event
    this.clear.hidden = !narrowed;
    setClass(this.container, "narrowed", narrowed);
    this.hint.hidden = !hint;
    this.values = values;
  }

  focusSearch() {
    this.search.focus();
    this.search.select();
  }

  stop() {
    this.outside.cancel(this.timer);
  }

  #typed() {
    this.outside.cancel(this.timer);
    this.timer = this.outside.later(() => {
      this.timer = null;
      this.changed({ q: this.search.value });
    }, SEARCH_AFTER_MS);
  }

  #unfold() {
    const open = !this.container.classList.contains("unfolded");
    setClass(this.container, "unfolded", open);
    this.more.setAttribute("aria-expanded", String(open));
  }

  #whoButton(who, words) {
    const title = who === "mine" ? "Leads of mine and of nobody" : "All leads of the team";
    return el("button", { type: "button", title, "aria-pressed": "false", onclick: () => this.changed({ who, agent: "" }) }, words);
  }

  #riskButton(stage) {
    const choose = () => {
      const { risk } = this.values;
      this.changed({ risk: risk.includes(stage) ? risk.filter((other) => other !== stage) : [...risk, stage].sort() });
    };
    return el("button", { type: "button", value: String(stage), "aria-pressed": "false", onclick: choose }, el(`span.stage.stage-${stage}`, {}, STAGE_WORDS[stage]));
  }

  #select(field, words) {
    return el("select", { "aria-label": words, onchange: (event) => this.changed({ [field]: event.target.value }) });
  }
}

/** A choice that is no longer there stays in the list as long as it is chosen. */
function writeOptions(select, any, names, chosen, words = new Map()) {
  const wanted = chosen && !names.includes(chosen) ? [...names, chosen] : names;
  const options = wanted.map((name) => [name, words.get(name) ?? name]);
  const written = options.flat().join("\n");
  if (select.dataset.names !== written) {
    select.dataset.names = written;
    select.replaceChildren(el("option", { value: "" }, any), ...options.map(([value, name]) => el("option", { value }, name)));
  }
  if (select.value !== chosen) select.value = chosen;
}
