// What an agent answers to the queue: take on, snooze, not mine, and the way back. Each is a POST that becomes an event.
// Made by live_hub.js; the queue and the lead page read `attemptOf`. The row goes at once, and comes back with the reason
// when the gateway refuses.

import { byPriority } from "./live_store.js";
import { timeOfDay } from "./live_words.js";

const CONFIRM_WITHIN_MS = 10_000; // the log's own event should be back on the stream long before
const UNDO_WITHIN_MS = 60_000; // by key; the toast with its button goes sooner
const UNDO_HELD = 20;
const SNOOZE_SHORT_MS = 2 * 3_600_000;

const ANSWERS = {
  take: { path: "acknowledge", done: () => "Taken on", failed: "Not taken" },
  snooze: { path: "snooze", done: (until) => `Snoozed until ${timeOfDay(until)}`, failed: "Not snoozed" },
  decline: { path: "not-mine", done: () => "Not yours", failed: "Not passed on" },
  back: { path: "reopen", done: () => "Back in the queue", failed: "Not taken back" },
};

/** The answers of this screen's user. An item is one of the stream next_actions, with an action. */
export class Answers {
  /**
   * `current(leadId)`: the stream's newest item; `now()`: the leads' own time in ms; `changed(item)`: draw it again;
   * `tell(text, undo)`: say what was done, with the way back or null.
   */
  constructor({ api, outside, team, current, now, changed, tell }) {
    Object.assign(this, { api, outside, team, current, now, changed, tell });
    this.attempts = new Map(); // action_id -> {verb, name: sending | sent | failed, item, message, until, timer}
    this.lines = new Map(); // lead_id -> the last post for it: posts of one lead go out in order
    this.done = []; // what can be taken back, newest last
  }

  /** What became of the newest answer to the action: {verb: take | snooze | decline | back, name, message}, or undefined. */
  attemptOf(actionId) {
    return this.attempts.get(actionId);
  }

  take(item) {
    return this.#answer(item, "take");
  }

  /** `untilMs`: on the leads' own time line. */
  snooze(item, untilMs = this.now() + SNOOZE_SHORT_MS) {
    return this.#answer(item, "snooze", untilMs);
  }

  decline(item) {
    return this.#answer(item, "decline");
  }

  /** Take back the newest answer that is not older than a minute. */
  undo() {
    const last = this.done.pop();
    if (!last || this.outside.now() - last.at > UNDO_WITHIN_MS) return this.tell("Nothing to take back.", null);
    const attempt = this.#begin(last.item, "back");
    this.tell(`${ANSWERS.back.done()}: ${last.item.lead_name}`, null);
    return this.#inTurn(last.item, () => (last.refused ? this.#forget(attempt) : this.#post(attempt, last)));
  }

  /** The queue as its user means it: without what was just answered, with what was just taken back. `mine`: only their own leads. */
  queue(items, { mine = false } = {}) {
    if (!this.attempts.size) return items;
    const shown = items.filter((item) => !this.#hides(item, mine));
    const ids = new Set(shown.map((item) => item.action.action_id));
    const back = [...this.attempts.values()].filter(({ verb, name, item }) => verb === "back" && name !== "failed" && !ids.has(item.action.action_id));
    return back.length ? [...shown, ...back.map(({ item }) => item)].sort(byPriority(this.now())) : shown;
  }

  stop() {
    for (const attempt of this.attempts.values()) this.outside.cancel(attempt.timer);
  }

  #hides(item, mine) {
    const attempt = this.attempts.get(item.action.action_id);
    if (!attempt || attempt.name === "failed") return false;
    return attempt.verb === "take" || attempt.verb === "snooze" || (attempt.verb === "decline" && mine);
  }

  async #answer(item, verb, until = null) {
    const attempt = this.attempts.get(item.action.action_id);
    if (attempt && attempt.verb !== "back" && attempt.name !== "failed") return; // said already
    const entry = { item, at: this.outside.now(), refused: false };
    this.done = [...this.done, entry].slice(-UNDO_HELD);
    const mine = this.#begin(item, verb, until);
    this.tell(`${ANSWERS[verb].done(until)}: ${item.lead_name}`, () => this.undo());
    await this.#inTurn(item, () => this.#post(mine, entry));
  }

  #begin(item, verb, until = null) {
    this.outside.cancel(this.attempts.get(item.action.action_id)?.timer);
    const attempt = { verb, name: "sending", item, until, message: "" };
    this.attempts.set(item.action.action_id, attempt);
    this.changed(item);
    return attempt;
  }

  #inTurn({ lead_id: leadId }, post) {
    const mine = (this.lines.get(leadId) ?? Promise.resolve()).then(post);
    this.lines.set(leadId, mine);
    return mine.then(() => this.lines.get(leadId) === mine && this.lines.delete(leadId));
  }

  async #post(attempt, entry) {
    const { item, verb, until } = attempt;
    const path = `/v1/leads/${encodeURIComponent(item.lead_id)}/actions/${encodeURIComponent(item.action.action_id)}/${ANSWERS[verb].path}`;
    const answer = await this.api.post(path, until === null ? undefined : { until: new Date(until).toISOString() });
    if (!answer.ok) return this.#refused(attempt, entry, answer.message);
    if (!this.#isNewest(attempt)) return;
    attempt.name = "sent";
    attempt.timer = this.outside.later(() => this.#conclude(attempt), CONFIRM_WITHIN_MS);
    this.changed(item);
  }

  #refused(attempt, entry, message) {
    entry.refused = true;
    this.done = this.done.filter((other) => other !== entry);
    if (!this.#isNewest(attempt)) return;
    Object.assign(attempt, { name: "failed", message: `${ANSWERS[attempt.verb].failed}: ${message}` });
    this.changed(attempt.item);
    this.tell(`${attempt.item.lead_name}: ${attempt.message}`, null);
  }

  /** By now the stream tells the answer itself: an older item that came late cannot bring the row back any more. */
  #conclude(attempt) {
    if (!this.#isNewest(attempt)) return;
    if (!this.#stillOpen(attempt)) return this.#forget(attempt);
    Object.assign(attempt, { name: "failed", message: "Sent, but not confirmed yet. Try again if it stays." });
    this.changed(attempt.item);
  }

  #stillOpen({ verb, item }) {
    const now = this.current(item.lead_id);
    if (verb === "back" || now?.action?.action_id !== item.action.action_id || now.acknowledged_by) return false;
    if (verb === "snooze") return !now.action.snoozed_until;
    return verb === "take" || !this.team.hasDeclined(now.declined_by);
  }

  #forget(attempt) {
    if (!this.#isNewest(attempt)) return;
    this.outside.cancel(attempt.timer);
    this.attempts.delete(attempt.item.action.action_id);
    this.changed(attempt.item);
  }

  #isNewest(attempt) {
    return this.attempts.get(attempt.item.action.action_id) === attempt;
  }
}
