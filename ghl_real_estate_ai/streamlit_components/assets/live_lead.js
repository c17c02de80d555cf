// One lead, whole: a page over the screen with all that is known of it and all that can be done about it.
// Opened by live_hub.js; asks GET /v1/leads/{id} and asks again when a stream speaks of the lead.

import { clockTime, hasMeetingAhead } from "./live_words.js";
import { el } from "./live_dom.js";
import { waysToReach } from "./live_lead_words.js";
import { LeadHead } from "./live_lead_head.js";
import { LeadAction } from "./live_lead_action.js";
import { LeadWishes } from "./live_lead_wishes.js";
import { churnPart, curvePart, scorePart, whyPart } from "./live_lead_numbers.js";
import { LeadHomes } from "./live_lead_homes.js";
import { LeadTalk } from "./live_lead_talk.js";
import { LeadTimeline } from "./live_lead_timeline.js";

const REFRESH_AFTER_MS = 400; // several streams speak of one event: ask once
const TRY_AGAIN_MS = 5_000; // after trouble, while the page is open
const CURVE_STEP_MS = 60_000;
const GONE = 404;
const GONE_WORDS = "This lead is not here: it was deleted or forgotten, or belongs to another location. Close this page and look for it in the list.";

export class LeadPage {
  /**
   * `api`: the gateway's HTTP door (live_api.js); `team`: names by CRM id; `answers`, `menu`: what is answered to
   * an action (live_actions.js, live_now.js); `user`: who looks; `toast`: the node of the undo line, which moves into the page while it is open; `now()`: the
   * leads' own time in ms, the same as in the queue; `line()`: {name, words} of the live connection; `closed()` runs afterwards.
   */
  constructor(dialog, { api, team, answers, menu, outside, user, toast, now, line = () => ({ name: "live", words: "live" }), closed = () => {} }) {
    Object.assign(this, { dialog, api, team, answers, menu, outside, user, toast, now, line, closed });
    this.#makeParts();
    dialog.addEventListener("close", () => this.#forget());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop
  }

  #makeParts() {
    const nameOfUser = (userId) => (userId ? this.team.nameOf(userId) : "");
    const door = {
      get: (path) => this.api.get(path),
      post: (path, body) => this.api.post(path, body),
      later: (run, ms) => this.outside.later(run, ms),
      cancel: (timer) => this.outside.cancel(timer),
      reload: () => this.#load(),
      nameOfUser,
    };
    this.head = new LeadHead({ nameOfUser, close: () => this.dialog.close() });
    this.action = new LeadAction({ answers: this.answers, menu: this.menu, now: () => this.now(), door });
    this.wishes = new LeadWishes(door);
    this.score = scorePart();
    this.churn = churnPart();
    this.curve = curvePart();
    this.why = whyPart();
    this.homes = new LeadHomes(door);
    this.talk = new LeadTalk(door);
    this.timeline = new LeadTimeline(door);
    this.#layOut();
  }

  /** Built once: what comes later is written into the parts, so scroll, focus and half-typed wishes stay. */
  #layOut() {
    const column = (name, ...parts) => el(`div.lead-column.lead-${name}`, {}, ...parts.map((part) => part.node));
    const { action, wishes, score, churn, curve, why, homes, talk, timeline } = this;
    this.trouble = el("div.lead-trouble", { role: "alert", hidden: true });
    this.skeleton = el("div.lead-skeleton", { "aria-hidden": "true" }, ...Array.from({ length: 9 }, () => el("i")));
    this.columns = el(
      "div.lead-columns",
      {},
      column("do", action.part, wishes.part),
      column("numbers", score, churn, curve, why, homes.part),
      column("said", talk.part, timeline.part),
    );
    const jumps = [["Do", action.part], ["Wishes", wishes.part], ["Numbers", score], ["Homes", homes.part], ["Talk", talk.part], ["Timeline", timeline.part]];
    this.jump = el("nav.lead-jump", { "aria-label": "Parts of this page" }, ...jumps.map(([title, part]) => this.#jumpButton(title, part)));
    this.status = el("p.hidden", { role: "status" });
    this.dialog.classList.add("lead-page");
    this.dialog.replaceChildren(this.head.node, this.jump, this.trouble, this.status, this.skeleton, this.columns);
  }

  #jumpButton(title, part) {
    const jump = () => {
      part.head.focus({ preventScroll: true });
      part.node.scrollIntoView({ block: "start" });
    };
    return el("button", { type: "button", onclick: jump }, title);
  }

  /** `name` heads the page until the gateway has answered. */
  async open(leadId, name) {
    if (this.dialog.open && leadId === this.leadId) return;
    if (this.leadId) this.#forgetLead();
    Object.assign(this, { leadId, answer: null });
    this.head.begin(name);
    this.head.showLine(this.line());
    this.#setLoading(true);
    if (this.toast) this.dialog.append(this.toast); // outside of a modal dialog it could not be reached
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    this.head.name.focus({ preventScroll: true });
    await this.#load();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  /** A stream spoke of this lead. */
  heard(leadId) {
    if (!leadId || leadId !== this.leadId || this.timer) return;
    this.#loadIn(REFRESH_AFTER_MS);
  }

  /** Write again what came from elsewhere: answers, names of the team. */
  refresh() {
    if (this.answer) this.#show();
  }

  /** What changes without an event: once a second while the page is open. */
  everySecond() {
    if (!this.leadId) return;
    this.head.showLine(this.line());
    if (this.answer) this.action.tick();
  }

  stop() {
    this.close();
    this.#forget();
  }

  #loadIn(ms) {
    this.outside.cancel(this.timer);
    this.timer = this.outside.later(() => {
      this.timer = null;
      this.#load();
    }, ms);
  }

