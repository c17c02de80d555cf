// Paints the store: six panels, the top bar, the clock. Called by live_hub.js inside an animation frame.

import { QUEUE_ROWS, TABLE_ROWS, FEED_ROWS, STREAMS, RANK_AGAIN_MS } from "./live_store.js";
import { span } from "../../live_client/enterprisehub_live.js";
import { ago, STAGE_WORDS } from "./live_words.js";
import { el, headOf, KeyedList, setClass, setText } from "./live_dom.js";
import { matchRow, riskRow, scoreRow } from "./live_rows.js";
import { ClockWall, nowRow } from "./live_now.js";
import { FeedReplies, feedRow, isUnanswered } from "./live_feed.js";
import { hiddenWords, sayEmpty, NOTHING_YET, UNTOLD } from "./live_empty.js";
import { FirstRun } from "./live_first_run.js";
import { PutOff } from "./live_put_off.js";
import { RowSteps } from "./live_steps.js";
import { HubCharts } from "./live_charts.js";
import { SystemPanel } from "./live_system.js";

const MANAGERS_ONLY = "The gateway's own figures are visible to managers.";
const HELD = "order held while you point here";
const ROWS_AT_FIRST = 24; // of rows with several lines: more than a tall monitor shows
const BLINK_MS = 500; // a line that is away for less has not been away, to the eye
const POINTING_MS = 4_000; // a pointer that rests this long is not about to click

