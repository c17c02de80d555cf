// Numbers, times and codes as people say them. Pure functions; called by the views.

import { span } from "../../live_client/enterprisehub_live.js";

const SECOND = 1_000;

export const STAGE_WORDS = ["Steady", "Early", "Active", "Critical"]; // models.intelligence.RiskStage 0-3

const CHANNEL_WORDS = {
  sms: "Text",
  email: "Email",
  call: "Call",
  voicemail: "Voicemail",
  live_chat: "Chat",
  whatsapp: "WhatsApp",
  social: "Social",
  other: "Message",
};

const WISH_WORDS = {
  city: "city",
  min_list_price: "lowest price",
  max_list_price: "price",
  min_bedrooms: "bedrooms",
  min_bathrooms: "bathrooms",
  min_living_area: "living area",
  property_sub_type: "home type",
};

const TIME_PASSED = "time passing";

const PART_WORDS = { vision: "photos", neighborhood: "neighborhood", commute: "commute" };

export const OUTCOME_SIGNS = { met: "✓", missed: "✕", unknown: "?" };

/** 0.874 -> "87 %". Never rounds to a certainty that nobody has. */
export function percent(probability) {
  if (probability === null || probability === undefined) return "–";
  if (probability > 0 && probability < 0.01) return "<1 %";
  if (probability < 1 && probability > 0.99) return ">99 %";
  return `${Math.round(probability * 100)} %`;
}

/** A change in percentage points: 0.12 -> "+12"; "" when it rounds to nothing. */
export function points(change) {
  const rounded = Math.round((change ?? 0) * 100);
  if (!rounded) return "";
  return rounded > 0 ? `+${rounded}` : `−${-rounded}`;
}

/** What moved a number, and by how much: {change, text, direction}. `side` is "score" or "churn". */
export function causeInWords(cause, side) {
  const byEvent = points(cause[`${side}_by_event`]);
  const byTime = points(cause[`${side}_by_time`]);
  const direction = Math.sign(cause[`${side}_by_event`] || cause[`${side}_by_time`] || 0);
  if (byEvent) return { change: byEvent, text: cause.summary, direction };
  const silence = cause.event_type === "LeadWentQuiet"; // nothing happened, and for how long
  if (byTime) return { change: byTime, text: silence ? cause.summary : TIME_PASSED, direction };
  return { change: "", text: cause.summary, direction: 0 };
}

/** How long ago: "now" within five seconds. */
export function ago(iso, now) {
  const age = now - Date.parse(iso);
  return age < 5 * SECOND ? "now" : span(age);
}

export function clockTime(iso) {
  return new Date(iso).toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

const DOLLARS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });

export function money(amount) {
  return amount === null || amount === undefined ? "price unknown" : DOLLARS.format(Number(amount));
}

/** "3 bd · 2 ba · 1,840 sq ft": only what the listing states. */
export function homeFacts(listing) {
  const facts = [];
  if (listing.BedroomsTotal != null) facts.push(`${listing.BedroomsTotal} bd`);
  if (listing.BathroomsTotalInteger != null) facts.push(`${listing.BathroomsTotalInteger} ba`);
  if (listing.LivingArea != null) facts.push(`${Math.round(listing.LivingArea).toLocaleString("en-US")} sq ft`);
  return facts.join(" · ");
}

export function homeName(listing) {
  return listing.UnparsedAddress || `${listing.City}, ${listing.ListingKey}`;
}

export function wishName(wish) {
  return WISH_WORDS[wish] ?? wish.replace("feature:", "").replaceAll("_", " ");
}

export function gapNames(gaps) {
  return gaps.map((gap) => PART_WORDS[gap] ?? gap).join(", ");
}

export function channelName(channel) {
  return CHANNEL_WORDS[channel] ?? CHANNEL_WORDS.other;
}

/** A message in one line; a call without text is told by its length. */
export function messageText(message) {
  if (message.text) return message.text;
  if (message.call_seconds) return `${channelName(message.channel)} of ${span(message.call_seconds * SECOND)}`;
  return `${channelName(message.channel)} without text`;
}

/** "lead_score 1.2, fitted on the simulated city": a model says what it knows. */
export function stampInWords(model) {
  const origin = model.simulated ? ` (simulated data, not real leads)` : "";
  return `${model.name} ${model.version}, fitted on ${model.fitted_on}${origin}`;
}
