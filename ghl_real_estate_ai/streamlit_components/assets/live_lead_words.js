// One lead's numbers, wishes and days as people say them. Pure functions; called by the parts of the lead page.

import { channelName, clockTime, dayAndTime, dialled, money, percent, STAGE_WORDS } from "./live_words.js";
import { span } from "../../live_client/enterprisehub_live.js";

const DAY_MS = 86_400_000;
const SCALES = [0.05, 0.1, 0.25, 0.5, 1]; // ends of the axis that the bars of one lead share
const DWELL_MS = 12 * 3_600_000; // ml.risk_stages.DWELL: so long a number lasts before its stage begins
const SAME = 0.005; // two ends of an interval that print alike

/** Where the axis ends that shows all these scores with their intervals: 0.05 to 1. */
export function sharedScale(scores) {
  const most = Math.max(0, ...scores.map((score) => score?.interval?.high ?? score?.probability ?? 0));
  return SCALES.find((end) => most <= end) ?? 1;
}

/** "between 7 % and 19 %, 80 % sure"; "" for a number that tells no interval. */
export function intervalInWords(interval) {
  if (!interval) return "";
  if (interval.high - interval.low < SAME) return `about ${percent(interval.low)}, ${percent(interval.level)} sure`;
  return `between ${percent(interval.low)} and ${percent(interval.high)}, ${percent(interval.level)} sure`;
}

/** How much of a number is the documented prior, and how much the office's own leads. `model` is the number's stamp. */
export function priorInWords(share, model) {
  if (share === null || share === undefined) return "";
  if (share >= 0.8) return "Mostly the documented prior: too few leads of your own yet.";
  if (share >= 0.5) return "More the documented prior than your own leads.";
  if (share === 0 && model.simulated) return "As fitted on simulated leads, not on your own."; // no prior moved by own leads at all
  if (share >= 0.2) return "Mostly your own leads, in part the documented prior.";
  return "From your own leads.";
}

const FEATURE_WORDS = {
  silence_days: "how long the lead has been silent",
  silence_over_rhythm: "silence, next to how often this lead is usually heard of",
  silence_odds: "how likely this silence is to last",
  waiting_hours: "how long the lead waits for a person",
  first_response_hours: "how soon a person first answered",
  tenure_days: "how long you have known the lead",
  active_days: "days with a sign of life",
  messages_in: "messages from the lead",
  calls_in: "calls from the lead",
  views: "homes viewed",
  saves: "homes saved",
  searches: "searches",
  appointments: "meetings booked",
  agent_touches: "calls and messages from your team",
  automated_touches: "automated messages",
  messages_in_total: "messages and calls from the lead, ever",
  saves_total: "homes saved, ever",
  conversation_share: "how much the lead talks rather than browses",
  answers_per_touch: "how often the lead answers your team",
  homes_looked_at: "different homes looked at lately",
  appointment_ahead: "a meeting ahead",
  appointments_kept: "meetings the lead came to",
  appointments_missed: "meetings cancelled or missed",
  wishes_stated: "how many wishes are stated",
  open_opportunity: "an open deal",
  opted_out: "no messages wanted",
};

const LATELY = { 1: "today", 7: "this week", 30: "this month" };

/** A model's input in words: "messages_in_7d" -> "messages from the lead, this week". */
export function featureInWords(name) {
  if (FEATURE_WORDS[name]) return FEATURE_WORDS[name];
  const [, stem, days] = /^(.*)_(\d+)d$/.exec(name) ?? [];
  if (!FEATURE_WORDS[stem]) return name.replaceAll("_", " ");
  return `${FEATURE_WORDS[stem]}, ${LATELY[days] ?? `last ${days} days`}`;
}

/** "Active in 2 days, Thu 14:00, if nothing comes": one crossing of the risk curve. `now` in ms, on the lead's time line; `stagesFrom`: an ISO time, before it a lead is too new. */
export function crossingInWords(crossing, now, stagesFrom = null) {
  const at = Date.parse(crossing.at);
  const stage = STAGE_WORDS[crossing.stage];
  if (at <= now) return `${stage} since ${dayAndTime(at)} by the numbers; ${stageBegins(at + DWELL_MS, Date.parse(stagesFrom ?? ""), now)}`;
  return `${stage} in ${span(at - now)}, ${dayAndTime(at)}, if nothing comes`;
}