export class HubView {
  /** `root` is the element of live_hub.html; `deps`: {store, actions, team, filter, menu, openLead, repaint, nowMs, stateWords, paintQuantile, tab, tabShown, putOffShown, choosePutOff}. */
  constructor(root, deps) {
    Object.assign(this, deps, { root });
    this.refs = Object.fromEntries([...root.querySelectorAll("[data-ref]")].map((node) => [node.dataset.ref, node]));
    this.panels = new Map([...root.querySelectorAll("section[data-stream]")].map((node) => [node.dataset.stream, panelOf(node)]));
    this.state = null;
    const system = this.panels.get("system_performance");
    this.system = new SystemPanel(system.node, system);
    this.firstRun = new FirstRun(root, this.refs.firstRun, deps);
    this.replies = new FeedReplies({ api: deps.api, changed: () => this.repaint("conversation_feed") });
    this.clocks = new ClockWall();
    this.#makeLists();
    this.#makeTabs();
    this.steps = new RowSteps({ root, panels: this.panels, putOff: this.putOff, choseTab: (stream) => this.#choseTab(stream) });
    this.charts = new HubCharts(root, this.panels, {
      items: (stream) => this.filter.of([...this.store.streams.get(stream).values()]),
      now: () => this.store.now(this.nowMs()),
      whose: () => (this.filter.narrowed ? "shown" : this.filter.ownOnly ? "yours" : "all"),
      speed: () => ({ ...this.#ownSpeed(), lag: this.store.performance()?.log_lag_events ?? null }),
      waits: (message) => isUnanswered(message, this.store.streams.get("next_actions").get(message.lead_id)),
      counted: (stream, count) => this.#countOnTab(stream, count),
      picked: (stage) => this.choose({ risk: this.filter.values.risk.join() === String(stage) ? [] : [stage] }),
    });
  }

  #makeLists() {
    const { store, actions, openLead } = this;
    const list = (stream, make, version) => {
      const panel = this.panels.get(stream);
      panel.list = new KeyedList(panel.rows, make, version);
      const release = () => panel.held && this.repaint(stream);
      panel.node.addEventListener("pointermove", (event) => (panel.movedAt = event.timeStamp));
      panel.node.addEventListener("pointerleave", release);
      panel.node.addEventListener("focusout", release);
    };
    const deps = {
      openLead,
      trendOf: (leadId) => store.trends.get(leadId) ?? [],
      nameOf: (leadId) => store.nameOf(leadId),
      answers: actions,
      menu: this.menu,
      clocks: this.clocks,
      facetOf: (leadId) => store.facetOf(leadId),
      agentName: (userId) => (this.filter.ownOnly && userId && userId === this.team.me ? "" : this.team.nameOf(userId)), // of mine nobody asks whose they are
      hasDeclined: (declined) => this.team.hasDeclined(declined),
      now: () => store.now(this.nowMs()),
      writeTime: (node) => writeTime(node, store.now(this.nowMs())),
      replies: this.replies,
      waits: (message) => isUnanswered(message, store.streams.get("next_actions").get(message.lead_id)),
    };
    // What a row of the queue tells comes from several streams: it is written again when the picture of its lead changes.
    list("next_actions", (item) => nowRow(item, deps), (item) => store.facetOf(item.lead_id));
    this.putOff = this.#makePutOff(deps);
    list("lead_scores", (item) => scoreRow(item, deps), (item) => store.facetOf(item.lead_id).next); // the reason is that of the next action
    list("churn_risk", (item) => riskRow(item, deps), (item) => store.facetOf(item.lead_id).next); // its button does that
    list("property_matches", (item) => matchRow(item, deps));
    // A message never changes, but the name of its lead may come later.
    list("conversation_feed", (item) => feedRow(item, deps), (item) => store.nameOf(item.lead_id));
    for (const stream of ["next_actions", "property_matches", "conversation_feed"]) this.#growOnSight(stream);
  }

  #makePutOff(deps) {
    const panel = this.panels.get("next_actions");
    const chosen = (shown) => {
      panel.reach = QUEUE_ROWS; // what is put off stands below all of them
      this.choosePutOff(shown);
      this.repaint("next_actions");
    };
    return new PutOff(panel, { ...deps, store: this.store, filter: this.filter, isShown: this.putOffShown, chosen, leftEmpty: () => headOf(panel.node).focus() });
  }

  showPutOff(shown) {
    this.putOff.show(shown);
    this.repaint("next_actions");
  }

  /** Rows that nobody sees cost layout and paint all the same: a list begins short, and its end coming into sight brings more. */
  #growOnSight(stream) {
    const panel = this.panels.get(stream);
    panel.reach = ROWS_AT_FIRST;
    panel.sight = new IntersectionObserver((entries) => {
      if (!entries.at(-1).isIntersecting || panel.list.rows.size < panel.reach) return;
      panel.reach += ROWS_AT_FIRST;
      this.repaint(stream);
      panel.sight.unobserve(panel.end);
      panel.sight.observe(panel.end); // the end may still be in sight: ask again
    });
    panel.sight.observe(panel.end);
    const { parentElement: body } = panel.rows;
    body.addEventListener("scroll", () => body.scrollTop === 0 && (panel.reach = ROWS_AT_FIRST), { passive: true });
  }

  #makeTabs() {
    this.tabs = [...this.root.querySelectorAll(".tabs button")];
    this.grid = this.root.querySelector(".grid"); // on a phone it scrolls, for all panels
    this.scrolledTo = new Map(); // stream -> how far its panel was scrolled when another was shown
    for (const tab of this.tabs) tab.addEventListener("click", () => this.#choseTab(tab.dataset.tab));
    this.showTab(this.tab || "next_actions");
  }

  #choseTab(stream) {
    if (stream === this.root.dataset.tab) this.grid.scrollTop = 0; // its own tab again: to the top
    this.showTab(stream);
    this.tabShown(stream);
  }

  showTab(stream) {
    if (!this.panels.has(stream)) return this.#choseTab("next_actions");
    this.scrolledTo.set(this.root.dataset.tab, this.grid.scrollTop);
    this.root.dataset.tab = stream;
    this.grid.scrollTop = this.scrolledTo.get(stream) ?? 0;
    for (const tab of this.tabs) tab.setAttribute("aria-current", String(tab.dataset.tab === stream));
  }

