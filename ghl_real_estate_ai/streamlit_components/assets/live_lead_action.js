// The next action of one lead on its page: what to do, why, what it is worth, and the same answers as in the queue.
// Called by live_lead.js.

import { proofInRow, timeOfDay, worthInWords, worthRestsOn } from "./live_words.js";
import { leadPart } from "./live_lead_parts.js";
import { answerButtons, waitClock, writeClock } from "./live_now.js";
import { newestInbound } from "./live_lead_words.js";
import { ReplyOffer } from "./live_reply.js";
import { el, setText } from "./live_dom.js";

export class LeadAction {
  /** `answers`: live_actions.js, `menu`: live_now.js; `now()`: ms on the lead's own time line; `door`: see LeadPage. */
  constructor({ answers, menu, now, door }) {
    Object.assign(this, { answers, menu, now });
    this.part = leadPart("Next action", () => [], { kind: "action" });
    this.title = el("p.title");
    this.clock = waitClock();
    this.why = el("div");
    this.answer = el("div");
    this.worth = el("p.meta");
    this.reply = new ReplyOffer(door);
    this.open = el("div", {}, this.title, this.clock.node, this.why, this.answer, this.reply.node, this.worth);
    this.none = el("p.meta", {}, "Nothing to do for this lead now.");
    this.part.body.replaceChildren(this.open, this.none);
    this.forget();
  }

  /** Nothing of the lead stays, not even in a label. */
  forget() {
    this.action = null;
    this.buttons = answerButtons({ answers: this.answers, menu: this.menu });
    this.buttons.node.firstElementChild.after(this.buttons.copy);
    this.answer.replaceChildren(this.buttons.node, this.buttons.trouble);
    this.reply.forget();
    this.why.replaceChildren();
    for (const node of [this.title, this.worth]) setText(node, "");
    this.open.hidden = true;
    this.none.hidden = false;
  }

  /** `messages` oldest first; `ways`: live_lead_words.waysToReach. */
  show(leadId, intelligence, messages, ways) {
    const action = intelligence?.next_action ?? null;
    const hadFocus = this.open.contains(this.open.getRootNode().activeElement);
    if (!action && hadFocus) this.part.head.focus({ preventScroll: true });
    this.action = action;
    this.open.hidden = !action;
    this.none.hidden = Boolean(action);
    if (!action) return;
    setText(this.title, action.title);
    this.clock.update(action, intelligence);
    this.#writeWhy();
    this.buttons.update(itemOf(intelligence));
    setText(this.worth, worthOf(action));
    const newest = newestInbound(messages)?.event_id ?? null;
    this.reply.node.hidden = newest === null;
    this.reply.show(leadId, newest, ways);
    this.tick();
  }

  /** The wait of the lead for a person, kept true by the page's clock. */
  tick() {
    if (!this.action) return;
    writeClock(this.clock.node, this.now());
    if (this.saysPutOff !== isPutOff(this.action, this.now())) this.#writeWhy(); // its time has passed
  }

  #writeWhy() {
    const now = this.now();
    this.saysPutOff = isPutOff(this.action, now);
    this.why.replaceChildren(...reasonsToAct(this.action, now).map(([kind, text]) => el(`p.${kind}`, {}, text)));
  }
}

/** The lead as an item of the stream next_actions: what the answers take. */
function itemOf(known) {
  const { lead_id, lead_name, assigned_to, simulated, as_of, next_action } = known;
  return { key: lead_id, lead_id, lead_name, assigned_to, simulated, at: as_of, action: next_action, acknowledged_by: null, declined_by: known.declined_by ?? [], score: known.score.value?.probability ?? null };
}

/** Lines of evidence beside the clock and the head's score, why nobody may be reached, and until when it is put off: [[class, text]]. `now` in ms, on the lead's time line. */
export function reasonsToAct(action, now) {
  return [
    ...action.evidence.map(proofInRow).filter(Boolean).map((text) => ["evidence", text]),
    ...(action.no_reach ? [["no-reach", `No call or message from here: ${action.no_reach}.`]] : []),
    ...(isPutOff(action, now) ? [["meta", comesBackInWords(action, now)]] : []),
  ];
}

function isPutOff({ snoozed_until: until }, now) {
  return Boolean(until) && Date.parse(until) > now;
}

function comesBackInWords({ snoozed_until: until, taken_on: isTakenOn }, now) {
  const time = timeOfDay(Date.parse(until), now);
  return isTakenOn ? `Taken on: comes back at ${time} if no call or message is seen.` : `Snoozed until ${time}; it comes back by itself.`;
}

function worthOf(action) {
  const words = worthInWords(action);
  return words ? `${words.charAt(0).toUpperCase()}${words.slice(1)}. ${worthRestsOn(action)}.` : "";
}
