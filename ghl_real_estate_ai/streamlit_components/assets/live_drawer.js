// One lead, whole: numbers with their cause and model, next action, homes, reasons, conversation, timeline.
// Opened by live_hub.js; asks GET /v1/leads/{id} and asks again when a stream speaks of the lead.

import { causeInWords, channelName, clockTime, gapNames, homeFacts, homeName, messageText, money, percent, points, stampInWords, wishName, OUTCOME_SIGNS, STAGE_WORDS } from "./live_words.js";
import { el, simulatedTag, staleTag } from "./live_dom.js";
import { noHomes, takeButton, writeWaiting } from "./live_rows.js";
import { reason } from "./live_api.js";

const REFRESH_AFTER_MS = 400; // several streams speak of one event: ask once
const REASONS_SHOWN = 5;
const STARTING_POINT = "base"; // what the model says of anybody: not a reason about this lead

export class LeadDrawer {
  constructor(dialog, { apiUrl, token, actions, signedOut, outside }) {
    Object.assign(this, { dialog, apiUrl, token, actions, signedOut, outside });
    dialog.addEventListener("close", () => this.#forget());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop
  }

  /** `name` heads the drawer until the gateway has answered. */
  async open(leadId, name) {
    Object.assign(this, { leadId, name, answer: null });
    this.#show(el("p.empty", {}, "Opening…"), name);
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    await this.#load();
  }

  /** A stream spoke of this lead. */
  heard(leadId) {
    if (leadId !== this.leadId || this.timer) return;
    this.timer = this.outside.later(() => {
      this.timer = null;
      this.#load();
    }, REFRESH_AFTER_MS);
  }

  /** An attempt to take the action on changed. */
  attemptChanged(item) {
    if (item.lead_id === this.leadId && this.answer) this.#showLead();
  }

  stop() {
    if (this.dialog.open) this.dialog.close();
    this.#forget();
  }

  #forget() {
    this.outside.cancel(this.timer);
    Object.assign(this, { leadId: null, timer: null, answer: null });
    this.dialog.replaceChildren();
  }

  async #load() {
    const leadId = this.leadId;
    if (!leadId) return;
    try {
      const answer = await this.outside.fetch(`${this.apiUrl}/v1/leads/${encodeURIComponent(leadId)}`, {
        headers: { Authorization: `Bearer ${this.token}` },
      });
      if (answer.status === 401) return this.signedOut();
      if (!answer.ok) return this.#fail(leadId, await reason(answer));
      const body = await answer.json();
      if (leadId !== this.leadId) return; // another lead was opened, or none
      this.answer = body;
      this.#showLead();
    } catch {
      this.#fail(leadId, "The gateway does not answer.");
    }
  }

  #fail(leadId, message) {
    if (leadId !== this.leadId) return;
    const again = el("button.take", { type: "button", onclick: () => this.#load() }, "Try again");
    const old = this.answer ? [el("p.meta", {}, "What you see below is from before."), ...this.#sections()] : [];
    const trouble = el("section.part", {}, el("p.trouble-line", { role: "alert" }, message), again);
    this.#show(el("div", {}, trouble, ...old), this.#name());
  }

  #name() {
    return this.answer?.intelligence?.lead_name ?? this.name;
  }

  #showLead() {
    this.#show(el("div", {}, ...this.#sections()), this.#name(), this.answer.intelligence?.simulated);
  }

  #sections() {
    const { intelligence, timeline, conversation, reasons } = this.answer;
    if (!intelligence) return [el("p.empty", {}, "Nothing is concluded about this lead yet."), timelineSection(timeline)];
    return [
      numbersSection(intelligence),
      this.#actionSection(intelligence),
      homesSection(intelligence.matches),
      reasonsSection(reasons),
      conversationSection(conversation),
      timelineSection(timeline),
    ].filter(Boolean);
  }

  #actionSection({ next_action: action, lead_id, lead_name }) {
    if (!action) return section("Next action", el("p.meta", {}, "Nothing to do for this lead now."));
    const item = { key: lead_id, lead_id, lead_name, action };
    const taker = takeButton({ take: (taken) => this.actions.take(taken) });
    taker.update(item, this.actions.attemptOf(action.action_id));
    const waiting = el("span.waiting");
    writeWaiting(waiting, action.waiting_since);
    return section(
      "Next action",
      el("div.line", {}, el("p.title", {}, action.title), el("span.push", {}, taker.button)),
      waiting,
      ...action.evidence.map((evidence) => el("p.evidence", {}, evidence.text)),
      taker.trouble,
    );
  }

  #show(content, name, simulated = false) {
    const { scrollTop } = this.dialog;
    const focused = [...this.dialog.querySelectorAll("button")].indexOf(this.dialog.getRootNode().activeElement);
    const close = el("button.quiet", { type: "button", onclick: () => this.dialog.close() }, "Close");
    const head = el(
      "header.drawer-head",
      {},
      el("h2", { id: "hub-lead" }, name),
      simulated ? simulatedTag() : null,
      el("span.push", {}, close),
    );
    this.dialog.replaceChildren(head, content);
    this.dialog.scrollTop = scrollTop;
    const buttons = this.dialog.querySelectorAll("button");
    if (focused >= 0) (buttons[focused] ?? close).focus({ preventScroll: true });
  }
}