  /** Write the panels of these streams. */
  paint(dirty) {
    this.charts.heard(dirty);
    this.firstRun.paint(this.store);
    if (dirty.has("next_actions")) this.#paintActions();
    if (dirty.has("lead_scores")) this.#paintScores();
    if (dirty.has("churn_risk")) this.#paintRisks();
    if (dirty.has("property_matches")) this.#paintMatches();
    if (dirty.has("conversation_feed")) this.#paintFeed();
    if (dirty.has("system_performance")) this.#paintSystem();
    this.#paintSimulated();
    this.#paintConnection();
    this.#noteActions();
  }

  #paintActions() {
    const now = this.store.now(this.nowMs());
    const open = this.actions.queue(this.filter.of(this.store.openActions(now)), { mine: this.filter.ownOnly, shows: (item) => this.filter.showsAgain(item) });
    const { rows } = this.panels.get("next_actions").list;
    const comesBack = open.find((item) => this.actions.attemptOf(item.action.action_id)?.verb === "back" && !rows.has(item.key));
    const panel = this.#paintList("next_actions", open, QUEUE_ROWS, { steady: !comesBack }); // what was undone is shown in its own place
    if (comesBack) this.steps.followBack(comesBack.key);
    this.putOff.paint(now);
    panel.wakeAt = this.store.nextReturn(now);
    panel.rankedAt = performance.now();
    panel.longestWait = Math.min(...open.map((item) => Date.parse(item.action.waiting_since ?? "")).filter(Number.isFinite));
    panel.open = open.length;
    this.#noteActions();
    this.#countOnTab("next_actions", open.length);
  }

  /** A count below the tab's word; none for nought. It is drawn by the style sheet: the tab keeps its name. */
  #countOnTab(stream, count) {
    const tab = this.tabs.find(({ dataset }) => dataset.tab === stream);
    if (count) tab.dataset.count = count;
    else delete tab.dataset.count;
  }

  #noteActions() {
    const panel = this.panels.get("next_actions");
    if (!panel.open) return writeNote(panel, "");
    const wait = Number.isFinite(panel.longestWait) ? ` · longest wait ${span(this.store.now(this.nowMs()) - panel.longestWait)}` : "";
    writeNote(panel, `${panel.open} open${wait}`);
  }

  #paintScores() {
    const scores = this.filter.of(this.store.scores());
    const panel = this.#paintList("lead_scores", scores, TABLE_ROWS, { steady: true });
    const horizon = scores.find((item) => item.score.value)?.score.value.horizon_days;
    writeNote(panel, horizon ? `chance of an appointment within ${horizon} days` : "");
  }

  #paintRisks() {
    const risks = this.filter.of(this.store.risks());
    const panel = this.#paintList("churn_risk", risks, TABLE_ROWS, { steady: true });
    const count = (stage) => risks.filter((item) => item.churn.value?.stage === stage).length;
    const parts = [3, 2, 1].map((stage) => [count(stage), STAGE_WORDS[stage].toLowerCase()]).filter(([n]) => n);
    const horizon = risks.find((item) => item.churn.value)?.churn.value.horizon_days;
    const counts = parts.map(([n, word]) => `${n} ${word}`).join(", ");
    writeNote(panel, horizon ? `${counts || "nobody at risk"} · most to lose first · silence for ${horizon} days` : "");
  }

  #paintMatches() {
    const panel = this.#paintList("property_matches", this.filter.of(this.store.matches()), TABLE_ROWS, { steady: true });
    writeNote(panel, "best home per lead, by stated wishes");
  }

  /** While a reply is open its message stays under the eye: what comes meanwhile is counted, and shown when it is closed. */
  #paintFeed() {
    const messages = this.filter.of(this.store.conversation());
    const panel = this.panels.get("conversation_feed");
    this.replies.settle(new Set(messages.map(({ key }) => key)));
    if (this.replies.openKey === null) this.#paintList("conversation_feed", messages, FEED_ROWS);
    const newer = messages.findIndex(({ key }) => key === panel.list.nodes[0]?.dataset.key);
    writeNote(panel, newer > 0 ? `${newer} newer: close the reply to see them` : "");
  }

  /** A steady panel keeps its order while somebody points at it or is in it with the keyboard. */
  #paintList(stream, items, bound, { steady = false } = {}) {
    const panel = this.panels.get(stream);
    panel.held = steady && isPointedAt(panel);
    panel.list.show(items.slice(0, Math.min(bound, panel.reach)), { hold: panel.held });
    setText(panel.more, items.length > bound ? `${items.length - bound} more: narrow by search or filter` : "");
    this.#paintEmpty(panel, stream, items.length === 0);
    return panel;
  }

  #paintEmpty(panel, stream, isEmpty) {
    panel.empty.hidden = !isEmpty;
    setClass(panel.node, "loading", isEmpty && !this.store.loaded.has(stream));
    const hidden = isEmpty && this.filter.active && this.store.streams.get(stream).size > 0;
    if (isEmpty) sayEmpty(panel.empty, hidden ? hiddenWords(stream, this.filter, this.#unfiltered(stream)) : this.store.loaded.has(stream) ? NOTHING_YET[stream] : UNTOLD, () => this.#showEveryone());
  }

  #unfiltered(stream) {
    return stream === "next_actions" ? this.store.openActions(this.store.now(this.nowMs())) : [...this.store.streams.get(stream).values()];
  }

  #showEveryone() {
    this.choose({ who: "team" });
    this.root.querySelector('.segments [aria-pressed="true"]').focus(); // the button that was pressed goes
  }

  #paintSystem() {
    const allowed = !this.state?.user || this.state.streams.includes("system_performance");
    const waiting = this.store.loaded.has("system_performance") ? NOTHING_YET.system_performance : UNTOLD;
    this.system.paint({
      own: this.#ownSpeed(),
      item: this.store.performance(),
      connected: !["stale", "stopped", "signed_out"].includes(this.state?.name),
      nothing: allowed ? waiting : MANAGERS_ONLY,
    });
  }

  #ownSpeed() {
    return { p50: this.paintQuantile(0.5), p95: this.paintQuantile(0.95) };
  }

  #paintSimulated() {
    const share = this.store.simulatedShare;
    this.refs.simulated.hidden = share === 0;
    const made = share === 1 ? "simulated" : "";
    if ((this.root.dataset.made ?? "") !== made) this.root.dataset.made = made;
    setText(
      this.refs.simulatedText,
      share === 1
        ? "Made by a simulator: no lead here is a real person."
        : "Rows marked SIM were made by a simulator. The others are real.",
    );
  }

  /** The connection: its word on the bar, a sentence when the person should know more. */
  showState(state) {
    if (state.name !== this.state?.name) this.stateSince = performance.now();
    this.state = state;
    const { trouble } = this.refs;
    const silent = state.name === "live" || state.name === "resuming";
    trouble.hidden = silent || !state.detail;
    const fromBefore = state.name === "stale" ? ` · what you see is from ${new Date(state.since_ms).toLocaleTimeString()}` : "";
    setText(trouble, trouble.hidden ? "" : state.detail + fromBefore);
    if (state.user) this.#paintSystem();
    for (const stream of STREAMS) {
      const panel = this.panels.get(stream);
      if (panel.list) this.#paintEmpty(panel, stream, panel.list.rows.size === 0);
    }
    this.tick();
  }

  /** The word on the bar. A line that is back within a blink never showed another word, so nothing flickers. */
  #paintConnection() {
    const { state } = this;
    if (!state) return;
    const { connection, connectionText, connectionSpoken } = this.refs;
    const wasLive = ["live", "behind"].includes(connection.dataset.state);
    if (state.name === "resuming" && wasLive && performance.now() - this.stateSince < BLINK_MS) return;
    const behind = state.name === "live" && state.delayed_since_ms !== null;
    connection.dataset.state = behind ? "behind" : state.name;
    setText(connectionText, this.stateWords());
    setText(connectionSpoken, `Connection: ${state.name.replace("_", " ")}${behind ? ", the gateway is behind" : ""}`);
  }

  /** The bar's word on the connection, for a page that lies over it. */
  get line() {
    return { name: this.refs.connection.dataset.state, words: this.refs.connectionText.textContent };
  }

  /** What changes without an event: times, and this screen's own speed. */
  everySecond() {
    this.tick();
    this.#paintSystem();
    this.told ||= this.state?.user && this.state.streams.every((stream) => this.store.loaded.has(stream));
    if (this.told) this.charts.tick(); // drawn with nothing they would fold away, and push the rows down a moment later
    for (const row of this.panels.get("conversation_feed").list.rows.values()) row.mark();
    for (const [stream, panel] of this.panels) if (panel.held && !isPointedAt(panel)) this.repaint(stream);
  }

  /** Times that pass: once a second. A row that is written tells its own time. */
  tick() {
    this.#paintConnection();
    this.#noteActions();
    const shown = this.store.now(this.nowMs());
    for (const node of this.root.querySelectorAll("[data-since]")) writeTime(node, shown);
    this.clocks.tick(shown);
    const { wakeAt, rankedAt } = this.panels.get("next_actions");
    if (shown >= wakeAt || performance.now() - rankedAt >= RANK_AGAIN_MS) this.repaint("next_actions"); // a snoozed action comes back; waits change the order
  }

  /** Whether an item has a row on the page; a lead beyond the table's bound has none. */
  shows(stream, key) {
    return stream === "system_performance" || this.panels.get(stream).list.rows.has(key);
  }

  stop() {
    this.charts.stop();
    this.firstRun.stop();
    for (const { sight } of [...this.panels.values(), this.clocks]) sight?.disconnect();
  }

  refreshAction(key) {
    this.putOff.list.refresh(key);
    for (const stream of ["next_actions", "churn_risk"]) this.panels.get(stream).list.refresh(key);
  }

  /** Write all rows of a panel again, for a reason that no item holds: names came, say. */
  rewrite(stream) {
    const { list } = this.panels.get(stream);
    for (const key of list.rows.keys()) list.refresh(key);
  }

  /** Other rows than before: lists begin short again. */
  filterChanged() {
    this.replies.close(); // an open one holds the feed still
    this.rewrite("next_actions"); // whose they are is told by whose are shown
    for (const panel of this.panels.values()) {
      if (panel.sight) panel.reach = ROWS_AT_FIRST;
      panel.rows.parentElement.scrollTop = 0;
    }
    this.grid.scrollTop = 0;
    this.scrolledTo.clear();
  }
}

const CAN_HOVER = globalThis.matchMedia?.("(hover: hover)"); // a finger leaves a lasting :hover, so it does not count

/** Somebody is about to click, or goes through the rows by keyboard. The cheap questions come first: this runs in each frame. */
function isPointedAt({ node, movedAt = -Infinity }) {
  const focused = node.getRootNode().activeElement;
  if (focused && node.contains(focused) && focused.matches(":focus-visible")) return true;
  return performance.now() - movedAt < POINTING_MS && CAN_HOVER.matches && node.matches(":hover");
}

/** "12 min" or "waiting 12 min", by what the node says that it counts from. */
function writeTime(node, now) {
  const { since, before = "" } = node.dataset;
  setText(node, before ? before + span(now - Date.parse(since)) : ago(since, now));
}

function writeNote(panel, text) {
  setText(panel.note, panel.held ? HELD : text);
}

function panelOf(node) {
  const part = (name) => node.querySelector(`[data-part="${name}"]`);
  return { node, rows: part("rows"), end: part("end"), empty: part("empty"), note: part("note"), more: part("more"), reach: Infinity };
}
