// What an agent answers to the queue: take on, snooze, answered, not mine, and the way back. Each is a POST that becomes an event.
// Made by live_hub.js; the queue and the lead page read `attemptOf`. The row turns grey at once, goes when the gateway has
// saved the answer, and is as before, with the reason, when the gateway refuses.

import { byPriority } from "./live_store.js";
import { timeOfDay } from "./live_words.js";

const SLOW_AFTER_MS = 3_000; // no answer yet: a person should know before the phone goes into the pocket
const NOT_SAVED_YET = "Not saved yet: the gateway has not answered.";
const CONFIRM_WITHIN_MS = 10_000; // the log's own event should be back on the stream long before
const UNDO_WITHIN_MS = 60_000; // by key; the toast with its button goes sooner
const UNDO_HELD = 20;
const SNOOZE_SHORT_MS = 2 * 3_600_000;
const TAKEN_FOR_MS = 4 * 3_600_000; // as the gateway has it: the action comes back then, unless a call or a message was seen

const ANSWERS = {
  take: { path: "acknowledge", doing: "Taking on…", done: (until) => `Taken on until ${until}`, failed: "Not taken" },
  snooze: { path: "snooze", doing: "Snoozing…", done: (until) => `Snoozed until ${until}`, failed: "Not snoozed" },
  answered: { path: "answered", doing: "Marking…", done: () => "Marked as answered", failed: "Not marked" },
  decline: { path: "not-mine", doing: "Passing on…", done: () => "Not yours", failed: "Not passed on" },
  back: { path: "reopen", doing: "Taking back…", done: () => "Back in the queue", failed: "Not taken back" },
};

/** The answers of this screen's user. An item is one of the stream next_actions, with an action. */
export class Answers {
  /**
   * `current(leadId)`: the stream's newest item; `now()`: the leads' own time in ms; `changed(item)`: draw it again;
   * `tell(text, undo)`: say what was done, with the way back or null; `isLive()`: whether the stream can confirm anything now.
   */
  constructor({ api, outside, team, current, now, changed, tell, isLive = () => true }) {
    Object.assign(this, { api, outside, team, current, now, changed, tell, isLive });
    this.attempts = new Map(); // action_id -> {verb, name: sending | sent | failed, item, message, until, timer}
    this.lines = new Map(); // lead_id -> the last post for it: posts of one lead go out in order
    this.told = null; // the attempt that the line at the bottom speaks of
    this.done = []; // what can be taken back, newest last
  }

  /** What became of the newest answer to the action: {verb: take | snooze | answered | decline | back, name, message}, or undefined. */
  attemptOf(actionId) {
    this.#dropConfirmed();
    return this.attempts.get(actionId);
  }

  take(item) {
    return this.#answer(item, "take");
  }

  /** `untilMs`: on the leads' own time line. */
  snooze(item, untilMs = this.now() + SNOOZE_SHORT_MS) {
    return this.#answer(item, "snooze", untilMs);
  }

  /** Nothing waits for an answer any more: the clock stops, and nothing is sent. */
  answered(item) {
    return this.#answer(item, "answered");
  }

  decline(item) {
    return this.#answer(item, "decline");
  }

  /** Take back the newest answer that is not older than a minute. */
  undo() {
    const last = this.done.pop();
    if (!last || this.outside.now() - last.at > UNDO_WITHIN_MS) return this.tell("Nothing to take back.", null);
    const attempt = this.#begin(last.item, "back");
    return this.#inTurn(last.item, () => (last.refused ? this.#nothingToTakeBack(attempt) : this.#post(attempt, last)));
  }

  /** Open again what was put off, itself or along with another action, however long ago. Its own undo has nothing to take back any more. */
  reopen(item) {
    const isSame = (other) => other.action.action_id === item.action.action_id;
    const attempt = this.attempts.get(item.action.action_id);
    if (attempt?.verb === "back" && attempt.name !== "failed") return; // said already
    this.done = this.done.filter((entry) => !isSame(entry.item));
    const mine = this.#begin(item, "back");
    mine.actionId = item.action.put_off_by ?? item.action.action_id;
    return this.#inTurn(item, () => this.#post(mine, { item, at: this.outside.now(), refused: false }));
  }

  /** The queue as its user means it: without what was just answered, with what was just taken back. `mine`: only their own leads; `shows(item)`: it passes the filter. */
  queue(items, { mine = false, shows = () => true } = {}) {
    this.#dropConfirmed();
    if (!this.attempts.size) return items;
    const back = [...this.attempts.values()].filter(({ verb, name }) => verb === "back" && name !== "failed").map(({ item }) => item).filter(shows);
    const leads = new Set(back.map(({ key }) => key)); // one row per lead, also where the stream tells of a newer action
    const shown = items.filter((item) => !this.#hides(item, mine) && !leads.has(item.key));
    const held = new Map(items.map((item) => [item.action.action_id, item]));
    const newest = (item) => held.get(item.action.action_id) ?? item;
    return back.length ? [...shown, ...back.map(newest)].sort(byPriority(this.now())) : shown;
  }

  stop() {
    for (const attempt of this.attempts.values()) this.outside.cancel(attempt.timer);
    this.attempts.clear(); // an answer that comes later begins nothing any more
  }

  #hides(item, mine) {
    const attempt = this.attempts.get(item.action.action_id);
    if (attempt?.name !== "sent") return false;
    return attempt.verb === "decline" ? mine : attempt.verb !== "back";
  }