function section(title, ...children) {
  return el("section.part", {}, el("h3", {}, title), ...children);
}

function numbersSection({ stage, assigned_to, as_of, score, churn, cause }) {
  const facts = [`Stage ${stage}`, assigned_to ? `with ${assigned_to}` : "not assigned", `as of ${clockTime(as_of)}`];
  const risk = churn.value;
  return el(
    "section.part",
    {},
    el("p.meta", {}, facts.join(" · ")),
    el(
      "div.numbers",
      {},
      bigNumber(score, "Score", (value) => `chance of an appointment within ${value.horizon_days} days`, cause, "score"),
      bigNumber(
        churn,
        risk ? `Churn risk · ${STAGE_WORDS[risk.stage]}` : "Churn risk",
        (value) => `chance of silence for ${value.horizon_days} days`,
        cause,
        "churn",
      ),
    ),
  );
}

function bigNumber(part, label, meaning, cause, side) {
  const { change, text } = causeInWords(cause, side);
  const byTime = points(cause[`${side}_by_time`]);
  return el(
    "div.big",
    {},
    el("p.meta", {}, label, " ", part.stale_reason ? staleTag(part.stale_reason) : null),
    el("p.figure", {}, percent(part.value?.probability)),
    part.value ? el("p.meta", {}, meaning(part.value)) : null,
    el("p.why-line", {}, change ? el("b", {}, `${change} points `) : "No change after: ", text),
    byTime && points(cause[`${side}_by_event`]) ? el("p.meta", {}, `${byTime} points with the time before that`) : null,
    part.stale_reason ? el("p.trouble-line", {}, `Not up to date: ${part.stale_reason}`) : null,
    part.value ? el("p.stamp", {}, stampInWords(part.value.model)) : null,
  );
}

function homesSection(matches) {
  const homes = matches.value ?? [];
  if (!homes.length) return section("Homes", el("p.meta", {}, noHomes(matches)));
  const stale = matches.stale_reason ? el("p.trouble-line", {}, `Not up to date: ${matches.stale_reason}`) : null;
  const gaps = homes[0].gaps?.length ? el("p.stamp", {}, `Not considered: ${gapNames(homes[0].gaps)}.`) : null;
  return section("Homes", stale, el("ol.rows.plain", {}, ...homes.map(homeItem)), gaps);
}

function homeItem({ listing, overall_score, wishes }) {
  const results = wishes.map((result) =>
    el(
      `li.wish-${result.outcome}`,
      {},
      el("span.sign", { "aria-hidden": "true" }, OUTCOME_SIGNS[result.outcome]),
      el("span.hidden", {}, `${result.outcome}: `),
      result.detail || wishName(result.wish),
    ),
  );
  return el(
    "li",
    {},
    el(
      "div.line",
      {},
      el("b", {}, homeName(listing)),
      listing.Simulated ? simulatedTag() : null,
      el("span.push.number.strong", {}, `${percent(overall_score)} fit`),
    ),
    el("p.home", {}, [money(listing.ListPrice), homeFacts(listing)].filter(Boolean).join(" · ")),
    el("ul.wishes", {}, ...results),
  );
}

/** What pushed each model's number up or down, strongest first. */
function reasonsSection(reasons) {
  if (!reasons) return null;
  const lists = Object.entries({ Score: reasons.score, "Churn risk": reasons.churn }).filter(([, parts]) => parts);
  if (!lists.length) return null;
  return section("Why", ...lists.map(([title, parts]) => reasonList(title, parts)));
}

function reasonList(title, contributions) {
  const strongest = Object.entries(contributions)
    .filter(([name, weight]) => name !== STARTING_POINT && weight !== 0)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
    .slice(0, REASONS_SHOWN);
  const most = Math.abs(strongest[0]?.[1] ?? 1);
  const rows = strongest.map(([name, weight]) =>
    el(
      "li",
      {},
      el("span", {}, name.replaceAll("_", " ")),
      el("span.meta", {}, weight > 0 ? "raises" : "lowers"),
      el("span.weight", { "aria-hidden": "true" }, el("i", { style: `width:${(100 * Math.abs(weight)) / most}%` })),
    ),
  );
  return el("div", {}, el("p.meta", {}, title), el("ul.reasons", {}, ...rows));
}

function conversationSection(messages = []) {
  if (!messages.length) return section("Conversation", el("p.meta", {}, "Nobody has written yet."));
  const newestFirst = [...messages].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  const rows = newestFirst.map((message) =>
    el(
      `li.${message.direction}`,
      {},
      el(
        "p.meta",
        {},
        message.direction === "inbound" ? "Lead" : message.human ? "Team" : "Automation",
        ` · ${channelName(message.channel)} · ${clockTime(message.at)} `,
        message.simulated ? simulatedTag() : null,
      ),
      el("p.text", {}, messageText(message)),
    ),
  );
  return section("Conversation", el("ul.rows.plain.talk", {}, ...rows));
}

function timelineSection(timeline = []) {
  const rows = timeline.map((entry) =>
    el("li.line", {}, el("time.meta", { datetime: entry.at }, clockTime(entry.at)), el("span", {}, entry.summary)),
  );
  return section("Timeline", rows.length ? el("ol.rows.plain.timeline", {}, ...rows) : el("p.meta", {}, "No events yet."));
}
