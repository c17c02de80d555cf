// What the lead wishes for, as chips that the agent may correct: each correction is a fact of its own, with undo.
// Called by live_lead.js. POST /v1/leads/{lead}/wishes.

import { homeTypeInWords, wishInWords } from "./live_lead_words.js";
import { doneLine, keepingFocus, leadPart } from "./live_lead_parts.js";
import { el } from "./live_dom.js";

const SEEN_WITHIN_MS = 10_000; // the log's own event should have come back long before
const WISH_INPUT = "wish-value"; // one editor is open at a time
const FEATURES = ["garage", "pool", "fireplace", "waterfront", "new_construction"]; // models.properties.Feature
const HOME_TYPES = ["SingleFamilyResidence", "Townhouse", "Condominium"];

/** Fields of models.properties.Wishes in the order of the chips. */
export const WISH_FIELDS = {
  city: { label: "City", kind: "text" },
  min_list_price: { label: "Lowest price, US dollars", kind: "number", min: 0, step: "any" },
  max_list_price: { label: "Highest price, US dollars", kind: "number", min: 1, step: "any" },
  min_bedrooms: { label: "Bedrooms, at least", kind: "steps", max: 20 },
  min_bathrooms: { label: "Bathrooms, at least", kind: "steps", max: 20 },
  min_living_area: { label: "Living area, square feet, at least", kind: "number", min: 1, step: "any" },
  property_sub_type: { label: "Type of home", kind: "type" },
  features: { label: "Features", kind: "features" },
};

/** The stated wishes: [[field, value]] in the order of the fields. At least nothing is no wish. */
export function statedWishes(wishes) {
  return Object.keys(WISH_FIELDS)
    .map((field) => [field, wishes[field]])
    .filter(([, value]) => value !== null && value !== undefined && Number(value) !== 0); // "" and [] are 0 too
}

/** Whether two values of a field say the same: "450000.00" is 450000, "austin" is "Austin". */
export function sameWish(a, b) {
  if (Array.isArray(a) || Array.isArray(b)) return JSON.stringify([...(a ?? [])].sort()) === JSON.stringify([...(b ?? [])].sort());
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null);
  if (!Number.isNaN(Number(a)) && !Number.isNaN(Number(b))) return Number(a) === Number(b);
  return String(a).trim().toLowerCase() === String(b).trim().toLowerCase();
}

/**
 * Wishes that messages state and the lead's record does not hold: [{field, value, words, quote}], the newest word per field.
 * A value other than the one held counts only when it was said after `correctedAt`: an agent's correction is newer than that.
 */
export function offeredWishes(messages, wishes, correctedAt) {
  const offers = new Map();
  for (const message of messages) {
    if (message.direction !== "inbound") continue;
    for (const fact of message.facts ?? []) {
      const [field, feature] = fact.wish?.startsWith("feature") ? ["features", fact.wish_value ?? fact.wish.split(":")[1]] : [fact.wish, null];
      if (!WISH_FIELDS[field] || (feature === null && fact.wish_value === null)) continue;
      const held = wishes[field];
      const key = feature === null ? field : `features:${feature}`;
      offers.delete(key);
      const isHeld = feature === null ? statedWishes(wishes).some(([name]) => name === field) : (held ?? []).includes(feature);
      if (isHeld && (feature !== null || sameWish(held, fact.wish_value))) continue;
      if (isHeld && !(Date.parse(message.at) > correctedAt)) continue;
      const value = feature === null ? fact.wish_value : [...(held ?? []), feature];
      offers.set(key, { field, value, words: feature === null ? wishInWords(field, value) : feature.replaceAll("_", " "), quote: fact.quote });
    }
  }
  return [...offers.values()];
}

/** The gateway's sentence for people: "wishes.max_list_price: ..." -> "Highest price: ...". */
export function refusalInWords(message) {
  return message.replace(/(?:wishes\.)?\b([a-z_]+): /g, (all, field) => (WISH_FIELDS[field] ? `${WISH_FIELDS[field].label.split(",")[0]}: ` : all));
}

export class LeadWishes {
  constructor(door) {
    this.door = door;
    this.part = leadPart("Wishes", () => []);
    this.chips = el("ul.wish-chips");
    this.editor = el("div.wish-editor");
    this.done = doneLine();
    this.part.body.replaceChildren(this.chips, this.editor, this.done.node);
    this.forget();
  }

  forget() {
    for (const { timer } of this.expected?.values() ?? []) this.door.cancel(timer);
    Object.assign(this, { leadId: null, wishes: {}, messages: [], expected: new Map(), shown: null });
    this.#closeEditor();
    this.chips.replaceChildren();
    this.done.clear();
  }

