// The next action of one lead on its page: what to do, why, what it is worth, and the same answers as in the queue.
// Called by live_lead.js.

import { money } from "./live_words.js";
import { leadPart } from "./live_lead_parts.js";
import { span } from "../../live_client/enterprisehub_live.js";
import { el, setText } from "./live_dom.js";

const REACH_WORDS = { call: "Call", voicemail: "Call", sms: "Text", email: "Email" };
const REACH_LINKS = { call: "tel:", voicemail: "tel:", sms: "sms:", email: "mailto:" };
const SENT_WORDS = { take: "Taken on.", snooze: "Snoozed.", decline: "Not yours.", back: "Back in the queue." };

export class LeadAction {
  /** `answers`: live_actions.js; `now()`: ms on the lead's own time line. */
  constructor({ answers, now }) {
    Object.assign(this, { answers, now });
    this.waiting = el("p.waiting");
    this.part = leadPart("Next action", (action, item, attempt) => this.#write(action, item, attempt), { kind: "action" });
  }

  forget() {
    this.action = null;
    this.part.forget();
  }

  show(intelligence) {
    const action = intelligence?.next_action ?? null;
    this.action = action;
    const item = action && { key: intelligence.lead_id, lead_id: intelligence.lead_id, lead_name: intelligence.lead_name, assigned_to: intelligence.assigned_to, declined_by: intelligence.declined_by ?? [], score: intelligence.score.value?.probability ?? null, at: intelligence.as_of, simulated: intelligence.simulated, acknowledged_by: null, action };
    const attempt = action && this.answers.attemptOf(action.action_id);
    this.part.show(action, item, attempt ? { verb: attempt.verb, name: attempt.name, message: attempt.message } : null);
    this.tick();
  }

  /** The wait of the lead for a person, kept true by the page's clock. */
  tick() {
    const since = this.action?.waiting_since;
    setText(this.waiting, since ? `Waiting ${span(Math.max(0, this.now() - Date.parse(since)))} for a person` : "");
    this.waiting.hidden = !since;
  }

  #write(action, item, attempt) {
    if (!action) return [el("p.meta", {}, "Nothing to do for this lead now.")];
    const answered = attempt && attempt.verb !== "back" && attempt.name !== "failed";
    return [
      el("p.title", {}, action.title),
      this.waiting,
      ...action.evidence.map((evidence) => el("p.evidence", {}, evidence.text)),
      action.no_reach ? el("p.trouble-line", {}, `Not to be contacted: ${action.no_reach}.`) : null,
      action.snoozed_until ? el("p.meta", {}, "Snoozed for now; it comes back by itself.") : null,
      answered ? this.#answered(attempt) : this.#buttons(item),
      attempt?.message ? el("p.trouble-line", { role: "alert" }, attempt.message) : null,
      worth(action),
    ];
  }

  #answered({ verb }) {
    return el("div.answers", {}, el("span", {}, SENT_WORDS[verb]), el("button.quiet", { type: "button", "data-focus": "undo-action", onclick: () => this.answers.undo() }, "Undo"));
  }

  #buttons(item) {
    const { reach } = item.action;
    const take = () => this.answers.take(item);
    const link = reach && REACH_LINKS[reach.channel];
    const act = link
      ? el("a.take", { href: link + reach.to.replace(/\s/g, ""), onclick: take, "data-focus": "act" }, `${REACH_WORDS[reach.channel]} ${reach.to}`)
      : el("button.take", { type: "button", onclick: take, "data-focus": "act" }, "Done");
    return el(
      "div.answers",
      {},
      act,
      el("button.quiet", { type: "button", onclick: () => this.answers.snooze(item), "data-focus": "snooze" }, "Snooze 2 h"),
      el("button.quiet", { type: "button", onclick: () => this.answers.decline(item), "data-focus": "decline" }, "Not mine"),
    );
  }
}

/** "Worth about $180 now. The deal's value is assumed: the location's typical one." */
function worth(action) {
  if (action.expected_value === null || action.expected_value === undefined) return null;
  const assumed = action.value_assumed ? " The deal's value is assumed: the typical one of this location." : "";
  return el("p.meta", {}, `Worth about ${money(action.expected_value)}: the chance of a won deal times its value.${assumed}`);
}