  /** One question at a time: an older answer never comes after a newer one. News while it is asked lead to another one. */
  async #load() {
    const { leadId } = this;
    if (!leadId) return;
    if (this.loading === leadId) return void (this.askAgain = true);
    this.loading = leadId;
    await this.#ask(leadId);
    if (this.loading !== leadId) return;
    this.loading = null;
    if (this.askAgain) this.#loadIn(REFRESH_AFTER_MS);
    this.askAgain = false;
  }

  async #ask(leadId) {
    const path = `/v1/leads/${encodeURIComponent(leadId)}`;
    const answer = await this.api.get(path);
    if (leadId !== this.leadId) return; // another lead was opened, or none
    if (!answer.ok) return this.#fail(answer);
    this.answer = answer.body;
    this.#setLoading(false);
    this.#showTrouble(null);
    this.#show();
    const curve = await this.api.get(`${path}/risk-curve`);
    if (leadId !== this.leadId) return;
    this.curve.show(curve.ok ? curve.body : { trouble: curve.message }, Math.floor(this.now() / CURVE_STEP_MS) * CURVE_STEP_MS);
  }

  #fail({ status, message }) {
    if (status === 401) return; // the whole screen goes to the sign-in form
    if (status === GONE) {
      this.#forgetLead({ keepId: true });
      this.#setLoading(false);
      this.columns.hidden = this.jump.hidden = true;
      this.head.begin("Not found");
      return this.#showTrouble(GONE_WORDS);
    }
    const before = this.answer ? ` What you see below is from before${this.answer.intelligence ? `, as of ${clockTime(this.answer.intelligence.as_of)}` : ""}.` : "";
    this.#showTrouble(`This lead could not be read: ${message}${before}`, true);
    this.skeleton.hidden = true;
    this.columns.classList.toggle("from-before", Boolean(this.answer));
    this.#loadIn(TRY_AGAIN_MS);
  }

  #showTrouble(words, again = false) {
    if ((this.troubleShown ?? null) === words) return;
    this.troubleShown = words;
    this.trouble.hidden = !words;
    const button = again ? el("button.quiet", { type: "button", onclick: () => this.#load() }, "Try again") : "";
    this.trouble.replaceChildren(...(words ? [el("p", {}, words), button] : []));
    if (!words) this.columns.classList.remove("from-before");
  }

  #setLoading(on) {
    this.dialog.setAttribute("aria-busy", String(on));
    this.skeleton.hidden = !on;
    this.columns.hidden = this.jump.hidden = on;
    this.status.textContent = on ? "Opening the lead" : "";
  }

  #show() {
    const { lead, intelligence, timeline, conversation, reasons, judged } = this.answer;
    const ways = waysToReach({ contact: lead.contact, reach: intelligence?.next_action?.reach, messages: conversation });
    this.head.show(this.answer, ways);
    this.action.show(this.leadId, intelligence, conversation, ways);
    this.wishes.show(this.leadId, lead.wishes, conversation, correctedAt(timeline));
    const nothing = { value: null, stale_reason: "nothing is concluded about this lead yet" };
    const { score = nothing, won = nothing, churn = nothing, matches = nothing, cause = null } = intelligence ?? {};
    this.score.show({ score, won, cause, meetingAhead: hasMeetingAhead(lead.stage, intelligence?.next_action) });
    this.churn.show({ churn, cause });
    this.why.show(reasons);
    this.homes.show(this.leadId, matches, judged);
    this.talk.show(this.leadId, conversation, ways);
    this.timeline.show(timeline, conversation, this.now(), (entry) => this.#whoDid(entry));
  }

  /** Who answered, by name where it is known: "you", a colleague's name, or "". */
  #whoDid({ user_id: userId, by }) {
    if (userId && userId === this.user?.user_id) return "you";
    return by ?? (userId && this.team.names.get(userId)) ?? "";
  }

  #forgetLead({ keepId = false } = {}) {
    this.outside.cancel(this.timer);
    Object.assign(this, { leadId: keepId ? this.leadId : null, timer: null, answer: null, loading: null, askAgain: false });
    this.#showTrouble(null);
    for (const part of [this.action, this.wishes, this.homes, this.talk, this.timeline]) part.forget();
    for (const part of [this.score, this.churn, this.curve, this.why]) part.forget();
  }

  #forget() {
    const wasOpen = Boolean(this.leadId);
    this.#forgetLead();
    this.head.begin("");
    if (this.toast && this.dialog.contains(this.toast)) this.dialog.after(this.toast);
    if (wasOpen) this.closed();
  }
}

/** When an agent last corrected the wishes, in ms; -Infinity: never. The timeline is newest first. */
function correctedAt(timeline) {
  const last = timeline.find((entry) => entry.type === "WishesCorrected");
  return last ? Date.parse(last.at) : -Infinity;
}