  show(leadId, wishes, messages, correctedAt) {
    Object.assign(this, { leadId, wishes, messages, correctedAt });
    for (const [field, { value, posting, timer }] of this.expected) {
      if (posting || !sameWish(wishes[field], value)) continue;
      this.door.cancel(timer);
      this.expected.delete(field);
    }
    this.#write();
  }

  /** What is held, with what was sent and is not seen back yet. */
  #current() {
    return { ...this.wishes, ...Object.fromEntries([...this.expected].map(([field, { value }]) => [field, value])) };
  }

  #write() {
    const offers = offeredWishes(this.messages, this.#current(), this.correctedAt);
    const inWords = JSON.stringify([this.leadId, this.#current(), offers, [...this.expected.keys()]]);
    if (inWords === this.shown) return;
    this.shown = inWords;
    const stated = statedWishes(this.#current());
    const chips = stated.flatMap(([field, value]) => (field === "features" ? value.map((one) => this.#featureChip(one, value)) : [this.#chip(field, value)]));
    const add = el("li", {}, el("button.wish-add", { type: "button", "data-focus": "add", onclick: () => this.#edit(null) }, stated.length ? "Add a wish" : "No wish is stated yet: add one"));
    keepingFocus(this.chips, this.part.head, () => this.chips.replaceChildren(...chips, ...offers.map((offer) => this.#offer(offer)), add));
  }

  #chip(field, value) {
    return this.#chipOf(field, wishInWords(field, value), { [field]: null }, this.expected.has(field), () => this.#edit(field));
  }

  #featureChip(feature, all) {
    const rest = all.filter((other) => other !== feature);
    return this.#chipOf(`features:${feature}`, feature.replaceAll("_", " "), { features: rest.length ? rest : null }, this.expected.has("features"), () => this.#edit("features"));
  }

  #chipOf(key, words, without, pending, edit) {
    return el(
      `li.wish-chip${pending ? ".pending" : ""}`,
      {},
      el("button.wish-words", { type: "button", "data-focus": `edit:${key}`, "aria-label": `Change: ${words}`, onclick: edit }, words, pending ? el("span.meta", {}, " saving…") : null),
      el("button.wish-out", { type: "button", "data-focus": `out:${key}`, "aria-label": `Take out: ${words}`, onclick: (event) => this.#takeOut(event, without, words) }, "×"),
    );
  }

  /** The next chip moves under the finger: the second tap of two means the first one. */
  #takeOut({ detail: taps }, without, words) {
    if (taps < 2) this.#post(without, `Taken out: ${words}.`);
  }

  #offer({ field, value, words, quote }) {
    const add = () => this.#post({ [field]: value }, `Added: ${words}.`);
    const label = `Add: ${words} (from message)`;
    return el("li", {}, el("button.wish-offer", { type: "button", title: `“${quote}”`, "data-focus": `offer:${field}:${words}`, onclick: add }, label));
  }

  #edit(field) {
    const open = Object.keys(WISH_FIELDS).filter((name) => name === "features" || !statedWishes(this.#current()).some(([held]) => held === name));
    const opener = field ?? "add";
    if (this.editing === opener) return this.#closeEditor();
    this.editing = opener;
    const trouble = el("p.trouble-line", { role: "alert", id: "wish-trouble" });
    const place = el("div.wish-field");
    let input;
    const choose = (name) => {
      input = wishInput(name, this.#current()[name]);
      place.replaceChildren(input.node);
      input.name = name;
    };
    const pick = field ? null : el("select", { "aria-label": "Which wish", onchange: (event) => choose(event.target.value) }, ...open.map((name) => el("option", { value: name }, WISH_FIELDS[name].label)));
    const save = async (event) => {
      event.preventDefault();
      if (form.ariaBusy === "true") return; // Enter twice is one answer
      const value = input.read();
      form.ariaBusy = "true";
      const said = wishInWordsOrNone(input.name, value);
      const failed = await this.#post({ [input.name]: value }, said ? `Set: ${said}.` : "Taken out.", true);
      form.ariaBusy = "false";
      trouble.textContent = failed ?? "";
      input.mark(Boolean(failed));
      if (!failed && form.isConnected) this.#closeEditor(true);
    };
    choose(field ?? open[0]);
    const form = el(
      "form",
      { onsubmit: save, novalidate: true, onkeydown: (event) => this.#onKey(event) },
      pick,
      place,
      trouble,
      el("div.line", {}, el("button.take", { type: "submit" }, "Save"), el("button.quiet", { type: "button", onclick: () => this.#closeEditor(true) }, "Cancel")),
    );
    this.editor.replaceChildren(form);
    (pick ?? input.first).focus();
  }

  /** Escape leaves the editor, not the page. */
  #onKey(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    this.#closeEditor(true);
  }

  #closeEditor(giveFocusBack = false) {
    const opener = this.editing;
    this.editing = null;
    this.editor.replaceChildren();
    if (!giveFocusBack) return;
    const edits = [...this.chips.querySelectorAll("button")];
    (edits.find((button) => button.dataset.focus?.startsWith(`edit:${opener}`)) ?? edits.at(-1) ?? this.part.head).focus();
  }

  /** Send the change; returns the gateway's sentence when it was refused, for the field that holds it (`atField`). */
  async #post(changes, said, atField = false) {
    const { leadId } = this;
    const before = Object.fromEntries(Object.keys(changes).map((field) => [field, this.#current()[field] ?? null]));
    this.#expect(changes, true);
    const answer = await this.door.post(`/v1/leads/${encodeURIComponent(leadId)}/wishes`, { wishes: changes });
    if (leadId !== this.leadId) return null;
    if (!answer.ok) {
      this.#unexpect(changes);
      const words = refusalInWords(answer.message);
      if (!atField) this.done.fail(`Not saved: ${words}`);
      return words;
    }
    this.#expect(changes, false);
    this.done.say(said, () => this.#post(answer.body.before ?? before, "Undone."));
    return null;
  }

  #expect(changes, posting) {
    for (const [field, value] of Object.entries(changes)) {
      this.door.cancel(this.expected.get(field)?.timer);
      const timer = posting ? null : this.door.later(() => this.#giveUp(field), SEEN_WITHIN_MS);
      this.expected.set(field, { value, posting, timer });
    }
    this.#write();
  }

  #unexpect(changes) {
    for (const field of Object.keys(changes)) {
      this.door.cancel(this.expected.get(field)?.timer);
      this.expected.delete(field);
    }
    this.#write();
  }

  #giveUp(field) {
    this.expected.delete(field);
    this.done.fail("Saved, but not seen in the lead yet. It shows when the gateway has caught up.");
    this.#write();
    this.door.reload();
  }
}

function wishInWordsOrNone(field, value) {
  return value === null || (Array.isArray(value) && !value.length) ? "" : wishInWords(field, value);
}

/** The right input for a field: {node, first, read(), mark(bad)}. An empty one reads null: the wish is taken out. */
function wishInput(field, value) {
  const spec = WISH_FIELDS[field];
  if (spec.kind === "features") return featureInput(value ?? []);
  const input = spec.kind === "type" ? typeSelect(value) : el("input", inputAttributes(spec, value));
  const steps = spec.kind === "steps" ? [stepButton("−", "One fewer", input, -1), stepButton("+", "One more", input, 1)] : [];
  input.id = WISH_INPUT;
  const node = el("div.wish-label", {}, el("label", { for: WISH_INPUT }, spec.label), el("span.line", {}, steps[0] ?? null, input, steps[1] ?? null));
  const read = () => readInput(spec, input.value.trim());
  const mark = (bad) => markInvalid(input, bad);
  return { node, first: input, read, mark };
}

/** Numbers go out as numbers; what is none goes out as it stands, and the gateway says what is wrong. */
function readInput(spec, text) {
  if (text === "") return null;
  const number = Number(text.replace(/[$,\s]/g, ""));
  return spec.kind === "text" || spec.kind === "type" || Number.isNaN(number) ? text : number;
}

function inputAttributes(spec, value) {
  if (spec.kind === "text") return { type: "text", value: value ?? "", maxlength: 100, autocomplete: "off" };
  const whole = spec.kind === "steps";
  return { type: "number", inputmode: whole ? "numeric" : "decimal", value: value === null || value === undefined ? "" : Number(value), min: spec.min ?? 0, max: spec.max, step: whole ? 1 : spec.step };
}

function stepButton(sign, label, input, by) {
  const step = () => (input.value = Math.max(0, Number(input.value || 0) + by));
  return el("button.quiet", { type: "button", "aria-label": label, onclick: step }, sign);
}

function typeSelect(value) {
  const types = value && !HOME_TYPES.includes(value) ? [value, ...HOME_TYPES] : HOME_TYPES;
  return el("select", {}, el("option", { value: "" }, "any"), ...types.map((type) => el("option", { value: type, selected: type === value }, homeTypeInWords(type))));
}

function featureInput(value) {
  const boxes = FEATURES.map((feature) => el("input", { type: "checkbox", value: feature, checked: value.includes(feature) }));
  const labels = boxes.map((box) => el("label.feature", {}, box, box.value.replaceAll("_", " ")));
  const read = () => {
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    return chosen.length ? chosen : null;
  };
  const mark = (bad) => boxes.forEach((box) => markInvalid(box, bad));
  return { node: el("fieldset.features", {}, el("legend", {}, "Features"), ...labels), first: boxes[0], read, mark };
}

function markInvalid(input, bad) {
  input.setAttribute("aria-invalid", String(bad));
  if (bad) {
    input.setAttribute("aria-describedby", "wish-trouble");
    input.focus();
  }
}
