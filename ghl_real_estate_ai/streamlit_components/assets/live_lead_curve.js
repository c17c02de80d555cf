// The churn risk ahead, drawn: thresholds by stage, crossings marked, the same as sentences and as a table.
// Called by live_lead_numbers.js. Own SVG: one line with three levels needs no chart library, and says itself aloud.

import { dayAndTime, percent, STAGE_LEVELS, STAGE_WORDS } from "./live_words.js";
import { crossingInWords } from "./live_lead_words.js";
import { el } from "./live_dom.js";

const BOX = { height: 200, left: 46, right: 70, top: 12, bottom: 26 };
const [NARROWEST, WIDEST] = [320, 720];
const ROW_HEIGHT = 14; // times of crossings that lie close stand above each other
const DAY = 86_400_000;
const TABLE_STEP = 4; // the points are 6-hourly: one row a day

/** Where everything stands in a drawing so many pixels wide. `points` and `crossings` as GET .../risk-curve has them. */
export function curveShape(points, crossings, width) {
  const start = Date.parse(points[0].at);
  const length = Math.max(1, Date.parse(points.at(-1).at) - start);
  const x = (time) => round(BOX.left + ((time - start) / length) * (width - BOX.left - BOX.right));
  const y = (share) => round(BOX.top + (1 - share) * (BOX.height - BOX.top - BOX.bottom));
  const line = points.map((point) => `${x(Date.parse(point.at))},${y(point.probability)}`);
  const marks = crossings
    .map((crossing) => ({ stage: crossing.stage, time: Date.parse(crossing.at) }))
    .filter(({ time }) => time >= start && time <= start + length)
    .map(({ stage, time }, i) => ({ stage, x: x(time), y: y(probabilityAt(points, time)), text: shortTime(time), row: i % 2 }));
  const days = Math.round(length / DAY);
  const step = days > 7 ? 2 : 1;
  const ticks = Array.from({ length: Math.floor(days / step) + 1 }, (_, i) => ({ x: x(start + i * step * DAY), text: i ? `+${i * step} d` : "now" }));
  return {
    line: line.join(" "),
    area: `${BOX.left},${y(0)} ${line.join(" ")} ${x(start + length)},${y(0)}`,
    levels: STAGE_LEVELS.map(([stage, level]) => ({ stage, y: y(level) })),
    marks,
    ticks,
    shares: [0, 0.5, 1].map((share) => ({ y: y(share), text: percent(share) })),
    ends: { left: BOX.left, right: width - BOX.right, bottom: y(0), width },
  };
}

/** The risk between two points, on the straight line from one to the next. */
export function probabilityAt(points, time) {
  const after = points.findIndex((point) => Date.parse(point.at) >= time);
  if (after <= 0) return points[after === 0 ? 0 : points.length - 1].probability;
  const [a, b] = [points[after - 1], points[after]];
  const share = (time - Date.parse(a.at)) / Math.max(1, Date.parse(b.at) - Date.parse(a.at));
  return a.probability + share * (b.probability - a.probability);
}

function shortTime(time) {
  return new Date(time).toLocaleString(undefined, { weekday: "short", hour: "numeric", minute: "2-digit" });
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function draw(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** "Now 42 %, in 14 days 88 %." and each crossing: the drawing in words. `stagesFrom`: when a stage may begin at the earliest. */
export function curveInWords(points, crossings, now, stagesFrom = null) {
  const days = Math.round((Date.parse(points.at(-1).at) - Date.parse(points[0].at)) / DAY);
  const ends = `Now ${percent(points[0].probability)}, in ${days} days ${percent(points.at(-1).probability)} if the lead stays silent.`;
  return [ends, ...crossings.map((crossing) => `${crossingInWords(crossing, now, stagesFrom)}.`)];
}

/** The drawing, its sentences and its table. `now` in ms on the lead's own time line; `room`: pixels across, so that its words keep their size. */
export function riskCurve({ points, crossings, stages_from: stagesFrom }, now, { room, tableOpen, tableToggled }) {
  if (points.length < 2) return el("p.meta", {}, "No curve ahead: not enough data.");
  const sentences = curveInWords(points, crossings, now, stagesFrom);
  const [ends, ...reached] = sentences;
  const none = reached.length ? null : el("li", {}, "No further stage is reached in this time.");
  return el(
    "div.curve",
    {},
    picture(curveShape(points, crossings, Math.max(NARROWEST, Math.min(WIDEST, room))), sentences.join(" ")),
    el("ul.crossings", {}, ...reached.map((words, i) => el(`li.stage.stage-${crossings[i].stage}`, {}, words)), none ?? ""),
    el("details.as-table", { open: tableOpen, ontoggle: (event) => tableToggled(event.target.open) }, el("summary", { "data-focus": "curve-table" }, "As a table"), el("p.meta", {}, ends), curveTable(points)),
  );
}

function picture(shape, words) {
  const { left, right, bottom, width } = shape.ends;
  const label = (text, x, y, anchor, kind = "axis") => draw("text", { x, y, "text-anchor": anchor, class: kind }, text);
  return draw(
    "svg",
    { viewBox: `0 0 ${width} ${BOX.height}`, class: "risk-curve", role: "img", "aria-label": `Churn risk ahead. ${words}` },
    ...shape.shares.map(({ y, text }) => label(text, left - 6, y + 4, "end")),
    ...shape.levels.flatMap(({ stage, y }) => [
      draw("line", { x1: left, x2: right, y1: y, y2: y, class: `level level-${stage}` }),
      label(STAGE_WORDS[stage], right + 6, y + 4, "start", `axis level-${stage}`),
    ]),
    draw("line", { x1: left, x2: right, y1: bottom, y2: bottom, class: "ground" }),
    ...shape.ticks.map(({ x, text }) => label(text, x, bottom + 18, "middle")),
    draw("polygon", { points: shape.area, class: "area" }),
    draw("polyline", { points: shape.line, class: "line-ahead" }),
    ...shape.marks.flatMap(({ stage, x, y }) => [
      draw("line", { x1: x, x2: x, y1: y, y2: bottom, class: `drop level-${stage}` }),
      draw("circle", { cx: x, cy: y, r: 4.5, class: `mark level-${stage}` }),
    ]),
    ...shape.marks.map(({ x, text, row }) => label(text, x + 6, bottom - 6 - row * ROW_HEIGHT, "start", "axis time")), // above all lines
  );
}

function curveTable(points) {
  const rows = points
    .filter((_, i) => i % TABLE_STEP === 0)
    .map((point) => el("tr", {}, el("th", { scope: "row" }, dayAndTime(point.at)), el("td.number", {}, percent(point.probability))));
  return el(
    "table.plain-table",
    {},
    el("caption.hidden", {}, "Churn risk ahead, one row a day"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "If silent until"), el("th", { scope: "col" }, "Risk"))),
    el("tbody", {}, ...rows),
  );
}
