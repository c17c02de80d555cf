// The panels' small charts: drawn by uPlot when seen and when their figures changed, at most once a second, in idle time.
// Called by live_view.js: `heard` with each paint, `tick` each second.

import { uPlot } from "./uplot/uplot.js";
import { el, setText } from "./live_dom.js";
import { hourOf } from "./live_words.js";
import { fitFigure, scoreFigure, speedFigure, stageFigure, talkFigure, waitFigure } from "./live_figures.js";
import { FEED_ROWS } from "./live_store.js";

const PLOT_HEIGHT = 44;
const AXIS_HEIGHT = 18;
const FONT_PX = 12;
const FAMILY = '"Source Sans", "Source Sans 3", system-ui, sans-serif';
const TONES = ["text", "muted", "line", "accent", "good", "early", "active", "critical"];
const IDLE_WITHIN_MS = 800;
const CHART_MS = 4; // what one of them may cost
const SAMPLE_EVERY_MS = 5_000;
const SAMPLES_HELD = 120; // ten minutes

/** Streams whose figures change with the clock, not only with an event. */
const TICKING = new Set(["next_actions", "churn_risk", "conversation_feed", "system_performance"]);

/**
 * All charts of the screen. `panels`: by stream {node}. `deps`: {items(stream), now() on the leads' time line,
 * speed() -> {p50, p95, lag}, waits(message), whose() for waitFigure, counted(stream, n) for the tabs, picked(stage) when a bar of risk is clicked}.
 */
export class HubCharts {
  constructor(root, panels, deps) {
    Object.assign(this, deps, { root });
    this.samples = [];
    this.sampledAt = -Infinity;
    this.colours = new SchemeColours(root);
    this.dirty = new Set(panels.keys());
    this.charts = new Map();
    for (const [stream, { node }] of panels) {
      const holder = node.querySelector('[data-part="chart"]');
      if (holder) this.charts.set(stream, new SmallChart(holder, stream === "system_performance" ? speedPlot : barPlot, this.colours));
    }
    this.charts.get("churn_risk")?.onPick((stage) => this.picked(stage));
  }

  /** These streams brought something. Costs nothing: the chart is drawn with the next tick. */
  heard(streams) {
    for (const stream of streams) this.dirty.add(stream);
  }

  /** Once a second: what may have changed is counted and drawn when the browser has nothing better to do. */
  tick() {
    this.#sample();
    if (this.colours.read()) for (const chart of this.charts.values()) chart.redraw();
    for (const stream of TICKING) this.dirty.add(stream);
    this.idle ??= whenIdle((deadline) => this.#work(deadline));
  }

  stop() {
    cancelIdle(this.idle);
    for (const chart of this.charts.values()) chart.stop();
  }

  /** One chart after the other, as long as there is time; the rest in the next pause. */
  #work(deadline) {
    this.idle = null;
    for (const stream of this.dirty) {
      this.dirty.delete(stream);
      const figure = this.charts.has(stream) && this.#figureOf(stream);
      if (!figure) continue;
      if (figure.badge !== undefined) this.counted(stream, figure.badge);
      this.charts.get(stream).show(figure);
      if (this.dirty.size && deadline.timeRemaining() < CHART_MS) return void (this.idle = whenIdle((next) => this.#work(next)));
    }
  }

  #figureOf(stream) {
    if (stream === "system_performance") return speedFigure(this.samples);
    const items = this.items(stream);
    if (stream === "next_actions") return waitFigure(items, this.now(), this.whose());
    if (stream === "lead_scores") return scoreFigure(items);
    if (stream === "churn_risk") return stageFigure(items, this.now());
    if (stream === "property_matches") return fitFigure(items);
    const unanswered = new Set(items.filter(({ direction }) => direction === "inbound").filter(this.waits).map((item) => item.lead_id));
    return { ...talkFigure(items, this.now(), { full: items.length >= FEED_ROWS }), badge: unanswered.size };
  }

  #sample() {
    const at = Date.now();
    if (at - this.sampledAt < SAMPLE_EVERY_MS) return;
    const { p50, p95, lag } = this.speed();
    if (p50 === null && lag === null) return;
    this.sampledAt = at;
    this.samples = [...this.samples, { at, p50, p95, lag }].slice(-SAMPLES_HELD);
  }
}

