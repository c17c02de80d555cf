// The screen before the first lead: what is done, what is next, and where. It leaves by itself when a lead comes.
// Called by live_view.js. Asks GET /v1/first-steps when it opens, when the tab is seen again, and when somebody asks; it does not poll.

import { el } from "./live_dom.js";

const LEAD_STREAMS = ["lead_scores", "churn_risk", "property_matches", "conversation_feed", "next_actions"];

/** True when every stream has told all it holds, and none of them holds a lead. */
export function isFirstRun(store) {
  return LEAD_STREAMS.every((stream) => store.loaded.has(stream) && store.streams.get(stream).size === 0);
}

/** The first step that is not done, of those that the gateway names. */
export function nextStep(steps) {
  return steps.find((step) => !step.done) ?? null;
}

export class FirstRun {
  /** `deps`: {api, role, openPage(name)}. */
  constructor(root, section, deps) {
    Object.assign(this, deps, { root, section, shown: false });
    this.seen = () => !document.hidden && this.shown && this.#ask();
    document.addEventListener("visibilitychange", this.seen);
  }

  /** With each paint: a look at a few sizes. */
  paint(store) {
    const shown = isFirstRun(store);
    if (shown === this.shown) return;
    this.shown = shown;
    this.section.hidden = !shown;
    this.root.toggleAttribute("data-first", shown);
    if (shown) {
      this.#show([el("p.meta", { role: "status" }, "Looking at what is set up…")]);
      this.#ask();
    } else this.section.replaceChildren();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.seen);
  }

  async #ask() {
    const answer = await this.api.get("/v1/first-steps");
    if (!this.shown) return; // a lead came meanwhile
    if (answer.ok) this.#show(this.#checklist(answer.body));
    else this.#show([el("p.trouble-line", { role: "alert" }, `The steps are not known: ${answer.message}`), this.#again("Try again")]);
  }

  #show(parts) {
    this.section.replaceChildren(el("h2", { id: "hub-first" }, "No lead has come yet"), ...parts);
  }

  #checklist({ steps, leads, listings }) {
    if (steps.length === 1 && steps[0].name === "setup") return this.#waiting(steps[0]);
    const next = nextStep(steps);
    const held = `${leads} ${leads === 1 ? "lead" : "leads"}, ${listings} ${listings === 1 ? "home" : "homes"} so far.`;
    return [
      el("p", {}, next ? "These steps bring the first one. This page changes by itself when it comes." : "Everything is set up. The next message or new contact in the CRM appears here by itself.", " ", el("span.meta", {}, held)),
      el("ol.steps", {}, ...steps.map((step) => stepRow(step, step === next))),
      el("p.line", {}, this.role === "admin" ? el("button.take", { type: "button", onclick: () => this.openPage("admin") }, "Open Admin") : null, this.#again("Check again")),
    ];
  }

  /** Whoever can do none of the steps is told one thing. */
  #waiting({ title, how }) {
    return [el("p", {}, `${title}. ${how} This page changes by itself when the first lead comes.`), el("p.line", {}, this.#again("Check again"))];
  }

  #again(word) {
    return el("button.quiet", { type: "button", onclick: () => this.#ask() }, word);
  }
}

function stepRow(step, isNext) {
  const state = step.done ? "done" : isNext ? "next" : "later";
  return el(
    `li.step.step-${state}`,
    isNext ? { "aria-current": "step" } : {},
    el("span.sign", { "aria-hidden": "true" }, step.done ? "✓" : isNext ? "→" : "○"),
    el("div", {}, el("p", {}, el("strong", {}, step.title), el("span.meta", {}, ` ${state === "done" ? "done" : state === "next" ? "next" : "to do"}`)), step.done ? null : el("p.how", {}, ...withCommands(step.how)), stepLink(step, isNext)),
  );
}

/** A sentence in which `commands` stand between backticks: those are shown as what they are. */
function withCommands(text) {
  return text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));
}

/** Where the step is taken, if it has an address of its own. Only web addresses and paths of this site are followed. */
function stepLink({ href, title, done }, isNext) {
  if (done || !href || !/^(https?:\/\/|\/(?!\/))/.test(href)) return null;
  return el(`a.${isNext ? "take" : "quiet"}`, { href, target: "_blank", rel: "noopener noreferrer", "aria-label": `Open: ${title}` }, "Open");
}