function stageBegins(due, from, now) {
  if (from > now && from >= due) return `the lead is too new for a stage until ${dayAndTime(from)}`;
  return due > now ? `the stage begins ${dayAndTime(due)} if it lasts` : "the stage begins if it lasts";
}

/** The name of a day of the timeline: "Today", "Yesterday", "Thursday, November 26, 2026". `now` on the lead's time line. */
export function dayInWords(iso, now) {
  const start = (time) => new Date(time).setHours(0, 0, 0, 0);
  const days = Math.round((start(now) - start(Date.parse(iso))) / DAY_MS);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return new Date(iso).toLocaleDateString(undefined, { weekday: "long", month: "long", day: "numeric", year: "numeric" });
}

/** Days of the timeline: [[day in words, entries]], in the order of the entries. */
export function byDay(entries, now) {
  const days = new Map();
  for (const entry of entries) {
    const day = dayInWords(entry.at, now);
    days.set(day, [...(days.get(day) ?? []), entry]);
  }
  return [...days];
}

const NOT_ANSWERABLE = "do not disturb is set in the CRM";
const ASKED_TO_STOP = "the lead asked to stop";
const SPOKEN = ["call", "voicemail"];

/**
 * The ways to reach a lead: [{name, label, href | null, why}]. `why` names what forbids a way, or that there is no address.
 * `reach` is the next action's: under do not disturb, the one way by which the lead waits for an answer stays open.
 */
export function waysToReach({ contact, reach, messages }) {
  const stopped = newestInbound(messages)?.facts?.some((fact) => fact.kind === "stop");
  const phone = dialled(contact.phone);
  const ways = [
    ["call", "Call", phone && `tel:${phone}`, "no phone in the CRM"],
    ["sms", "Text", phone && `sms:${phone}`, "no phone in the CRM"],
    ["email", "Email", contact.email && `mailto:${encodeURIComponent(contact.email).replaceAll("%40", "@")}`, "no email in the CRM"],
  ];
  return ways.map(([name, label, href, missing]) => {
    const answering = reach && (reach.channel === name || (name === "call" && SPOKEN.includes(reach.channel)));
    if (!href) return { name, label, href: null, why: missing };
    if (stopped) return { name, label, href: null, why: ASKED_TO_STOP };
    if (contact.dnd && !answering) return { name, label, href: null, why: NOT_ANSWERABLE };
    return { name, label, href, why: "" };
  });
}

/** The newest message of the lead; undefined when it never wrote. Messages are oldest first. */
export function newestInbound(messages = []) {
  return messages.findLast((message) => message.direction === "inbound");
}

