// What the screen knows: one bounded Map per stream, newest item per key. Pure: no clock, no DOM.
// Called by live_hub.js with each message of the connection; read by live_view.js.

import { priorityAt } from "./live_urgency.js";
import { STAGE_LEVELS } from "./live_words.js";

export const STREAMS = [
  "lead_scores",
  "churn_risk",
  "property_matches",
  "conversation_feed",
  "next_actions",
  "system_performance",
];

export const ITEMS_HELD = 2_000; // per stream; the oldest leave
export const QUEUE_HELD = 2_500; // next actions: all that the gateway's snapshot holds (limits.QUEUE_ITEMS + SNAPSHOT_ITEMS)
export const LEADS_HELD = ITEMS_HELD + QUEUE_HELD; // what is gathered per lead: the queue's leads, and those of the other streams
export const RANK_AGAIN_MS = 15_000; // priorities change with the wait: so often the queue is put in order anew
export const FEED_ROWS = 200;
export const TABLE_ROWS = 50;
export const QUEUE_ROWS = 200;
const TREND_POINTS = 24;
const MESSAGES_SEARCHED = 5; // newest of each lead that a search looks into

const NO_FACET = { name: "", stage: "", source: "", assigned: null, won: null, risk: null, danger: null, places: [], declined: [], said: [], next: null };

/** Newest item per key of each stream, names of leads, and the score's trend since this screen was opened. */
export class LiveStore {
  constructor() {
    this.streams = new Map(STREAMS.map((stream) => [stream, new Map()]));
    this.loaded = new Set(); // streams whose first snapshot came
    this.names = new Map(); // lead_id -> name, for the feed, whose items hold none
    this.trends = new Map(); // lead_id -> recent scores, oldest first
    this.genuine = false; // whether any lead's item came from a real account
    this.simulatedAt = -Infinity; // newest time of a simulated item
    this.facets = new Map(); // lead_id -> what filters and rows ask about a lead, gathered from all streams
    this.sorted = new Map(); // stream -> its items in order, until it changes
    this.ranked = -Infinity; // as of when the queue is in order, `compare` is that order
    this.queue = []; // as it was last in order
    this.idle = new Set(); // keys of next actions that say "nothing to do", oldest first
    this.made = { all: 0, simulated: 0 }; // items held about leads
  }

  /** Take in a snapshot or a publication; returns the set of streams that changed. */
  apply(message) {
    if (message.subscribed) return this.#snapshot(message);
    const items = this.streams.get(message.c);
    if (!items || !message.e) return new Set();
    const { lead_id: leadId, lead_name: name } = message.e;
    const renames = leadId && name && this.names.get(leadId) !== name;
    this.#put(message.c, items, message.e);
    // A lead's first message comes before its name: the feed, whose items hold none, shows it with the next paint.
    const alsoTold = renames || message.e.removed ? ["conversation_feed"] : [];
    if (message.c === "next_actions") alsoTold.push("churn_risk"); // its rows have the action's button
    return new Set([message.c, ...alsoTold]);
  }

