// @ts-check
// The six streams on a plain page: what a first client of one's own looks like. Loaded by example.html.

import { LiveConnection, stateInWords } from "./enterprisehub_live.js";
import { LiveItems } from "./live_items.js";

const ITEMS_SHOWN = 10;

/** One line per item. Of each stream, what its items hold is in models/streams.py and in the snapshot. @type {Record<string, (item: any) => string>} */
const LINES = {
  next_actions: (item) => `${item.lead_name ?? item.lead_id}: ${item.action?.title ?? "nothing to do"}`,
  lead_scores: (item) => `${item.lead_name}: ${percent(item.score.value)}`,
  churn_risk: (item) => `${item.lead_name}: ${percent(item.churn.value)}`,
  property_matches: (item) => `${item.lead_name}: ${item.matches.value?.length ?? "not known how many"} homes`,
  conversation_feed: (item) => `${item.direction === "inbound" ? "in" : "out"}: ${item.text ?? item.channel}`,
  system_performance: (item) => `${item.events_per_s.toFixed(1)} events a second, ${item.connections} screens`,
};

/** @param {{probability: number} | null} value */
const percent = (value) => (value ? `${Math.round(value.probability * 100)} %` : "not known");

/** @param {string} id @returns {any} */
const part = (id) => document.getElementById(id);

/** @type {LiveConnection | null} */
let connection = null;
let items = new LiveItems();
/** @type {Set<string>} */
const changed = new Set();

part("sign-in").addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  const fields = [...new FormData(form)].filter(([, value]) => value);
  part("trouble").textContent = "";
  const answer = await fetch("/v1/sessions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(fields)),
  }).catch(() => null);
  const body = await answer?.json().catch(() => null); // a proxy may answer with a page of its own
  if (!answer?.ok || !body) {
    return void (part("trouble").textContent = body?.error?.message ?? "The gateway does not answer. Try again in a moment.");
  }
  form.reset();
  begin(body.access_token);
});

part("leave").addEventListener("click", () => end(""));

/** @param {string} token */
function begin(token) {
  items = new LiveItems();
  connection = new LiveConnection({
    apiUrl: location.origin,
    token,
    hear: (message) => paintSoon(items.apply(message)),
    stateChanged: (state) => (state.name === "signed_out" ? end(state.detail) : showState()),
  });
  part("streams").replaceChildren();
  show({ signedIn: true });
  connection.start();
}

/** @param {string} why */
function end(why) {
  connection?.stop();
  connection = null;
  show({ signedIn: false });
  part("state").textContent = "signed out";
  part("trouble").textContent = why;
}

/** @param {{signedIn: boolean}} now */
function show({ signedIn }) {
  part("sign-in").hidden = signedIn;
  part("leave").hidden = part("streams").hidden = !signedIn;
}

function showState() {
  if (!connection) return;
  const { state, outside } = connection;
  part("state").textContent = stateInWords(state, outside.now());
  part("trouble").textContent = state.name === "stale" || state.name === "stopped" ? state.detail : "";
}

setInterval(showState, 1_000); // "stale 12 s" counts up

/** Many messages, one frame. @param {string | null} stream */
function paintSoon(stream) {
  if (!stream) return;
  if (!changed.size) requestAnimationFrame(paint);
  changed.add(stream);
}

function paint() {
  const streams = [...changed];
  changed.clear(); // before anything can go wrong: else no later message would ask for a frame
  for (const stream of streams) {
    const lines = items.of(stream).slice(0, ITEMS_SHOWN).map((item) => node("li", (LINES[stream] ?? JSON.stringify)(item)));
    listOf(stream).replaceChildren(...lines);
  }
}

/** @param {string} stream */
function listOf(stream) {
  const known = part(stream);
  if (known) return known;
  const list = node("ol", "");
  list.id = stream;
  const section = node("section", "");
  section.append(node("h2", stream.replaceAll("_", " ")), list);
  part("streams").append(section);
  return list;
}

/** @param {string} tag @param {string} text */
function node(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text; // as text: what a lead writes is never markup
  return made;
}