/** The theme's colours as the canvas needs them: computed, for the scheme that holds now. */
class SchemeColours {
  constructor(root) {
    this.probes = TONES.map((tone) => el("i", { style: `color: var(--${tone})` }));
    const holder = el("div", { hidden: true }, ...this.probes);
    root.append(holder);
    this.byTone = {};
    this.read();
  }

  /** True when they are others than before. The first probe tells: a scheme changes them all. */
  read() {
    const first = getComputedStyle(this.probes[0]).color;
    if (first === this.byTone[TONES[0]]) return false;
    TONES.forEach((tone, i) => (this.byTone[tone] = getComputedStyle(this.probes[i]).color));
    return true;
  }

  of(tone) {
    return this.byTone[tone];
  }
}

/** One chart in its holder: a caption, a canvas, and the figures in words for those who do not see it. */
class SmallChart {
  constructor(holder, plotOf, colours) {
    Object.assign(this, { holder, plotOf, colours, width: 0, seen: false });
    this.caption = el("p.caption");
    this.canvas = el("div.plot", { role: "img", hidden: true });
    holder.replaceChildren(this.caption, this.canvas);
    this.sight = new IntersectionObserver((entries) => {
      this.seen = entries.at(-1).isIntersecting;
      this.#draw();
    });
    this.size = new ResizeObserver((entries) => {
      this.width = Math.floor(entries.at(-1).contentRect.width);
      if (this.plot && this.width) this.plot.setSize({ width: this.width, height: chartHeight() });
      this.#draw();
    });
    this.sight.observe(holder);
    this.size.observe(this.canvas);
  }

  /** Say `figure` in words, and draw it unless that is drawn already or nobody sees it. */
  show(figure) {
    const said = JSON.stringify(figure);
    if (said === this.said) return;
    Object.assign(this, { figure, said });
    setText(this.caption, figure.caption);
    this.canvas.hidden = figure.empty;
    this.canvas.setAttribute("aria-label", figure.words);
    this.canvas.title = figure.words;
    this.#draw();
  }

  /** A click on a bar tells its number. A short cut for the pointer: the filters above do the same for the keyboard. */
  onPick(picked) {
    this.canvas.classList.add("pickable");
    this.canvas.addEventListener("click", (event) => {
      if (!this.plot) return;
      const at = Math.round(this.plot.posToVal(event.clientX - this.plot.over.getBoundingClientRect().left, "x"));
      if (this.figure.values[at] !== undefined) picked(at);
    });
  }

  redraw() {
    this.plot?.redraw(false);
  }

  stop() {
    this.sight.disconnect();
    this.size.disconnect();
    this.plot?.destroy();
  }

  #draw() {
    const { figure } = this;
    if (!this.seen || !this.width || !figure || figure.empty || this.said === this.drawn) return;
    this.drawn = this.said;
    const shape = (figure.values ?? figure.lines).length + (figure.below ? 0.5 : 0);
    if (this.plot && this.shape === shape) {
      this.plot.figure = figure;
      return this.plot.setData(plotData(figure));
    }
    this.plot?.destroy();
    this.shape = shape;
    const plot = new uPlot({ ...this.plotOf(figure, this.colours), width: this.width, height: chartHeight() }, null, this.canvas);
    plot.figure = figure; // the options' functions read it: they outlive one figure
    plot.setData(plotData(figure));
    this.plot = plot;
  }
}

function chartHeight() {
  return PLOT_HEIGHT + AXIS_HEIGHT;
}

function plotData(figure) {
  if (figure.times) return [figure.times, ...figure.lines, figure.lag];
  const places = figure.values.map((_, i) => i);
  const under = figure.below ?? (figure.ahead ? figure.values.map((count, i) => count + figure.ahead[i]) : figure.values);
  return [places, under, figure.values];
}

const SILENT = { cursor: { show: false }, legend: { show: false }, padding: [2, 0, 0, 0] };