  #snapshot({ subscribed: { stream, recovered }, snapshot }) {
    const items = this.streams.get(stream);
    if (!items) return new Set();
    this.loaded.add(stream);
    if (recovered || !snapshot) return new Set([stream]);
    this.sorted.delete(stream);
    for (const key of [...items.keys()]) this.#drop(stream, items, key);
    if (stream === "conversation_feed") for (const [leadId, facet] of this.facets) if (facet.said.length) this.facets.set(leadId, { ...facet, said: [] });
    for (const item of [...snapshot].sort(byTime)) this.#put(stream, items, item);
    this.#forgetOthers();
    if (stream === "next_actions") return new Set([stream, "churn_risk"]); // its rows have the action's button
    if (stream !== "lead_scores" || !this.loaded.has("churn_risk")) return new Set([stream]);
    this.sorted.delete("churn_risk"); // what is at stake came with the scores
    return new Set([stream, "churn_risk"]);
  }

  #put(stream, items, item) {
    this.sorted.delete(stream);
    if (item.simulated) this.simulatedAt = Math.max(this.simulatedAt, Date.parse(item.at));
    else if (stream !== "system_performance") this.genuine = true;
    this.#drop(stream, items, item.key);
    if (item.removed) return this.#forget(item.lead_id); // the lead was deleted in the CRM
    items.set(item.key, item); // the newest at the end
    if (stream === "next_actions" && !item.action) this.idle.add(item.key);
    this.#count(stream, item, 1);
    if (items.size > boundOf(stream)) this.#drop(stream, items, stream === "next_actions" ? this.#leastMissed(items) : oldest(items));
    if (!item.lead_id) return;
    if (item.lead_name) this.#remember(this.names, item.lead_id, item.lead_name, LEADS_HELD);
    if (stream === "lead_scores") this.#remember(this.trends, item.lead_id, this.#trend(item), LEADS_HELD);
    this.#remember(this.facets, item.lead_id, { ...(this.facets.get(item.lead_id) ?? NO_FACET), ...this.#facet(stream, item) }, LEADS_HELD);
  }

  /** What no stream's own removal takes away: what was gathered about the lead, and its messages. */
  #forget(leadId) {
    for (const map of [this.names, this.trends, this.facets]) map.delete(leadId);
    const feed = this.streams.get("conversation_feed");
    for (const item of [...feed.values()]) if (item.lead_id === leadId) this.#drop("conversation_feed", feed, item.key);
    this.sorted.delete("conversation_feed");
  }

  #drop(stream, items, key) {
    const item = items.get(key);
    if (!item) return;
    items.delete(key);
    if (stream === "next_actions") this.idle.delete(key);
    this.#count(stream, item, -1);
  }

  /** Who leaves the queue when it is full: a lead with nothing to do, else one that nobody keeps waiting, else the least worth. */
  #leastMissed(items) {
    const [idle] = this.idle;
    if (idle !== undefined) return idle;
    for (const [key, item] of items) if (!item.action.waiting_since) return key;
    return [...items.values()].reduce((least, item) => (item.action.priority < least.action.priority ? item : least)).key;
  }

  /** Newest at the end; at the bound the oldest leaves, but no lead of the queue. */
  #remember(map, leadId, value, bound) {
    map.delete(leadId);
    map.set(leadId, value);
    if (map.size <= bound) return;
    const queue = this.streams.get("next_actions");
    for (const key of map.keys()) {
      if (key !== leadId && !queue.get(key)?.action) return void map.delete(key);
    }
  }

  #count(stream, item, by) {
    if (stream === "system_performance") return;
    this.made.all += by;
    if (item.simulated) this.made.simulated += by;
  }

  /** What one item adds to the picture of its lead. A facet is never changed in place: another object says that it changed. */
  #facet(stream, item) {
    const { lead_name: name, assigned_to: assigned } = item;
    if (stream === "lead_scores") return { name, stage: item.stage, source: item.source ?? "", assigned, won: item.won?.value?.probability ?? null };
    if (stream === "churn_risk") return { name, risk: item.churn.value?.stage ?? null, danger: item.churn.value?.probability ?? null };
    if (stream === "property_matches") return { places: placesOf(item.matches.value ?? []) };
    if (stream === "next_actions") return { next: item, declined: item.declined_by ?? [], ...(name ? { name, assigned } : {}), ...this.#unscored(item) };
    const said = this.facets.get(item.lead_id)?.said ?? [];
    return { said: [...said, item.text ?? ""].slice(-MESSAGES_SEARCHED) };
  }

  /** Stage and source as the queue tells them, of a lead whose score is not held. */
  #unscored({ lead_id: leadId, stage, source }) {
    if (!stage || this.streams.get("lead_scores").has(leadId)) return {};
    return { stage, source: source ?? "" };
  }

  /** What is known of a lead across the streams: {name, stage, source, assigned, won, risk, danger, places, declined, said, next}. */
  facetOf(leadId) {
    return this.facets.get(leadId) ?? NO_FACET;
  }

  /** A lead that no stream tells of any more may have been forgotten on request: nothing of it may stay here. */
  #forgetOthers() {
    const told = new Set();
    for (const items of this.streams.values()) for (const item of items.values()) told.add(item.lead_id);
    for (const map of [this.names, this.trends, this.facets]) {
      for (const leadId of map.keys()) if (!told.has(leadId)) map.delete(leadId);
    }
  }

  /** Scores seen so far. The first item brings its own past: its cause tells where the score stood before. */
  #trend(item) {
    const score = item.score.value?.probability;
    const trend = this.trends.get(item.lead_id) ?? pastOf(item, score);
    return score === undefined ? trend : [...trend, score].slice(-TREND_POINTS);
  }

  nameOf(leadId) {
    return this.names.get(leadId) ?? "Lead without a name yet";
  }

  /** Now, for ages and waits: a simulated city lives in a time of its own, which has come as far as its newest event. */
  now(realMs) {
    return this.genuine || this.simulatedAt === -Infinity ? realMs : this.simulatedAt;
  }

  /** 0 (nothing shown is simulated) to 1 (all of it is). */
  get simulatedShare() {
    return this.made.all ? this.made.simulated / this.made.all : 0;
  }

  /**
   * The queue: what is open at `now`, most valuable and urgent first, then who has waited longest. Snoozed actions come back by
   * themselves. A changed item is put into its place; all are ranked anew when RANK_AGAIN_MS have passed.
   */
  openActions(now = Infinity) {
    return this.#ranked(now).filter((item) => snoozedUntil(item) <= now);
  }

  /** What is put off beyond `now`, snoozed or taken on: the soonest back first. */
  putOffActions(now) {
    return this.#ranked(now).filter((item) => snoozedUntil(item) > now).sort((a, b) => snoozedUntil(a) - snoozedUntil(b));
  }

  #ranked(now) {
    if (!(Math.abs(now - this.ranked) < RANK_AGAIN_MS)) {
      Object.assign(this, { ranked: now, compare: byPriority(now) });
      this.sorted.delete("next_actions");
    }
    if (!this.sorted.has("next_actions")) this.sorted.set("next_actions", (this.queue = this.#queueInOrder()));
    return this.sorted.get("next_actions");
  }

  /** From the last order, where nearly all still stand in their places: sorting that costs a walk along it. */
  #queueInOrder() {
    const items = this.streams.get("next_actions");
    const before = this.queue.map(({ key }) => items.get(key)).filter(isOpen);
    const known = new Set(before);
    const others = [...items.values()].filter((item) => isOpen(item) && !known.has(item));
    return [...before, ...others].sort(this.compare);
  }

  /** When the next snoozed action comes back, in ms; Infinity: none will. */
  nextReturn(now) {
    let next = Infinity;
    for (const item of this.streams.get("next_actions").values()) {
      const until = snoozedUntil(item);
      if (until > now && until < next) next = until;
    }
    return next;
  }

  /** Hot leads first; a lead without a score comes last. */
  scores() {
    return this.#ordered("lead_scores", ranked((item) => item.score.value?.probability ?? -1));
  }

  /** Who slips, most to lose first: risk x chance of a deal, as far as that is known, of an appointment else. Then whoever is steady. */
  risks() {
    return this.#ordered("churn_risk", ranked((item) => this.#atStake(item)));
  }

  #atStake({ lead_id: leadId, churn }) {
    const risk = churn.value?.probability;
    if (risk === undefined) return -1;
    const scored = this.streams.get("lead_scores").get(leadId);
    const slips = churn.value.stage > 0 || risk > STAGE_LEVELS[0][1] ? 2 : 0; // more than any stake
    return slips + risk * ((scored?.won?.value ?? scored?.score?.value)?.probability ?? 0) + risk / 1_000; // of leads without a score the likeliest to be lost
  }

  /** Leads with the closest home first, of equal ones the one that meets more wishes; leads without any home last. */
  matches() {
    const rank = (item) => {
      const best = item.matches.value?.[0];
      return best ? best.overall_score + best.wishes.filter((wish) => wish.outcome === "met").length / 1_000 : -1;
    };
    return this.#ordered("property_matches", ranked(rank));
  }

  /** Newest first. */
  conversation() {
    return this.#ordered("conversation_feed", (items) => items.sort((a, b) => byTime(b, a)));
  }

  /** In order, sorted once per change: a filter or a second look costs no sort. */
  #ordered(stream, sort) {
    let items = this.sorted.get(stream);
    if (!items) this.sorted.set(stream, (items = sort([...this.streams.get(stream).values()])));
    return items;
  }

  performance() {
    return this.streams.get("system_performance").get("system") ?? null;
  }
}

