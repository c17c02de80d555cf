// One row of the Now queue: who, what to do, why, how long they have waited, and the answers. Called by live_view.js.
// The lead page shows the same buttons (`answerButtons`) and the same clock.

import { addressInWords, hasMeetingAhead, percent, proofInRow, reachHref, reachVerb, saysWait, snoozeChoices, speedClock, worthInWords, worthRestsOn } from "./live_words.js";
import { copyButton } from "./live_reply.js";
import { el, headOf, setClass, setText, simulatedTag } from "./live_dom.js";

const SAID_WORDS = { take: ["Taking on…", "Taken on"], snooze: ["Snoozing…", "Snoozed"], answered: ["Marking…", "Answered"], decline: ["Passing on…", "Not yours"], back: ["Taking back…", "Open again"] };
const GONE_ASKED_EVERY_MS = 500; // while the menu is open
const EVIDENCE_SHOWN = 2; // lines before the row is opened
const FIRST_RESPONSE = "first_response";
const WAITED_FOR = new Set([FIRST_RESPONSE, "reply"]); // kinds of action that an answer by another way settles

/**
 * The answers to one action: the channel's own button, snooze with its menu, answered where an answer is waited for, not mine. `answers` is live_actions.Answers,
 * `menu` a SnoozeMenu. -> {node, copy, trouble, update(item)}; `trouble` is the line that tells why an answer was refused,
 * `copy` the button with the channel's number or address, for a desk.
 */
export function answerButtons({ answers, menu }) {
  let item = null;
  // Said already. The buttons stay where they are, with the focus: a disabled one would drop it to the page's top.
  const isBusy = () => node.classList.contains("busy");
  const act = el("a.take", { "data-do": "act", onclick: (event) => actOn(event) });
  const snooze = el("button.quiet", { type: "button", "data-do": "snooze", title: "Put off for 2 hours (s)", onclick: () => isBusy() || answers.snooze(item) }, "Snooze");
  const longer = el("button.quiet.longer", { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => isBusy() || menu.open(longer, item) }, el("span.caret", { "aria-hidden": "true" }));
  const answered = el("button.quiet", { type: "button", "data-do": "answered", title: "Answered another way, or needs no answer: stops the clock (d)", onclick: () => isBusy() || answers.answered(item) }, "Answered");
  const decline = el("button.quiet", { type: "button", "data-do": "decline", title: "Out of my queue, not of the team's (n)", onclick: () => isBusy() || answers.decline(item) }, "Not mine");
  const copy = copyButton((words) => answers.tell(words, null));
  const said = el("span.said.meta");
  const node = el("div.answers", {}, act, el("span.joined", {}, snooze, longer), answered, decline, said);
  const trouble = el("p.trouble-line", { role: "alert" });
  const actOn = (event) => {
    if (!act.href || isBusy()) event.preventDefault();
    if (!isBusy()) answers.take(item); // the link itself opens the phone's app
  };
  const update = (next) => {
    item = next;
    const attempt = answers.attemptOf(next.action.action_id);
    const busy = attempt && attempt.name !== "failed" && attempt.verb !== "back";
    const href = reachHref(next.action.reach);
    const verb = reachVerb(href ? next.action.reach : null); // of a channel without an app of its own only "Done" can be said
    if (href) act.setAttribute("href", href);
    else act.removeAttribute("href");
    act.setAttribute("role", href ? "link" : "button");
    act.tabIndex = 0;
    setText(act, verb);
    act.setAttribute("aria-label", href ? `${verb} ${next.lead_name}, ${next.action.reach.to}` : `Done: ${next.action.title}`);
    copy.show(href ? next.action.reach.to : "");
    act.title = href ? `${verb} ${next.action.reach.to} and take it on (a): it comes back after 4 h if no call or message is seen` : "Take it on (a)";
    snooze.setAttribute("aria-label", `Snooze ${next.lead_name} for 2 hours`);
    longer.setAttribute("aria-label", `Snooze ${next.lead_name} for longer`);
    answered.setAttribute("aria-label", `Answered: ${next.lead_name} was answered another way, or needs no answer`);
    answered.hidden = !WAITED_FOR.has(next.action.kind);
    decline.setAttribute("aria-label", `Not mine: ${next.lead_name}`);
    decline.hidden = answers.team.hasDeclined(next.declined_by);
    setClass(node, "busy", Boolean(busy));
    for (const part of [act, snooze, longer, answered, decline]) part.setAttribute("aria-disabled", String(Boolean(busy)));
    said.dataset.verb = attempt?.verb ?? "";
    setText(said, attempt && attempt.name !== "failed" ? SAID_WORDS[attempt.verb][Number(attempt.name === "sent")] : "");
    setText(trouble, attempt?.message ?? "");
  };
  act.addEventListener("keydown", (event) => {
    if (act.href || !["Enter", " "].includes(event.key)) return; // without an address it is a button
    event.preventDefault();
    act.click();
  });
  return { node, copy: copy.node, trouble, update };
}