/** Bars with their words below and their numbers above; `below` hangs others under the line, `ahead` stands hollow on top. */
function barPlot({ values, below }, colours) {
  const count = values.length;
  const bars = (fill, stroke) => uPlot.paths.bars({ size: [0.74, 56], disp: { fill: { unit: 3, values: fill }, stroke: { unit: 3, values: stroke } } });
  const tone = (plot) => plot.figure.values.map((value, i) => (value ? colours.of(plot.figure.tones?.[i] ?? "accent") : "transparent"));
  const under = (plot) => (below ? Array(count).fill(colours.of("muted")) : plot.figure.values.map(() => "transparent"));
  const edge = (plot) => (below ? under(plot) : plot.figure.values.map((value, i) => (plot.figure.ahead?.[i] ? colours.of(plot.figure.tones[i]) : "transparent")));
  return {
    ...SILENT,
    scales: { x: { time: false, range: [-0.5, count - 0.5] }, y: { range: (plot, low, high) => [below ? Math.min(low, -1) : 0, Math.max(high, 1) * (below ? 1.1 : 1.6)] } },
    axes: [
      chartAxis(colours, { splits: () => values.map((_, i) => i), values: (plot) => plot.figure.labels, space: 1 }),
      { show: false },
    ],
    series: [
      {},
      { paths: bars(under, edge), points: { show: false }, width: 1, fill: () => "transparent", stroke: () => "transparent" },
      { paths: bars(tone, tone), points: { show: false }, width: 1, fill: () => colours.of("accent"), stroke: () => colours.of("accent") },
    ],
    hooks: { draw: below ? [] : [(plot) => numberBars(plot, colours)] },
  };
}

/** The number above each bar that has one, and "+3" for those who come. */
function numberBars(plot, colours) {
  const { values, ahead } = plot.figure;
  const { ctx } = plot;
  ctx.save();
  ctx.font = chartFont();
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  ctx.fillStyle = colours.of("text");
  values.forEach((count, i) => {
    const more = ahead?.[i] ?? 0;
    if (!count && !more) return;
    const top = plot.valToPos(count + more, "y", true);
    ctx.fillText(more ? `${count} +${more}` : String(count), plot.valToPos(i, "x", true), top - 2 * devicePixelRatio);
  });
  ctx.restore();
}

/** Two lines of milliseconds, and bars for the events that wait, on a scale of their own. */
function speedPlot(_, colours) {
  const line = (tone, dash) => ({ stroke: () => colours.of(tone), width: 1.5, dash, points: { show: (plot) => plot.data[0].length < 2, size: 5 }, spanGaps: true });
  return {
    ...SILENT,
    padding: [4, 8, 0, 0],
    scales: { x: { range: (plot, low, high) => [high - SAMPLES_HELD * (SAMPLE_EVERY_MS / 1_000), high] }, y: { range: (plot, low, high) => [0, Math.max(high ?? 0, 10) * 1.1] }, lag: { range: (plot, low, high) => [0, Math.max(high ?? 0, 1) * 1.1] } },
    axes: [
      chartAxis(colours, { space: 90, values: (plot, splits) => splits.map((at) => hourOf(at * 1_000)) }),
      chartAxis(colours, { size: 48, splits: (plot, i, low, high) => [0, high / 1.1], values: (plot, splits) => splits.map((value) => `${Math.round(value)} ms`) }),
    ],
    series: [
      {},
      line("accent", undefined),
      line("accent", [4, 3]),
      { scale: "lag", paths: uPlot.paths.bars({ size: [0.6, 6] }), fill: () => colours.of("early"), stroke: () => colours.of("early"), width: 0, points: { show: false } },
    ],
  };
}

function chartAxis(colours, more) {
  return { stroke: () => colours.of("muted"), font: `${FONT_PX}px ${FAMILY}`, grid: { show: false }, ticks: { show: false }, size: AXIS_HEIGHT, gap: 3, ...more };
}

function chartFont() {
  return `600 ${FONT_PX * devicePixelRatio}px ${FAMILY}`;
}

function whenIdle(run) {
  if (globalThis.requestIdleCallback) return { idle: requestIdleCallback(run, { timeout: IDLE_WITHIN_MS }) };
  return { timer: setTimeout(run, 50, { timeRemaining: () => CHART_MS }) }; // Safari has no idle callback
}

function cancelIdle(pending) {
  if (pending?.idle) cancelIdleCallback(pending.idle);
  else if (pending) clearTimeout(pending.timer);
}