  async #answer(item, verb, until = null) {
    const attempt = this.attempts.get(item.action.action_id);
    if (attempt && attempt.verb !== "back" && attempt.name !== "failed") return; // said already
    const entry = { item, at: this.outside.now(), refused: false };
    this.done = [...this.done, entry].slice(-UNDO_HELD);
    const mine = this.#begin(item, verb, until);
    await this.#inTurn(item, () => this.#post(mine, entry));
  }

  #begin(item, verb, until = null) {
    this.outside.cancel(this.attempts.get(item.action.action_id)?.timer);
    const attempt = { verb, name: "sending", item, until, message: "" };
    attempt.timer = this.outside.later(() => this.#slow(attempt), SLOW_AFTER_MS);
    this.attempts.set(item.action.action_id, attempt);
    this.told = attempt;
    this.#say(attempt, ANSWERS[verb].doing);
    this.changed(item);
    return attempt;
  }

  /** With the way back, unless this is the way back. Only while the line at the bottom speaks of no newer answer. */
  #say(attempt, words) {
    if (this.told !== attempt) return;
    this.tell(`${words} ${attempt.item.lead_name}`, attempt.verb === "back" ? null : () => this.undo());
  }

  #slow(attempt) {
    if (!this.#isNewest(attempt)) return;
    attempt.message = NOT_SAVED_YET;
    this.#say(attempt, `${NOT_SAVED_YET} ${ANSWERS[attempt.verb].doing}`);
    this.changed(attempt.item);
  }

  #inTurn({ lead_id: leadId }, post) {
    const mine = (this.lines.get(leadId) ?? Promise.resolve()).then(post);
    this.lines.set(leadId, mine);
    return mine.then(() => this.lines.get(leadId) === mine && this.lines.delete(leadId));
  }

  async #post(attempt, entry) {
    const { item, verb, until, actionId = item.action.action_id } = attempt;
    const path = `/v1/leads/${encodeURIComponent(item.lead_id)}/actions/${encodeURIComponent(actionId)}/${ANSWERS[verb].path}`;
    const answer = await this.api.post(path, until === null ? undefined : { until: new Date(until).toISOString() });
    if (!answer.ok) return this.#refused(attempt, entry, answer);
    if (!this.#isNewest(attempt)) return;
    this.outside.cancel(attempt.timer);
    Object.assign(attempt, { name: "sent", message: "" });
    attempt.timer = this.outside.later(() => this.#conclude(attempt), CONFIRM_WITHIN_MS);
    this.#say(attempt, `${ANSWERS[verb].done(this.#backAt(verb, until))}:`);
    this.changed(item);
  }

  /** When an action that was put off comes back, in words. */
  #backAt(verb, until) {
    const now = this.now();
    return timeOfDay(verb === "take" ? now + TAKEN_FOR_MS : until, now);
  }

  #refused(attempt, entry, { message, unknown = false }) {
    const isBack = attempt.verb === "back";
    if (isBack) this.done = [...this.done, { ...entry, at: this.outside.now() }].slice(-UNDO_HELD); // it can be tried again
    else {
      entry.refused = !unknown;
      this.done = this.done.filter((other) => other !== entry);
    }
    if (!this.#isNewest(attempt)) return;
    this.outside.cancel(attempt.timer);
    Object.assign(attempt, { name: "failed", message: `${ANSWERS[attempt.verb].failed}: ${message}` });
    this.changed(attempt.item);
    this.tell(`${attempt.item.lead_name}: ${attempt.message}`, isBack ? () => this.undo() : null);
  }

  #nothingToTakeBack(attempt) {
    this.#say(attempt, "Nothing was saved, nothing to take back:");
    this.#forget(attempt);
  }

  /** By now the stream tells the answer itself: an older item that came late cannot bring the row back any more. */
  #conclude(attempt) {
    if (!this.#isNewest(attempt)) return;
    if (!this.#stillOpen(attempt)) return this.#forget(attempt);
    if (this.outside.hidden() || !this.isLive()) {
      attempt.timer = this.outside.later(() => this.#conclude(attempt), CONFIRM_WITHIN_MS); // nothing is heard meanwhile
      return;
    }
    Object.assign(attempt, { name: "failed", message: "Saved, but the queue has not caught up yet. Try again if it stays." });
    this.changed(attempt.item);
  }

  /** What failed, or seemed to, and is told by the stream after all. */
  #dropConfirmed() {
    for (const [actionId, attempt] of this.attempts) {
      if (attempt.name === "failed" && attempt.verb !== "back" && !this.#stillOpen(attempt)) this.attempts.delete(actionId);
    }
  }

  #stillOpen({ verb, item }) {
    const now = this.current(item.lead_id);
    if (verb === "back" || now?.action?.action_id !== item.action.action_id || now.acknowledged_by) return false;
    if (verb === "decline") return !this.team.hasDeclined(now.declined_by);
    return verb === "answered" || !now.action.snoozed_until;
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
