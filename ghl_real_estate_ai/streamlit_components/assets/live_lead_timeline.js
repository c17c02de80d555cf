// What happened to one lead, newest first, by day; what the house concluded is folded away until it is asked for.
// Called by live_lead.js.

import { hourOf } from "./live_words.js";
import { byDay, foldedEntries, timelineInWords, timelineKind } from "./live_lead_words.js";
import { keepingFocus, leadPart } from "./live_lead_parts.js";
import { el } from "./live_dom.js";

const CONCLUSION = "LeadIntelligenceUpdated";

export class LeadTimeline {
  /** `door`: see LeadPage. */
  constructor(door) {
    this.door = door;
    this.part = leadPart("Timeline", () => []);
    this.all = el("input", { type: "checkbox", "data-focus": "all", onchange: () => this.#write() });
    this.days = el("div.days");
    this.label = el("label.whose", {}, this.all, " Also each new score and risk");
    this.part.body.replaceChildren(this.label, this.days);
    this.forget();
  }

  forget() {
    Object.assign(this, { entries: [], messages: new Map(), shown: null, now: 0 });
    this.days.replaceChildren();
  }

  /** `entries` newest first; `messages`: the conversation, whose first lines are told; `now` in ms on the lead's own time line; `nameOf(entry)` says who did it, "" when not known. */
  show(entries, messages, now, nameOf) {
    Object.assign(this, { entries, now, nameOf, messages: new Map(messages.map((message) => [message.event_id, message])) });
    this.#write();
  }

  #write() {
    const wanted = this.entries.filter((entry) => this.all.checked || entry.type !== CONCLUSION);
    const days = byDay(wanted, this.now).map(([day, entries]) => [day, foldedEntries(entries).map((row) => this.#told(row))]);
    const inWords = JSON.stringify(days);
    if (inWords === this.shown) return;
    this.shown = inWords;
    this.label.hidden = !this.entries.some((entry) => entry.type === CONCLUSION);
    const sections = days.map(([day, entries]) => el("div", {}, el("h4", {}, day), el("ol.timeline-day", {}, ...entries.map(timelineRow))));
    keepingFocus(this.days, this.part.head, () => this.days.replaceChildren(...(sections.length ? sections : [el("p.meta", {}, "No events yet.")])));
  }

  #told(row) {
    const message = this.messages.get(row.event_id);
    return { type: row.type, at: row.at, words: timelineInWords(row, message, this.door.nameOfUser), who: this.nameOf?.(row) ?? "" };
  }
}

function timelineRow({ type, at, words, who }) {
  const [sign, word] = timelineKind(type);
  return el(
    "li",
    {},
    el("time.meta.number", { datetime: at }, hourOf(at)),
    el("span.event-sign", { "aria-hidden": "true" }, sign),
    el("span.event-kind.meta", {}, word),
    el("span", {}, words, who ? el("span.meta", {}, ` by ${who}`) : null),
  );
}
