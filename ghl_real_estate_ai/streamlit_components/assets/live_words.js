// Numbers, times and codes as people say them. Pure functions; called by the views.

import { span } from "../../live_client/enterprisehub_live.js";

const SECOND = 1_000;

export const STAGE_WORDS = ["Steady", "Early", "Active", "Critical"]; // models.intelligence.RiskStage 0-3
export const STAGE_LEVELS = [[1, 0.3], [2, 0.6], [3, 0.8]]; // models.intelligence.STAGE_THRESHOLDS

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

const OF_HUNDRED = "\u00a0%"; // the number and its sign stay on one line

/** 0.874 -> "87 %", with a space that does not break. Never rounds to a certainty that nobody has. */
export function percent(probability) {
  if (probability === null || probability === undefined) return "–";
  if (probability > 0 && probability < 0.01) return `<1${OF_HUNDRED}`;
  if (probability < 1 && probability > 0.99) return `>99${OF_HUNDRED}`;
  return `${Math.round(probability * 100)}${OF_HUNDRED}`;
}

/** Why the stage is below what the number alone would say; "" where it is not. */
export function stageToCome({ probability, stage }) {
  const [byNumber] = STAGE_LEVELS.findLast(([, level]) => probability > level) ?? [0];
  if (byNumber <= stage) return "";
  return `${STAGE_WORDS[byNumber]} by the number: a stage begins when that has lasted 12 hours, and not in a lead's first 3 days or after its deal`;
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
  const text = eventInWords(cause.summary);
  if (byEvent) return { change: byEvent, text, direction: Math.sign(cause[`${side}_by_event`]) };
  const silence = cause.event_type === "LeadWentQuiet"; // nothing happened, and for how long
  if (byTime) return { change: byTime, text: silence ? text : TIME_PASSED, direction: Math.sign(cause[`${side}_by_time`]) };
  return { change: "", text, direction: 0 };
}

const DEEDS = { "sms message": "texted", "email message": "emailed", call: "called", voicemail: "left a voicemail", "live chat message": "chatted", "whatsapp message": "wrote on WhatsApp" };
const WRITERS = [["lead's ", "the lead"], ["our ", "we"], ["automated ", "automation"]];

/** The log's line as people say it: "our sms message" -> "we texted". */
export function eventInWords(summary) {
  const writer = WRITERS.find(([prefix]) => summary.startsWith(prefix));
  if (!writer) return summary;
  const [prefix, who] = writer;
  return `${who} ${DEEDS[summary.slice(prefix.length)] ?? "wrote"}`;
}

const BY_THE_LEAD = new Set(["MessageReceived", "PropertyActivityRecorded", "LeadWentQuiet"]);

/**
 * Why a score stands where it does: the last thing that the lead did, with its effect; else the strongest reason of the next
 * action; else nothing. What agents click is no reason. -> {change, text, direction} as `causeInWords`.
 */
export function scoreReason(cause, next) {
  if (BY_THE_LEAD.has(cause.event_type) || cause.summary === "new lead") {
    const told = causeInWords(cause, "score");
    return told.text === TIME_PASSED ? { ...told, change: "", text: eventInWords(cause.summary), direction: 0 } : told;
  }
  const reason = next?.action?.evidence?.map(proofInRow).find(Boolean);
  return { change: "", text: reason ?? "", direction: 0 };
}

const CLICKS = new Set(["ActionAcknowledged", "ActionSnoozed", "MarkedAnswered", "ActionReopened", "LeadDeclined"]);

/** What moved the risk. A click in this product moves nothing: it is told as the time that passed, or not at all. */
export function riskReason(cause) {
  const told = causeInWords(cause, "churn");
  const idle = told.change === "" && (CLICKS.has(cause.event_type) || cause.event_type === "LeadUpserted");
  return idle ? { ...told, text: "" } : told;
}

/** How long ago: "now" within five seconds. */
export function ago(iso, now) {
  const age = now - Date.parse(iso);
  return age < 5 * SECOND ? "now" : span(age);
}

// Times are told in the browser's zone and as its language does: "2:05 PM" or "14:05", the same everywhere on the screen.
const HOUR_AND_MINUTE = { hour: "numeric", minute: "2-digit" };
const MONTH_AND_DAY = { month: "short", day: "numeric" };
const SOON_MS = 6 * 86_400_000; // so far ahead a day of the week is one day alone

/** "2:05 PM". */
export function hourOf(time) {
  return new Date(time).toLocaleTimeString(undefined, HOUR_AND_MINUTE);
}

/** "Nov 26, 2:05 PM". */
export function clockTime(time) {
  return new Date(time).toLocaleString(undefined, { ...MONTH_AND_DAY, ...HOUR_AND_MINUTE });
}

/** "Thu, Nov 26, 2:05 PM": a time ahead or behind, with its day of the week. */
export function dayAndTime(time) {
  return new Date(time).toLocaleString(undefined, { weekday: "short", ...MONTH_AND_DAY, ...HOUR_AND_MINUTE });
}

