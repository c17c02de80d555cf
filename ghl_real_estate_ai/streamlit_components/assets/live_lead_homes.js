// The homes of one lead: photo, facts, each wish met, missed or unknown, verdicts with undo, and the way to more.
// Called by live_lead.js.

import { gapNames, homeFacts, homeName, money, percent, wishName, OUTCOME_SIGNS } from "./live_words.js";
import { homeTypeInWords, relaxationInWords } from "./live_lead_words.js";
import { doneLine, keepingFocus, leadPart } from "./live_lead_parts.js";
import { noHomes } from "./live_rows.js";
import { el, KeyedList, setClass, setText, simulatedTag } from "./live_dom.js";

export const VERDICTS = [["like", "Like"], ["pass", "Pass"], ["save", "Save"], ["showing", "Showing"]];
const VERDICT_DONE = { like: "Liked", pass: "Passed on", save: "Saved", showing: "Wants to see" };
const MORE_HOMES = 20;

export class LeadHomes {
  /** `door`: see LeadPage. */
  constructor(door) {
    this.door = door;
    this.part = leadPart("Homes", () => []);
    this.done = doneLine();
    this.note = el("p.meta");
    this.rows = el("ol.rows.plain.homes-list");
    this.list = new KeyedList(this.rows, (item) => this.#row(item), versionOf);
    this.byLead = el("input", { type: "checkbox", "data-focus": "by-lead" });
    this.more = el("button.quiet", { type: "button", "data-focus": "more", onclick: () => this.#askMore() }, "More homes, and what would give more");
    this.further = el("div.further", { tabindex: "-1" });
    const whose = el("label.whose", {}, this.byLead, " The lead said so (an agent's own guess counts half)");
    this.part.body.replaceChildren(this.note, whose, this.done.node, this.rows, el("p", {}, this.more), this.further);
    this.whose = whose;
    this.forget();
  }

  forget() {
    Object.assign(this, { leadId: null, full: null, judged: {}, posting: new Map() });
    this.byLead.checked = false;
    this.done.clear();
    this.list.show([]);
    this.further.replaceChildren();
    this.more.hidden = false;
    setText(this.note, "");
  }

  /** `matches` is the part of the intelligence; `judged` holds the newest verdict per home. */
  show(leadId, matches, judged) {
    const sameHomes = this.leadId === leadId && JSON.stringify(matches.value ?? []) === this.seen;
    Object.assign(this, { leadId, matches, judged: judged ?? {}, seen: JSON.stringify(matches.value ?? []) });
    if (this.full && !sameHomes) this.#askMore();
    this.#write();
  }

  #write() {
    const homes = this.full?.matches ?? this.matches.value ?? [];
    const stale = this.matches.stale_reason;
    const photos = homes.some(({ listing }) => photoUrl(listing)); // where no home has any, a place for one says nothing
    setText(this.note, homes.length ? (stale ? `Not up to date: ${stale}` : "") : noHomes(this.matches));
    this.note.hidden = !this.note.textContent;
    this.whose.hidden = !homes.length;
    this.list.show(homes.map((home) => ({ key: home.listing.ListingKey, home, photos, verdict: this.#verdict(home), posting: this.posting.has(home.listing.ListingKey) })));
  }

  #verdict({ listing, verdict }) {
    const posting = this.posting.get(listing.ListingKey);
    if (posting) return posting === "undo" ? null : posting;
    return this.judged[listing.ListingKey] ?? verdict ?? null;
  }

  #row(item) {
    const photo = photoOf(item.home.listing);
    const words = el("div.home-words");
    const buttons = VERDICTS.map(([verdict, label]) => el("button.quiet", { type: "button", "data-focus": `${item.key}:${verdict}` }, label));
    const node = el("li.home-card", {}, photo, el("div", {}, words, el("div.verdicts", { role: "group", "aria-label": `What the lead thinks of ${homeName(item.home.listing)}` }, ...buttons)));
    const update = (next) => {
      setClass(node, "without-photos", !next.photos);
      keepingFocus(words, buttons[0], () => words.replaceChildren(...homeWords(next.home)));
      buttons.forEach((button, i) => {
        const [verdict] = VERDICTS[i];
        const on = next.verdict === verdict;
        button.setAttribute("aria-pressed", String(on));
        button.setAttribute("aria-disabled", String(next.posting));
        button.onclick = () => next.posting || this.#judge(next.home, on ? "undo" : verdict, next.verdict);
      });
    };
    return { node, update };
  }

  async #judge({ listing }, verdict, before) {
    const { leadId } = this;
    const key = listing.ListingKey;
    this.posting.set(key, verdict);
    this.#write();
    const path = `/v1/leads/${encodeURIComponent(leadId)}/listings/${encodeURIComponent(key)}/judgement`;
    const answer = await this.door.post(path, { verdict, by: this.byLead.checked ? "lead" : "agent" });
    if (leadId !== this.leadId) return;
    this.posting.delete(key);
    if (!answer.ok) this.done.fail(`Not noted: ${answer.message}`);
    else {
      this.judged = { ...this.judged, [key]: verdict === "undo" ? undefined : verdict };
      const words = VERDICT_DONE[verdict] ? `${VERDICT_DONE[verdict]}: ${homeName(listing)}.` : `Taken back: ${homeName(listing)}.`;
      const back = before ?? "undo";
      this.done.say(words, back === verdict ? null : () => this.#judge({ listing }, back, verdict));
    }
    this.#write();
  }

  async #askMore() {
    const { leadId } = this;
    if (this.more.ariaDisabled === "true") return;
    this.more.ariaDisabled = "true"; // disabled it would drop the focus to the page's top
    setText(this.more, "Looking…");
    const answer = await this.door.get(`/v1/leads/${encodeURIComponent(leadId)}/matches?k=${MORE_HOMES}`);
    this.more.ariaDisabled = "false";
    setText(this.more, "More homes, and what would give more");
    if (leadId !== this.leadId) return;
    if (!answer.ok) return void this.further.replaceChildren(el("p.trouble-line", { role: "alert" }, answer.message));
    this.full = answer.body;
    const hadFocus = this.more.getRootNode().activeElement === this.more;
    keepingFocus(this.further, this.part.head, () => this.further.replaceChildren(...furtherWords(answer.body)));
    if (hadFocus) this.further.focus({ preventScroll: true }); // the answer stands there
    this.more.hidden = true;
    this.#write();
  }
}

function versionOf({ home: { generated_at, ...home }, photos, verdict, posting }) {
  return JSON.stringify([home, photos, verdict, posting]); // when it was looked for is no change of the home
}

function photoUrl(listing) {
  const url = listing.Media?.[0]?.MediaURL;
  return url?.startsWith("https:") ? url : null;
}

/** The first photo, or a drawn place for it that says that there is none. */
function photoOf(listing) {
  const none = () => el("div.photo.no-photo", { role: "img", "aria-label": `No photo of ${homeName(listing)}` }, el("span", { "aria-hidden": "true" }, "⌂"), el("span.meta", { "aria-hidden": "true" }, "no photo"));
  const src = photoUrl(listing);
  if (!src) return none();
  const alt = listing.Media[0].ShortDescription || `Photo of ${homeName(listing)}`;
  return el("img.photo", {
    src, alt, loading: "lazy", decoding: "async", referrerpolicy: "no-referrer",
    onerror: (event) => event.target.replaceWith(none()),
  });
}

function homeWords({ listing, overall_score: fit, wishes, gaps, also_listed_as: also = [] }) {
  const type = listing.PropertySubType && homeTypeInWords(listing.PropertySubType);
  const city = homeName(listing).includes(listing.City) ? null : listing.City;
  const results = wishes.map((result) =>
    el(
      `li.wish-${result.outcome}`,
      {},
      el("span.sign", { "aria-hidden": "true" }, OUTCOME_SIGNS[result.outcome]),
      el("span.outcome", {}, `${result.outcome}: `),
      result.detail || wishName(result.wish),
    ),
  );
  return [
    el("div.line", {}, el("h4", {}, homeName(listing)), listing.Simulated ? simulatedTag() : null, el("span.push.number.strong", {}, `${percent(fit)} fit`)),
    el("p.home", {}, el("b.number", {}, money(listing.ListPrice)), ` · ${[homeFacts(listing), type, city].filter(Boolean).join(" · ")}`),
    el("ul.wish-results", {}, ...results),
    gaps?.length ? el("p.meta", {}, `Not considered: ${gapNames(gaps)}.`) : "",
    also.length ? el("p.meta", {}, `Also listed as ${also.join(", ")}.`) : "",
  ];
}

/** How many homes meet everything, what would give more, and what the lead's verdicts have taught. */
function furtherWords({ meeting_all: meeting, relaxations, learned }) {
  const count = meeting === 1 ? "1 home on the market meets every stated wish." : `${meeting} homes on the market meet every stated wish.`;
  const cheapest = relaxations.map((one) => el("li", {}, relaxationInWords(one)));
  const taught = learned.map((one) => el("li", {}, one.reason));
  return [
    el("p", {}, count),
    ...(cheapest.length ? [el("h4", {}, "What would give more, cheapest first"), el("ul.dots", {}, ...cheapest)] : []),
    ...(taught.length ? [el("h4", {}, "Learned from verdicts"), el("ul.dots", {}, ...taught)] : []),
  ];
}