/** The longer ways to put an action off, above everything else on the page. One for the whole screen. */
export class SnoozeMenu {
  /** `root`: where it may stand; `now()`: the leads' own time in ms; `answers`: live_actions.Answers. */
  constructor(root, { now, answers }) {
    Object.assign(this, { root, now, answers });
    this.node = el("div.menu", { popover: "auto", role: "menu", "aria-label": "Snooze until" });
    this.node.addEventListener("keydown", (event) => this.#move(event));
    this.node.addEventListener("toggle", ({ newState }) => newState === "closed" && this.#closed());
    root.append(this.node);
  }

  open(from, item) {
    const choose = (until) => () => {
      this.node.hidePopover();
      this.answers.snooze(item, until);
    };
    const choice = ([words, until]) => el("button", { type: "button", role: "menuitem", onclick: choose(until) }, words);
    this.node.replaceChildren(...snoozeChoices(this.now()).map(choice));
    this.#closed(); // of another action
    Object.assign(this, { from, item, section: from.closest("section") });
    from.setAttribute("aria-expanded", "true");
    this.watch = setInterval(() => this.#isGone() && this.#leave(), GONE_ASKED_EVERY_MS);
    const host = from.closest("dialog") ?? this.root; // a dialog makes everything beside it inert
    if (this.node.parentNode !== host) host.append(this.node);
    this.node.showPopover();
    const at = from.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.node;
    this.node.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
    this.node.style.top = `${at.bottom + height + 8 < innerHeight ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
    this.node.firstElementChild.focus();
  }

  /** Whether what the menu would put off is on the page no more, or another thing is to do by now. */
  #isGone() {
    const newest = this.answers.current(this.item.lead_id)?.action;
    return !this.from.isConnected || !this.from.checkVisibility() || (newest && newest.action_id !== this.item.action.action_id);
  }

  /** The keyboard goes back to the button, or to where its row was. */
  #leave() {
    const head = this.node.contains(this.node.getRootNode().activeElement) ? headOf(this.section) : null;
    const { from } = this;
    this.node.hidePopover();
    this.#closed();
    if (head && !from.checkVisibility()) head.focus();
  }

  #closed() {
    clearInterval(this.watch);
    this.from?.setAttribute("aria-expanded", "false");
  }

  #move(event) {
    if (event.key === "Tab") return this.node.hidePopover(); // the focus is back on the button, and goes on from there
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const choices = [...this.node.children];
    const next = choices.indexOf(this.node.getRootNode().activeElement) + step;
    choices.at(next % choices.length).focus();
  }
}

/** A clock that counts a lead's wait. -> {node, update(action, now)}; `tick` is kept by ClockWall. */
export function waitClock() {
  const figure = el("b.number");
  const word = el("span");
  const node = el("span.clock", {}, figure, " ", word);
  const update = (action, { simulated = false } = {}) => {
    node.hidden = !action.waiting_since;
    node.dataset.waitingSince = action.waiting_since ?? "";
    node.dataset.what = action.kind === FIRST_RESPONSE ? "first answer" : "answer";
    const time = simulated ? ". Simulated time: it moves with the simulator's events" : "";
    node.title = `Waiting for a human's ${node.dataset.what}; automation does not stop this clock${time}`;
  };
  return { node, update };
}

/** Write a wait clock as it stands at `now`. */
export function writeClock(node, now) {
  const { waitingSince, what } = node.dataset;
  if (!waitingSince) return;
  const { text, level } = speedClock(now - Date.parse(waitingSince));
  setText(node.firstChild, text);
  setText(node.lastChild, `${what} ${level === "fine" ? "due" : level}`);
  if (node.dataset.level !== level) node.dataset.level = level;
}

/** The clocks that somebody can see: only they tick. */
export class ClockWall {
  constructor() {
    this.visible = new Set();
    this.sight = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.visible.add(target);
        else this.visible.delete(target);
      }
    });
  }

  add(node) {
    this.sight.observe(node);
  }

  tick(now) {
    for (const node of this.visible) {
      if (node.isConnected) writeClock(node, now);
      else this.#forget(node);
    }
  }

