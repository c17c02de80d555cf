// What the screen knows: one bounded Map per stream, newest item per key. Pure: no clock, no DOM.
// Called by live_hub.js with each message of the connection; read by live_view.js.

export const STREAMS = [
  "lead_scores",
  "churn_risk",
  "property_matches",
  "conversation_feed",
  "next_actions",
  "system_performance",
];

export const ITEMS_HELD = 2_000; // per stream; the oldest leave
export const FEED_ROWS = 200;
export const TABLE_ROWS = 50;
const TREND_POINTS = 24;

/** Newest item per key of each stream, names of leads, and the score's trend since this screen was opened. */
export class LiveStore {
  constructor() {
    this.streams = new Map(STREAMS.map((stream) => [stream, new Map()]));
    this.loaded = new Set(); // streams whose first snapshot came
    this.names = new Map(); // lead_id -> name, for the feed, whose items hold none
    this.trends = new Map(); // lead_id -> recent scores, oldest first
    this.genuine = false; // whether any lead's item came from a real account
    this.simulatedAt = -Infinity; // newest time of a simulated item
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
    return new Set(renames ? [message.c, "conversation_feed"] : [message.c]);
  }

  #snapshot({ subscribed: { stream, recovered }, snapshot }) {
    const items = this.streams.get(stream);
    if (!items) return new Set();
    this.loaded.add(stream);
    if (recovered || !snapshot) return new Set([stream]);
    items.clear();
    for (const item of [...snapshot].sort(byTime)) this.#put(stream, items, item);
    if (stream === "lead_scores") this.#forgetOthers(items);
    return new Set([stream]);
  }

  #put(stream, items, item) {
    if (item.simulated) this.simulatedAt = Math.max(this.simulatedAt, Date.parse(item.at));
    else if (stream !== "system_performance") this.genuine = true;
    if (item.removed) return void items.delete(item.key); // the lead was deleted in the CRM
    remember(items, item.key, item, stream === "conversation_feed" ? FEED_ROWS : ITEMS_HELD);
    if (item.lead_id && item.lead_name) remember(this.names, item.lead_id, item.lead_name, ITEMS_HELD);
    if (stream === "lead_scores") remember(this.trends, item.lead_id, this.#trend(item), ITEMS_HELD);
  }

  /** A lead that the gateway no longer holds may have been forgotten on request: nothing of it may stay here. */
  #forgetOthers(known) {
    for (const leadId of this.names.keys()) if (!known.has(leadId)) this.names.delete(leadId);
    for (const leadId of this.trends.keys()) if (!known.has(leadId)) this.trends.delete(leadId);
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
    let simulated = 0;
    let all = 0;
    for (const [stream, items] of this.streams) {
      if (stream === "system_performance") continue;
      for (const item of items.values()) {
        all += 1;
        if (item.simulated) simulated += 1;
      }
    }
    return all ? simulated / all : 0;
  }

  /** The queue: what is open, most urgent first, then who has waited longest. */
  openActions() {
    return [...this.streams.get("next_actions").values()]
      .filter((item) => item.action && !item.acknowledged_by)
      .sort(
        (a, b) =>
          b.action.urgency - a.action.urgency ||
          waitingSince(a) - waitingSince(b) ||
          (b.score ?? 0) - (a.score ?? 0),
      );
  }

  /** Hot leads first; a lead without a score comes last. */
  scores() {
    return ranked(this.streams.get("lead_scores"), (item) => item.score.value?.probability ?? -1);
  }

  /** Slipping leads first. */
  risks() {
    return ranked(this.streams.get("churn_risk"), (item) => item.churn.value?.probability ?? -1);
  }

  /** Leads with the closest home first, of equal ones the one that meets more wishes; leads without any home last. */
  matches() {
    return ranked(this.streams.get("property_matches"), (item) => {
      const best = item.matches.value?.[0];
      return best ? best.overall_score + best.wishes.filter((wish) => wish.outcome === "met").length / 1_000 : -1;
    });
  }

  /** Newest first. */
  conversation() {
    return [...this.streams.get("conversation_feed").values()].sort((a, b) => byTime(b, a));
  }

  performance() {
    return this.streams.get("system_performance").get("system") ?? null;
  }
}

/** Newest at the end, the oldest leaves when the bound is reached. */
function remember(map, key, value, bound) {
  map.delete(key);
  map.set(key, value);
  if (map.size > bound) map.delete(map.keys().next().value);
}

function pastOf(item, score) {
  const { score_by_event: byEvent, score_by_time: byClock } = item.cause ?? {};
  if (score === undefined || byEvent === null || byEvent === undefined) return [];
  const before = score - byEvent;
  return byClock === null || byClock === undefined ? [before] : [before - byClock, before];
}

function ranked(items, rank) {
  return [...items.values()].sort((a, b) => rank(b) - rank(a) || byTime(b, a));
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