/** "2:05 PM" today, "Mon 9:00 AM" on a day of the coming week, with the date on a later one. `now` in ms, on the same time line. */
export function timeOfDay(ms, now = Date.now()) {
  if (new Date(ms).toDateString() === new Date(now).toDateString()) return hourOf(ms);
  if (ms - now > SOON_MS) return dayAndTime(ms);
  return `${new Date(ms).toLocaleDateString(undefined, { weekday: "short" })} ${hourOf(ms)}`;
}

const MINUTE = 60 * SECOND;
const FINE_WITHIN_MS = 5 * MINUTE;
const SLIPPING_WITHIN_MS = 60 * MINUTE;

/** How long a lead has waited for a human: {text: "04:12", level: fine | slipping | late}. Hours are told as hours. */
export function speedClock(waitedMs) {
  const waited = Math.max(0, waitedMs);
  const level = waited < FINE_WITHIN_MS ? "fine" : waited < SLIPPING_WITHIN_MS ? "slipping" : "late";
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  const text = waited < SLIPPING_WITHIN_MS ? `${two(waited / MINUTE)}:${two((waited % MINUTE) / SECOND)}` : span(waited);
  return { text, level };
}

/** "worth about $180 now": two figures are as much as anybody knows; null without a value. */
export function worthInWords({ expected_value: value }) {
  if (value === null || value === undefined) return null;
  if (value < 1) return "worth less than $1 now";
  const step = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return `worth about ${DOLLARS.format(Math.round(value / step) * step)} now`;
}

const WAIT_SAID = /^waiting [^,]+ for a human answer(?:, after (\d+ messages))?$/;
const NEW_SAID = /^new [^;]+ ago; (.)/;
const SPOKEN_SAID = /^(?:called|left a voicemail)\b/; // a row has no subject before it: who called?
const SCORE_SAID = /^\d+% chance of an appointment within \d+ days$/;

/** Whether a meeting lies ahead: then the chance of an appointment is no news, and that of a won deal is asked for. */
export function hasMeetingAhead(stage, action) {
  return stage === "appointment" || action?.kind === "confirm_appointment";
}

/** Whether a line of evidence tells the wait as it was at the last event: the clock has it as it is. */
export function saysWait(text) {
  return WAIT_SAID.test(text);
}

/** A line of evidence beside the clock of the wait and the score: without what these two say; null where nothing is left. */
export function proofInRow({ text }) {
  if (SCORE_SAID.test(text)) return null;
  const wait = WAIT_SAID.exec(text);
  if (wait) return wait[1] ? `${wait[1]} without a human answer` : null;
  return text.replace(NEW_SAID, (_, first) => first.toUpperCase()).replace(SPOKEN_SAID, "the lead $&");
}

/** What the value rests on. */
export function worthRestsOn({ value_assumed: assumed }) {
  return assumed ? "Typical deal value assumed: the CRM states none for this lead" : "From the deal's own value in the CRM";
}

/** A phone number as tel: and sms: take it, "" for none. An extension is no part of it: it is asked for once somebody answers. */
export function dialled(phone) {
  return (phone ?? "").split(/\s*(?:;|,|#|\bext\b|x)/i)[0].replace(/[^+0-9]/g, "");
}

/** "+1 555 010 2030": an address as it is read out; what is no number of ten American digits stays as it is. */
export function addressInWords(address) {
  return address.replace(/^(\+1)(\d{3})(\d{3})(\d{4})$/, "$1 $2 $3 $4");
}

/** Where a tap on the button leads: the phone's own app with the lead's address; null where no app is known for the channel. */
export function reachHref(reach) {
  if (!reach) return null;
  const number = dialled(reach.to);
  if (reach.channel === "email") return `mailto:${encodeURIComponent(reach.to).replace("%40", "@")}`;
  if (!number) return null;
  if (reach.channel === "sms") return `sms:${number}`;
  if (reach.channel === "call" || reach.channel === "voicemail") return `tel:${number}`;
  return null;
}

const VERBS = { sms: "Text", email: "Email", call: "Call", voicemail: "Call", live_chat: "Chat", whatsapp: "WhatsApp", social: "Message" };

/** "Call", "Text", "Email": what to do by this reach; "Done" where nothing may be sent or called from here. */
export function reachVerb(reach) {
  return reach ? (VERBS[reach.channel] ?? "Message") : "Done";
}

/** For how long an action may be put off: [words, until in ms], in the browser's zone, on the leads' own time line. */
export function snoozeChoices(now) {
  const day = new Date(now);
  const at = (days, hour) => new Date(day.getFullYear(), day.getMonth(), day.getDate() + days, hour).getTime();
  const daysToMonday = (8 - day.getDay()) % 7 || 7;
  const choices = [["1 hour", now + 60 * MINUTE], ["This evening", at(0, 18)], ["Tomorrow", at(1, 9)], ["Monday", at(daysToMonday, 9)]].map(([words, until], i) => [i ? `${words}, ${hourOf(until)}` : words, until]);
  return choices.filter(([, until], i) => until > now && !choices.slice(0, i).some(([, other]) => other === until));
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
