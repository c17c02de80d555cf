// What was put off: snoozed, taken on, passed on ("not mine"). A line at the queue's foot counts it, a tap shows it below
// the open rows, each with the way back. Made by live_view.js.

import { timeOfDay } from "./live_words.js";
import { el, KeyedList, setText } from "./live_dom.js";
import { leadButton, writeTags } from "./live_rows.js";

const PUT_OFF_ROWS = 50;
const PUT_OFF_WORDS = { snoozed: "snoozed", taken: "taken on", declined: "not mine" };

/** Why an item is not among the open ones at `now`: snoozed, taken or declined. */
export function whyPutOff({ action }, now) {
  if (!action.snoozed_until || Date.parse(action.snoozed_until) <= now) return "declined";
  return action.taken_on ? "taken" : "snoozed";
}

/** "2 snoozed, 3 not mine": only what there is; "" for nothing. */
export function putOffCounts(items, now) {
  const reasons = items.map((item) => whyPutOff(item, now));
  const count = (why) => reasons.filter((one) => one === why).length;
  return Object.entries(PUT_OFF_WORDS).map(([why, words]) => [count(why), words]).filter(([n]) => n).map(([n, words]) => `${n} ${words}`).join(", ");
}

/** Until when, and what brings it back. */
export function reasonPutOff(item, now) {
  const why = whyPutOff(item, now);
  if (why === "declined") return "Passed on by you: not in your queue, still in the team's";
  const until = timeOfDay(Date.parse(item.action.snoozed_until), now);
  return why === "taken" ? `Taken on: back at ${until} if no call or message is seen` : `Snoozed until ${until}`;
}

export class PutOff {
  /** `panel`: the queue's; `isShown`: whether the rows are; `chosen(shown)`: the user wants them or no more; the rest as for the queue's rows. */
  constructor(panel, deps) {
    Object.assign(this, { panel, ...deps });
    this.button = el("button.put-off-button", { type: "button", onclick: () => this.#turn() });
    this.line = el("p.put-off-line", { hidden: true }, this.button);
    this.heading = el("h3", { tabindex: "-1" }, "Put off");
    const rows = el("ol.rows");
    this.more = el("p.more.meta");
    this.node = el("div.put-off", { role: "group", "aria-label": "Put off", hidden: true }, this.heading, rows, this.more);
    this.list = new KeyedList(rows, (item) => this.#row(item));
    panel.rows.parentElement.append(this.node);
    panel.node.append(this.line);
  }

  /** As of `now`, the leads' own time. */
  paint(now) {
    const items = this.#items(now);
    const words = putOffCounts(items, now);
    const hadFocus = this.node.contains(this.node.getRootNode().activeElement);
    this.line.hidden = words === "";
    setText(this.button, `${words}: ${this.isShown ? "hide" : "show"}`);
    this.button.setAttribute("aria-expanded", String(this.isShown));
    this.node.hidden = !this.isShown || words === "";
    this.list.show(this.node.hidden ? [] : items.slice(0, PUT_OFF_ROWS));
    setText(this.more, items.length > PUT_OFF_ROWS ? `${items.length - PUT_OFF_ROWS} more: narrow by search or filter` : "");
    if (hadFocus && this.node.hidden) this.leftEmpty();
    if (this.revealed && !this.node.hidden) this.heading.scrollIntoView({ block: "center" });
    this.revealed = false;
  }

  show(isShown) {
    this.isShown = isShown;
  }

  /** Soonest back first, then what only its user does not see. What is being taken back stands among the open ones already. */
  #items(now) {
    const { store, filter, answers } = this;
    const later = filter.of(store.putOffActions(now));
    const passed = filter.passedOn(store.openActions(now));
    const isBack = ({ action }) => {
      const attempt = answers.attemptOf(action.action_id);
      return attempt?.verb === "back" && attempt.name !== "failed";
    };
    return [...later, ...passed].filter((item) => !isBack(item));
  }

  #turn() {
    this.isShown = this.revealed = !this.isShown;
    this.chosen(this.isShown);
  }

  #row(first) {
    const { openLead, answers, agentName, facetOf } = this;
    let item = first;
    const name = leadButton(first, openLead);
    const tags = el("span.tags");
    const about = el("span.now-about.meta");
    const open = el("button.quiet", { type: "button", onclick: () => answers.reopen(item) }, "Open again");
    const what = el("p");
    const until = el("p.meta");
    const trouble = el("p.trouble-line", { role: "alert" });
    const node = el("li", {}, el("div", {}, el("div.line", {}, name, tags, about), what, until, trouble), open);
    const update = (next) => {
      item = next;
      setText(name, next.lead_name);
      writeTags(tags, next);
      setText(about, [facetOf(next.lead_id).stage, agentName(next.assigned_to)].filter(Boolean).join(" · "));
      setText(what, next.action.title);
      setText(until, reasonPutOff(next, this.now()));
      open.setAttribute("aria-label", `Open again: ${next.lead_name}`);
      setText(trouble, answers.attemptOf(next.action.action_id)?.message ?? "");
    };
    return { node, update };
  }
}