function boundOf(stream) {
  if (stream === "next_actions") return QUEUE_HELD;
  return stream === "conversation_feed" ? FEED_ROWS : ITEMS_HELD;
}

function isOpen(item) {
  return Boolean(item?.action) && !item.acknowledged_by;
}

function oldest(map) {
  return map.keys().next().value;
}

function pastOf(item, score) {
  const { score_by_event: byEvent, score_by_time: byClock } = item.cause ?? {};
  if (score === undefined || byEvent === null || byEvent === undefined) return [];
  const before = score - byEvent;
  return byClock === null || byClock === undefined ? [before] : [before - byClock, before];
}

function ranked(rank) {
  return (items) => items.sort((a, b) => rank(b) - rank(a) || byTime(b, a));
}

/** Most worth doing at `now` first, then the longest wait, then the lead's key, so that the order is the same on every screen. */
export function byPriority(now) {
  const priorities = new Map(); // item -> its priority: a sort asks for each many times. It lives as long as the order
  const priorityOf = (item) => {
    let priority = priorities.get(item);
    if (priority === undefined) priorities.set(item, (priority = priorityAt(item.action, now)));
    return priority;
  };
  return (a, b) => priorityOf(b) - priorityOf(a) || order(waitingSince(a), waitingSince(b)) || order(a.key, b.key);
}

function order(a, b) {
  return a < b ? -1 : Number(a > b);
}

/** When a snoozed action is to be shown again, in ms; -Infinity: it is not snoozed. */
function snoozedUntil(item) {
  return item.action?.snoozed_until ? Date.parse(item.action.snoozed_until) : -Infinity;
}

/** Cities and addresses of the homes that fit. */
function placesOf(matches) {
  return [...new Set(matches.flatMap(({ listing }) => [listing?.City, listing?.UnparsedAddress]).filter(Boolean))];
}

function byTime(a, b) {
  return timeOf(a) - timeOf(b); // not by text: "...00Z" and "...00.5Z" sort the wrong way round
}

const TIMES = new WeakMap(); // item -> its `at` in ms: a sort asks for it many times

function timeOf(item) {
  let time = TIMES.get(item);
  if (time === undefined) TIMES.set(item, (time = Date.parse(item.at)));
  return time;
}

function waitingSince(item) {
  return item.action.waiting_since ? Date.parse(item.action.waiting_since) : Infinity;
}
