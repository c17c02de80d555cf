// The performance panel: one plain word first, then the figures. Everybody sees this screen's own speed; the gateway's
// figures and the models are for managers and admins. Called by live_view.js.

import { el, setText } from "./live_dom.js";
import { milliseconds } from "./live_words.js";
import { span } from "../../live_client/enterprisehub_live.js";

const FAST_MS = 100; // an eye takes it for at once
const SLOW_MS = 1_000;
const MANY_BEHIND = 25; // events: more than a burst that is worked off within a second
const ALARM_SHOWN = 90; // letters of a drift alarm; the whole is in the title

/** Milliseconds; from ten seconds on as people say it. */
function quick(ms) {
  return ms >= 10 * SLOW_MS ? span(ms) : milliseconds(ms);
}

/** The state of things in a word and a sentence. `tone`: good, early or critical. */
export function verdictOf({ connected, lag, p95 }) {
  if (!connected) return { word: "Not connected", tone: "critical", sentence: "What you see is from before." };
  if (lag > MANY_BEHIND) return { word: `Behind by ${lag} events`, tone: "critical", sentence: "The gateway works them off in their order." };
  if (p95 === null) return { word: "Ready", tone: "good", sentence: "Nothing has happened since this screen was opened." };
  if (p95 < FAST_MS) return { word: "Fast", tone: "good", sentence: `95 % of events are on this screen within ${quick(p95)}.` };
  if (p95 < SLOW_MS) return { word: "Good", tone: "good", sentence: `95 % of events are on this screen within ${quick(p95)}.` };
  return { word: "Slow", tone: "early", sentence: `Some events take ${quick(p95)} to this screen: look at the machine or the network.` };
}

/** What the gateway tells of itself: [label, value, title, alarming]. */
export function gatewayFigures(item) {
  const letters = item.dead_letters;
  return [
    ["Publish p50", quick(item.event_to_publish_p50_ms), "From a delivery's arrival to its publication: half are faster"],
    ["Publish p95", quick(item.event_to_publish_p95_ms), "From a delivery's arrival to its publication: 95 % are faster"],
    ["Stored p95", quick(item.ingest_p95_ms), "From a delivery's arrival to its committed row: 95 % are faster"],
    ["Lag", String(item.log_lag_events), "Events in the log that are not handled yet", item.log_lag_events > MANY_BEHIND],
    ["Events /s", item.events_per_s.toFixed(1), "Events handled per second"],
    ["Loop delay", quick(item.loop_delay_ms), "How late the gateway's own timers fire"],
    ["Screens", String(item.connections), "Open live connections"],
    ["Dead letters", String(letters), "Deliveries that could not be used: an admin can replay them on the Admin page", letters > 0],
  ];
}

/** One line per model: "lead score: fitted 12 days ago", or that it ships with the product. [name, words, title, alarming]. */
export function modelLines(item) {
  return Object.entries(item.model_versions).map(([name, version]) => {
    const alarm = item.model_alarms?.[name];
    const age = ageInWords(item.model_ages_days?.[name]);
    return [name.replaceAll("_", " "), alarm ? `${age} · has drifted: ${shortened(alarm)}` : age, `Version ${version}. ${alarm ?? "No drift alarm."}`, Boolean(alarm)];
  });
}

/** 12.4 -> "fitted 12 days ago"; a model without an age is the one that ships. */
export function ageInWords(days) {
  if (days === undefined || days === null) return "as shipped: fitted on simulated leads";
  if (days < 1) return "fitted today";
  const whole = Math.floor(days);
  return whole === 1 ? "fitted 1 day ago" : `fitted ${whole} days ago`;
}

function shortened(text) {
  return text.length > ALARM_SHOWN ? `${text.slice(0, ALARM_SHOWN)}…` : text;
}

export class SystemPanel {
  /** `panel`: {rows, empty} of the panel's element. */
  constructor(node, { rows, empty }) {
    Object.assign(this, { rows, empty });
    this.word = el("strong.verdict");
    this.sentence = el("span.meta");
    node.querySelector("header").append(this.word, this.sentence);
    this.figures = new Map(); // label -> {node, value}
  }

  /** `own`: {p50, p95} of this screen in ms; `item`: the gateway's, null for those who may not see it. */
  paint({ own, item, connected, nothing }) {
    const lag = item?.log_lag_events ?? 0;
    const verdict = verdictOf({ connected, lag, p95: own.p95 });
    setText(this.word, verdict.word);
    this.word.className = `verdict verdict-${verdict.tone}`;
    setText(this.sentence, verdict.sentence);
    this.empty.hidden = item !== null;
    setText(this.empty, nothing);
    this.#write([
      ["Screen p50", quick(own.p50), "From the gateway's publication to the paint in this browser: half are faster"],
      ["Screen p95", quick(own.p95), "From the gateway's publication to the paint in this browser: 95 % are faster"],
      ...(item ? gatewayFigures(item) : []),
      ...(item ? modelLines(item).map((line) => [...line, "model"]) : []),
    ]);
  }

  /** Figures stay in place: only what differs is written. */
  #write(figures) {
    const labels = new Set(figures.map(([label]) => label));
    for (const [label, { node }] of this.figures) if (!labels.has(label)) node.remove() ?? this.figures.delete(label);
    for (const [label, value, title, alarming, kind] of figures) {
      let figure = this.figures.get(label);
      if (!figure) {
        const written = el("dd");
        figure = { node: el(kind ? `div.${kind}` : "div", {}, el("dt", {}, label), written), value: written };
        this.figures.set(label, figure);
        this.rows.append(figure.node);
      }
      figure.node.title = title;
      figure.node.classList.toggle("alarming", Boolean(alarming));
      setText(figure.value, alarming ? `! ${value}` : value);
    }
  }
}