/** "SingleFamilyResidence" -> "Single family residence". */
export function homeTypeInWords(type) {
  const words = type.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const TIMELINE_KINDS = {
  LeadUpserted: ["+", "Contact"],
  LeadDeleted: ["✕", "Contact"],
  MessageReceived: ["↓", "In"],
  MessageSent: ["↑", "Out"],
  OpportunityChanged: ["$", "Deal"],
  AppointmentChanged: ["◷", "Meeting"],
  PropertyActivityRecorded: ["⌂", "Home"],
  NoteAdded: ["¶", "Note"],
  TaskChanged: ["☐", "Task"],
  LeadIntelligenceUpdated: ["∿", "Numbers"],
  LeadWentQuiet: ["…", "Silence"],
  ListingJudged: ["⌂", "Verdict"],
  ActionAcknowledged: ["✓", "Taken"],
  ActionSnoozed: ["◔", "Snoozed"],
  MarkedAnswered: ["✓", "Answered"],
  LeadDeclined: ["–", "Not mine"],
  ActionReopened: ["↺", "Undone"],
  WishesCorrected: ["✎", "Wishes"],
};

/** The sign and the word of a kind of event: [sign, word]. */
export function timelineKind(type) {
  return TIMELINE_KINDS[type] ?? ["·", "Event"];
}

const FIRST_LINE = 110; // characters of a message in the timeline; the whole stands in the conversation
const HOMES_NAMED = 3;

/**
 * The timeline's rows: what repeats without anything between is one row. `entries` newest first, of one day; each row is its
 * newest entry with `count`, and with the different `homes` that it tells of.
 */
export function foldedEntries(entries) {
  const rows = [];
  for (const entry of entries) {
    const last = rows.at(-1);
    if (last && sameDoing(last, entry)) {
      last.count += 1;
      if (entry.home && !last.homes.includes(entry.home)) last.homes.push(entry.home);
    } else rows.push({ ...entry, count: 1, homes: entry.home ? [entry.home] : [] });
  }
  return rows;
}

const CONTACT_CHANGED = "contact changed";

function sameDoing(a, b) {
  if (a.type !== b.type) return false;
  if (a.type === "LeadUpserted") return [a, b].every(({ summary }) => summary.startsWith(CONTACT_CHANGED));
  return a.type === "PropertyActivityRecorded" && a.summary === b.summary;
}

const PUT_OFF = new Set(["ActionSnoozed", "ActionAcknowledged"]);

/** One row of the timeline in words: the message's first line, homes by address, times in the browser's zone. */
export function timelineInWords({ type, summary, about_at: aboutAt, count = 1, homes = [] }, message, nameOfUser) {
  if (message?.text) {
    const sender = message.direction === "inbound" ? "" : `${senderInWords(message, nameOfUser)} · `;
    return `${sender}${channelName(message.channel)}: “${firstLine(message.text)}”`;
  }
  if (count > 1 && type === "LeadUpserted") return `${CONTACT_CHANGED} ${count} times`;
  if (homes.length > 1) return `${summary.replace(/ a home$/, ` ${homes.length} homes`)}: ${namesOfHomes(homes)}`;
  const words = homes.length && / a home$/.test(summary) ? summary.replace(/a home$/, homes[0]) : summary;
  const time = aboutAt ? `${PUT_OFF.has(type) ? " until" : ":"} ${dayAndTime(aboutAt)}` : "";
  return `${words}${time}${count > 1 ? `, ${count} times` : ""}`;
}

function namesOfHomes(homes) {
  const further = homes.length - HOMES_NAMED;
  return homes.slice(0, HOMES_NAMED).join(", ") + (further > 0 ? ` and ${further} more` : "");
}

function firstLine(text) {
  const line = text.trim().split("\n")[0];
  return line.length > FIRST_LINE ? `${line.slice(0, FIRST_LINE).trimEnd()}…` : line;
}

/** Who sent a message: "Lead", "Alex Rivera", "Team" or "Automation"; with channel and time. */
export function senderInWords(message, nameOfUser) {
  if (message.direction === "inbound") return "Lead";
  if (!message.human) return "Automation";
  return (message.user_id && nameOfUser(message.user_id)) || "Team";
}

export function messageHead(message, nameOfUser) {
  return `${senderInWords(message, nameOfUser)} · ${channelName(message.channel)} · ${clockTime(message.at)}`;
}

/** "+3 more homes": what a change of one wish would give. */
export function relaxationInWords({ change, more }) {
  return `${change.charAt(0).toUpperCase()}${change.slice(1)}: ${more === 1 ? "1 more home" : `${more} more homes`}`;
}

const WISH_CHIPS = {
  city: (value) => `in ${value}`,
  min_list_price: (value) => `from ${money(value)}`,
  max_list_price: (value) => `up to ${money(value)}`,
  min_bedrooms: (value) => `${value}+ bedrooms`,
  min_bathrooms: (value) => `${value}+ bathrooms`,
  min_living_area: (value) => `${Math.round(value).toLocaleString("en-US")}+ sq ft`,
  property_sub_type: homeTypeInWords,
  features: (value) => value.map((feature) => feature.replaceAll("_", " ")).join(", "),
};

/** A stated wish as a chip says it: "up to $450,000". */
export function wishInWords(field, value) {
  return WISH_CHIPS[field]?.(value) ?? `${field.replaceAll("_", " ")} ${value}`;
}
