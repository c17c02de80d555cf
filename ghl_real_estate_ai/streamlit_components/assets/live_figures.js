// What the small charts show, counted from the items that the screen holds, and the same in words. Pure functions.
// Called by live_charts.js, at most once a second.

import { percent, milliseconds, STAGE_WORDS } from "./live_words.js";
import { span } from "../../live_client/enterprisehub_live.js";

const ONE_MINUTE_MS = 60_000;
const ONE_HOUR_MS = 60 * ONE_MINUTE_MS;

/** Up to when a lead that waits has been waiting, with the word below its bar and the colour's name. */
const WAITS = [
  [5 * ONE_MINUTE_MS, "<5 min", "good"],
  [15 * ONE_MINUTE_MS, "<15 min", "early"],
  [ONE_HOUR_MS, "<1 h", "active"],
  [4 * ONE_HOUR_MS, "<4 h", "critical"],
  [Infinity, "longer", "critical"],
];
const BINS = 10; // of a number from 0 to 1
const CLOSE_FIT = 0.8;
const ONE_BAR = 0.9;
const HOT = 0.3; // as services/team_load.py has it
const ONE_DAY_MS = 24 * ONE_HOUR_MS;
export const TALK_STEP_MS = 5 * ONE_MINUTE_MS;
const TALK_SPAN_MS = 2 * ONE_HOUR_MS;

/** What an empty figure may claim, by whose leads the items are: of a search's leads it says nothing about the others. */
const NOBODY_WAITS = { all: "Nobody waits for a person", yours: "Nobody of yours waits for a person", shown: "" };

/** How long leads wait for a person. `now` in ms, on the leads' time line; `whose`: all, yours (and nobody's), or shown (filtered). */
export function waitFigure(items, now, whose = "all") {
  const values = WAITS.map(() => 0);
  let longest = 0;
  for (const { action, acknowledged_by: taken } of items) {
    if (!action?.waiting_since || taken) continue;
    const waits = Math.max(0, now - Date.parse(action.waiting_since));
    longest = Math.max(longest, waits);
    values[WAITS.findIndex(([end]) => waits < end)] += 1;
  }
  const all = total(values);
  return {
    labels: WAITS.map(([, label]) => label),
    tones: WAITS.map(([, , tone]) => tone),
    values,
    empty: all === 0,
    caption: all ? `${leadCount(all)} wait for a person, longest ${span(longest)}` : NOBODY_WAITS[whose],
    words: all ? `${leadCount(all)} wait for a person: ${listed(WAITS.map(([, label], i) => [values[i], label]))}. Longest ${span(longest)}.` : `${NOBODY_WAITS[whose] || "Nobody shown waits for a person"}.`,
  };
}

/** Leads by their chance of an appointment, in tenths. */
export function scoreFigure(items) {
  const chances = items.map((item) => item.score.value?.probability).filter(isKnown);
  const values = tenths(chances);
  const hot = chances.filter((chance) => chance >= HOT).length;
  return {
    labels: tenthLabels(),
    tones: values.map(() => "accent"),
    values,
    empty: chances.length === 0,
    badge: hot,
    caption: chances.length ? "Leads by chance of an appointment" : "",
    words: chances.length ? `${leadCount(chances.length)} by chance of an appointment: ${inTenths(values)}. ${hot} above ${percent(HOT)}.` : "No lead has a score yet.",
  };
}

/** Leads by stage of risk, and how many more will have entered it within a day if nothing comes. */
export function stageFigure(items, now) {
  const values = [0, 0, 0, 0];
  const ahead = [0, 0, 0, 0];
  for (const { churn } of items) {
    if (!churn.value) continue;
    values[churn.value.stage] += 1;
    const entered = (churn.value.crossings ?? []).filter(({ at, stage }) => stage > churn.value.stage && Date.parse(at) <= now + ONE_DAY_MS);
    if (entered.length) ahead[Math.max(...entered.map(({ stage }) => stage))] += 1;
  }
  const all = total(values);
  const slipping = [3, 2, 1].map((stage) => [ahead[stage], STAGE_WORDS[stage].toLowerCase()]);
  const soon = total(ahead) ? ` Within 24 h, if nothing comes: ${listed(slipping)}.` : " Nobody slips within 24 h.";
  return {
    labels: STAGE_WORDS,
    tones: ["muted", "early", "active", "critical"],
    values,
    ahead,
    empty: all === 0,
    badge: values[2] + values[3],
    caption: all ? "Leads by stage, and + who slips in within 24 h" : "",
    words: all ? `${leadCount(all)} by stage of risk: ${listed(STAGE_WORDS.map((word, stage) => [values[stage], word.toLowerCase()]))}.${soon}` : "No lead has a risk yet.",
  };
}