  #forget(node) {
    this.visible.delete(node);
    this.sight.unobserve(node);
  }
}

/** A row of the queue. `deps`: {openLead, answers, menu, clocks, facetOf, agentName, now, hasDeclined}. */
export function nowRow(first, deps) {
  const name = el("button.lead", { type: "button", onclick: () => deps.openLead(first.lead_id) });
  const tags = el("span.tags");
  const clock = waitClock();
  const what = el("span.now-what");
  const worth = el("span.worth.meta");
  const title = el("p.now-title", {}, what, " ", worth);
  const numbers = el("span.now-numbers.push");
  const why = nowWhy();
  const about = el("span.now-about.meta");
  const buttons = answerButtons(deps);
  const node = el(
    "li.now",
    {},
    el("div.line.now-head", {}, el("span.rank", { "aria-hidden": "true" }), name, tags, about, buttons.copy, clock.node),
    el("div.line.now-do", {}, title, numbers),
    why.node,
    buttons.node,
    buttons.trouble,
  );
  deps.clocks.add(clock.node);
  const update = (item) => {
    const facet = deps.facetOf(item.lead_id);
    setText(name, item.lead_name);
    writeNowTags(tags, item.simulated, deps.hasDeclined(item.declined_by));
    clock.update(item.action, item);
    writeClock(clock.node, deps.now());
    setText(what, item.action.title);
    setText(worth, worthInWords(item.action) ?? "");
    worth.title = worth.textContent && worthRestsOn(item.action);
    title.title = title.textContent.trim(); // the line is cut where it is too long
    writeChances(numbers, chanceInFront(item, facet), facet.danger);
    why.update(item.action);
    setText(about, [facet.stage, deps.agentName(item.assigned_to ?? facet.assigned)].filter(Boolean).join(" · "));
    about.title = about.textContent; // the line is cut where it is too long
    buttons.update(item);
  };
  return { node, update };
}

function writeNowTags(holder, simulated, declined) {
  const said = `${simulated} ${declined}`;
  if (holder.dataset.said === said) return;
  holder.dataset.said = said;
  const mark = declined ? el("span.tag.tag-declined", { title: "You said that this lead is not yours" }, "not mine") : null;
  holder.replaceChildren(...[simulated ? simulatedTag() : null, mark].filter(Boolean));
}

/** The chance that an agent asks for: of a won deal where a meeting lies ahead already, else the score. -> [value, word, its meaning] */
function chanceInFront(item, { stage, won }) {
  if (hasMeetingAhead(stage, item.action) && won !== null) return [won, "deal", "Chance of a won deal: a meeting lies ahead already"];
  return [item.score, "score", "Chance of an appointment"];
}

/** "34 % score · 12 % risk", aligned from row to row. */
function writeChances(node, [chance, word, meaning], danger) {
  const told = `${percent(chance)} ${word} ${percent(danger)}`;
  if (node.dataset.told === told) return;
  node.dataset.told = told;
  const one = (value, said, title) => el("span", { title }, el("b.number", {}, percent(value)), el("span.meta", {}, ` ${said}`));
  node.replaceChildren(one(chance, word, meaning), one(danger, "risk", "Chance of silence"));
}

/** Why: the first lines of evidence, and on demand all of it with what the value rests on and where the lead is reached. */
function nowWhy() {
  const short = el("summary");
  const rest = el("div.now-rest");
  const node = el("details.now-why", {}, short, rest);
  const update = (action) => {
    const told = action.evidence.map((evidence) => ({ evidence, text: proofInRow(evidence) })).filter(({ text }) => text).slice(0, EVIDENCE_SHOWN);
    const unreachable = action.no_reach ? [el("span.no-reach", {}, `No call or message from here: ${action.no_reach}`)] : [];
    setClass(node, "two", told.length + unreachable.length > 1);
    short.replaceChildren(el("span.proofs", {}, ...unreachable, ...told.map(({ text }) => el("span", {}, text))));
    const whole = new Set(told.filter(({ evidence, text }) => text === evidence.text).map(({ text }) => text));
    const lines = action.evidence.map((evidence) => evidence.text).filter((text) => !whole.has(text) && !saysWait(text));
    if (action.expected_value != null) lines.push(worthRestsOn(action));
    if (action.reach) lines.push(`${reachVerb(action.reach)}: ${addressInWords(action.reach.to)}`);
    rest.replaceChildren(...lines.map((line) => el("p.meta", {}, line)));
  };
  return { node, update };
}
