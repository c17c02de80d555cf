// Leads that a search finds beyond the panels: the streams tell of the newest leads, the gateway looks through the names and phones of all.
// Made by live_hub.js, below the filters.

import { ago } from "./live_words.js";
import { el, setClass, setText, simulatedTag } from "./live_dom.js";

const ASK_AFTER_MS = 350; // the panels are filtered at once; the gateway is asked when the typist pauses
const LETTERS_AT_LEAST = 2;
const LETTERS_AT_MOST = 100; // what the gateway takes
const FOUND_AT_MOST = 20;

export class AlsoFound {
  /** `container`: where it stands; `isShown(leadId)`: a panel has it; `agentName(id)`; `now()`: the leads' time; `openLead(id, name)`. */
  constructor(container, { api, outside, openLead, isShown, agentName, now }) {
    Object.assign(this, { api, outside, openLead, isShown, agentName, now });
    Object.assign(this, { words: "", state: "idle", items: [], trouble: "", written: null, unfolded: false });
    this.text = el("p.meta", { role: "status" });
    this.again = el("button.quiet", { type: "button", hidden: true, onclick: () => this.#ask() }, "Try again");
    this.fold = el("button.quiet.found-fold", { type: "button", hidden: true, onclick: () => this.#turn() });
    this.rows = el("ul.found-rows");
    this.node = el("div.found", { role: "group", "aria-label": "Also found", hidden: true }, this.text, this.again, this.fold, this.rows);
    container.append(this.node);
  }

  /** The search says `q` now. */
  search(q) {
    const words = q.trim().replace(/\s+/g, " ").slice(0, LETTERS_AT_MOST);
    if (words === this.words) return;
    this.outside.cancel(this.timer);
    Object.assign(this, { words, state: "idle", items: [], unfolded: false });
    if (words.length < LETTERS_AT_LEAST) return;
    this.state = "asking";
    this.timer = this.outside.later(() => this.#ask(), ASK_AFTER_MS);
  }

  /** Write what was found and no panel has. `shown`: how many leads the panels have. Cheap: only what differs is written. */
  show({ shown }) {
    this.shown = shown;
    const rows = this.items.filter((lead) => !lead.deleted && !this.isShown(lead.lead_id));
    const text = this.#inWords(rows, shown);
    this.node.hidden = text === "";
    setText(this.text, text);
    this.again.hidden = this.state !== "failed";
    this.fold.hidden = !(shown && rows.length); // on a phone they would stand before what the panels have: style sheet
    setClass(this.node, "folded", !this.fold.hidden && !this.unfolded);
    setText(this.fold, this.unfolded ? "Hide" : "Show");
    this.fold.setAttribute("aria-expanded", String(this.unfolded));
    const written = rows.map(({ lead_id: leadId, assigned_to: agent }) => `${leadId} ${this.agentName(agent)}`).join("\n");
    if (written === this.written) return;
    this.written = written;
    this.rows.replaceChildren(...rows.map((lead) => this.#row(lead)));
  }

  stop() {
    this.outside.cancel(this.timer);
    this.words = "";
  }

  async #ask() {
    const { words } = this;
    this.state = "asking";
    const answer = await this.api.get(`/v1/leads?limit=${FOUND_AT_MOST}&q=${encodeURIComponent(words)}`);
    if (words !== this.words) return; // somebody has typed on
    Object.assign(this, answer.ok ? { state: "found", items: answer.body.items } : { state: "failed", trouble: answer.message });
    this.show({ shown: this.shown });
  }

  #inWords(rows, shown) {
    if (this.state === "failed") return `Names and phones of all leads were not searched: ${this.trouble}`;
    if (this.state === "asking") return shown ? "" : "Looking through names and phones of all leads…";
    if (this.state === "idle") return "";
    if (!rows.length) return shown ? "" : `No lead of this account has “${this.words}” in its name or phone.`;
    const more = this.items.length === FOUND_AT_MOST ? ` The newest ${FOUND_AT_MOST} were looked at: type more of it.` : "";
    return `${rows.length} more by name or phone, among all leads.${more}`;
  }

  #turn() {
    this.unfolded = !this.unfolded;
    this.show({ shown: this.shown });
  }

  #row(lead) {
    const facts = [lead.stage, this.agentName(lead.assigned_to)];
    if (lead.last_activity_at) facts.push(`last activity: ${ago(lead.last_activity_at, this.now())}`);
    const open = () => this.openLead(lead.lead_id, lead.name);
    return el("li", {}, el("button.lead", { type: "button", onclick: open }, lead.name), lead.simulated ? simulatedTag() : null, el("span.meta", {}, facts.filter(Boolean).join(" · ")));
  }
}
