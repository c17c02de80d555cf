// The numbers of one lead: score with its interval, what moved it, why; the churn risk with its curve ahead.
// Called by live_lead.js.

import { causeInWords, dayAndTime, percent, points, stageToCome, stampInWords, STAGE_WORDS } from "./live_words.js";
import { featureInWords, intervalInWords, priorInWords, sharedScale } from "./live_lead_words.js";
import { leadPart, staleLine } from "./live_lead_parts.js";
import { riskCurve } from "./live_lead_curve.js";
import { el, staleTag } from "./live_dom.js";

const REASONS_SHOWN = 5;
const STARTING_POINT = "base"; // what the model says of anybody: not a reason about this lead

/** Chances of an appointment and of a won deal, each a point with its range on one shared axis; first what is still asked for. */
export function scorePart() {
  return leadPart("Score", ({ score, won, cause, meetingAhead }) => {
    const end = sharedScale([score.value, won.value]);
    const stamp = score.value ?? won.value;
    const chances = [
      chance(score, (value) => `chance of an appointment within ${value.horizon_days} days`, "an appointment", end),
      chance(won, (value) => `chance of a won deal within ${value.horizon_days} days`, "a won deal", end),
    ];
    return [
      ...(meetingAhead ? chances.reverse() : chances),
      el("div.chance.axis", { "aria-hidden": "true" }, el("span"), el("span"), el("span.ends", {}, el("span", {}, percent(0)), el("span", {}, percent(end)))),
      movedBy(cause, "score"),
      staleLine(score) ?? staleLine(won),
      stamp ? el("p.stamp", {}, stampInWords(stamp.model)) : null,
    ];
  });
}

function chance(part, meaning, of, end) {
  const { value } = part;
  if (!value) return el("p.unknown", {}, `Chance of ${of}: ${part.stale_reason ?? "not enough data"}.`);
  const at = (share) => `${Math.min(100, (100 * share) / end)}%`;
  const range = value.interval && el("i.range", { style: `left:${at(value.interval.low)};right:calc(100% - ${at(value.interval.high)})` });
  return el(
    "div.chance",
    {},
    el("span.figure.number", {}, percent(value.probability)),
    el("span.meaning", {}, meaning(value), " ", part.stale_reason ? staleTag(part.stale_reason) : ""),
    el("span.bar-line", { "aria-hidden": "true" }, range ?? "", el("i.point", { style: `left:${at(value.probability)}` })),
    el("span.meta", {}, [intervalInWords(value.interval), priorInWords(value.prior_share, value.model)].filter(Boolean).join(". ")),
  );
}

/** What moved a number last: the event's own effect, and that of the time before it. */
function movedBy(cause, side) {
  if (!cause) return null;
  const { change, text } = causeInWords(cause, side);
  const byTime = points(cause[`${side}_by_time`]);
  const alsoTime = byTime && points(cause[`${side}_by_event`]);
  return el(
    "p.why-line",
    {},
    change ? el("b", {}, `${change} points `) : "No change after: ",
    text,
    alsoTime ? el("span.meta", {}, ` (and ${byTime} points with the time before that)`) : "",
  );
}

/** The churn risk: value, stage, since when, what moved it. The curve stands in a part of its own: it comes by its own request. */
export function churnPart() {
  return leadPart("Churn risk", ({ churn, cause }) => {
    const { value } = churn;
    if (!value) return [el("p.unknown", {}, `Not known: ${churn.stale_reason ?? "not enough data"}.`)];
    const since = value.stage_since ? `since ${dayAndTime(value.stage_since)}` : "since when is not known";
    return [
      el(
        "div.line.risk-now",
        {},
        el("span.figure.number", {}, percent(value.probability)),
        el(`span.stage.stage-${value.stage}`, { title: stageToCome(value) }, STAGE_WORDS[value.stage]),
        el("span.meta", {}, since),
        churn.stale_reason ? staleTag(churn.stale_reason) : null,
      ),
      el("p.meta", {}, `chance of silence for ${value.horizon_days} days`),
      movedBy(cause, "churn"),
      staleLine(churn),
      el("p.stamp", {}, stampInWords(value.model)),
    ];
  });
}

/** `show(curve, now)`; a curve that could not be had is {trouble}. */
export function curvePart() {
  let tableOpen = false; // a table that somebody reads stays open while the curve is drawn anew
  const part = leadPart("If the lead stays silent", (curve, now) => {
    if (!curve) return [el("p.meta", {}, "Asking for the curve…")];
    if (curve.trouble) return [el("p.trouble-line", {}, `The curve ahead is not there: ${curve.trouble}`)];
    return [riskCurve(curve, now, { room: part.body.clientWidth, tableOpen, tableToggled: (open) => (tableOpen = open) })];
  });
  return part;
}

/** What pushes each model's number up or down, strongest first, as bars to the right and to the left. */
export function whyPart() {
  return leadPart("Why", (reasons) => {
    const titles = [["score", "Appointment"], ["won", "Won deal"], ["churn", "Churn risk"]];
    const lists = titles.filter(([name]) => Object.keys(reasons?.[name] ?? {}).length).map(([name, title]) => reasonsOf(title, reasons[name]));
    return lists.length ? lists : [el("p.meta", {}, "The models gave no reasons.")];
  });
}

/** The strongest contributions: [[name, log-odds]], at most REASONS_SHOWN. */
export function strongest(contributions) {
  return Object.entries(contributions)
    .filter(([name, weight]) => name !== STARTING_POINT && weight !== 0)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
    .slice(0, REASONS_SHOWN);
}

function reasonsOf(title, contributions) {
  const rows = strongest(contributions);
  const most = Math.abs(rows[0]?.[1] ?? 1);
  const row = ([name, weight]) => {
    const up = weight > 0;
    const width = `width:${(50 * Math.abs(weight)) / most}%`;
    return el(
      "li",
      {},
      el("span", {}, featureInWords(name)),
      el(`span.meta.${up ? "up" : "down"}`, {}, up ? "raises" : "lowers"),
      el("span.diverging", { "aria-hidden": "true" }, el(`i.${up ? "raises" : "lowers"}`, { style: width })),
    );
  };
  return el("div", {}, el("h4", {}, title), el("ul.reasons-list", {}, ...rows.map(row)));
}