/** Leads by how well their best home fits, in tenths. */
export function fitFigure(items) {
  const fits = items.map((item) => item.matches.value?.[0]?.overall_score).filter(isKnown);
  const values = tenths(fits);
  const isOneBar = Math.max(...values) > ONE_BAR * fits.length; // a chart of one bar tells nothing
  const close = fits.filter((fit) => fit >= CLOSE_FIT).length;
  return {
    labels: tenthLabels(),
    tones: values.map(() => "good"),
    values,
    empty: fits.length === 0 || isOneBar,
    badge: close,
    caption: isOneBar ? `The best homes of ${leadCount(Math.max(...values))} fit alike: at ${percent(values.indexOf(Math.max(...values)) / BINS)} or closer` : fits.length ? "Leads by fit of their best home" : "",
    words: fits.length ? `${leadCount(fits.length)} by fit of their best home: ${inTenths(values)}. ${close} at ${percent(CLOSE_FIT)} or closer.` : "No lead has a home that fits yet.",
  };
}

/** Messages per five minutes, in above, out below, over the newest two hours or as far back as the screen holds them. */
export function talkFigure(items, now, { full = false } = {}) {
  const times = items.map((item) => Date.parse(item.at));
  const oldest = Math.min(...times, now);
  const from = full ? Math.max(now - TALK_SPAN_MS, oldest) : now - TALK_SPAN_MS;
  const steps = Math.max(1, Math.ceil((now - from) / TALK_STEP_MS));
  const incoming = Array(steps).fill(0);
  const outgoing = Array(steps).fill(0);
  let automated = 0;
  items.forEach((item, i) => {
    const step = steps - 1 - Math.floor((now - times[i]) / TALK_STEP_MS);
    if (step < 0 || step >= steps) return;
    if (item.direction === "inbound") incoming[step] += 1;
    else outgoing[step] += 1;
    if (item.direction !== "inbound" && !item.human) automated += 1;
  });
  const [received, sent] = [total(incoming), total(outgoing)];
  const since = span(steps * TALK_STEP_MS);
  return {
    labels: incoming.map((_, i) => (i === Math.min(2, steps - 1) ? `${since} ago` : i === steps - 2 ? "now" : "")),
    values: incoming,
    below: outgoing.map((count) => -count),
    empty: received + sent === 0,
    caption: received + sent === 0 ? "" : `▲ ${received} in, ▼ ${sent} out, per 5 min`,
    words: `In the newest ${since}: ${received} messages in, ${sent} out, ${automated} of them by automation.`,
  };
}

/** From an event to this screen, and how many events wait, over the newest ten minutes. `samples`: [{at, p50, p95, lag}], oldest first. */
export function speedFigure(samples) {
  const newest = samples.at(-1);
  const lag = samples.map((sample) => sample.lag ?? null);
  const behind = lag.some((count) => count > 0);
  return {
    times: samples.map((sample) => sample.at / 1_000),
    lines: [samples.map((sample) => sample.p50), samples.map((sample) => sample.p95)],
    lag: behind ? lag : lag.map(() => null),
    empty: samples.length < 2, // one is no line yet
    caption: samples.length < 2 ? "" : `Event to screen: p50 solid, p95 dashed${behind ? ", lag as bars" : ""}`,
    words: newest ? `From an event to this screen: half within ${milliseconds(newest.p50)}, ${percent(0.95)} within ${milliseconds(newest.p95)}${newest.lag ? `; ${newest.lag} events behind` : ""}.` : "Nothing measured on this screen yet.",
  };
}

function tenths(numbers) {
  const counts = Array(BINS).fill(0);
  for (const number of numbers) counts[Math.min(BINS - 1, Math.floor(number * BINS))] += 1;
  return counts;
}

function tenthLabels() {
  return Array.from({ length: BINS }, (_, i) => (i % 2 ? "" : percent(i / BINS)));
}

function inTenths(values) {
  return listed(values.map((count, i) => [count, `at ${i * 10} to ${percent((i + 1) / BINS)}`]));
}

/** "3 early, 1 critical": what is there, without the noughts. */
function listed(pairs) {
  const there = pairs.filter(([count]) => count).map(([count, word]) => `${count} ${word}`);
  return there.join(", ") || "none";
}

function leadCount(count) {
  return count === 1 ? "1 lead" : `${count} leads`;
}

function total(numbers) {
  return numbers.reduce((all, number) => all + number, 0);
}

function isKnown(value) {
  return typeof value === "number";
}
