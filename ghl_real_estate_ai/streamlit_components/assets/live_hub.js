// The live screen: one connection, one store, one painter, wired together. Called by Streamlit, on mount and on each rerun.

import { LiveConnection, browserOutside, stateInWords } from "../../live_client/enterprisehub_live.js";
import { LiveStore, STREAMS } from "./live_store.js";
import { Answers } from "./live_actions.js";
import { FilterBar, LeadFilter } from "./live_filters.js";
import { AlsoFound } from "./live_found.js";
import { KeyChoice, Keyboard, showKeys } from "./live_keys.js";
import { LiveSession } from "./live_session.js";
import { LiveTeam } from "./live_team.js";
import { PaintLog } from "./live_paints.js";
import { GatewayApi } from "./live_api.js";
import { SnoozeMenu } from "./live_now.js";
import { Toast } from "./live_toast.js";
import { UrlState } from "./live_url.js";
import { HubView } from "./live_view.js";
import { LeadPage } from "./live_lead.js";
import { el } from "./live_dom.js";

const STREAMS_SHOWN = ["next_actions", "lead_scores", "churn_risk", "property_matches", "conversation_feed", "system_performance"]; // keys 1 to 6
const STREAMS_FIRST = STREAMS_SHOWN[0];
const MOUNTED = new WeakMap(); // parentElement -> the screen on it: a rerun of the script must not connect anew

class LiveHub {
  constructor(parent, data, tell) {
    const { api_url: apiUrl, token, user } = data;
    this.outside = browserOutside();
    this.tell = tell;
    this.user = user;
    this.seenSince = document.hidden ? Infinity : -Infinity;
    this.dirty = new Set();
    this.root = parent.querySelector(".hub");
    this.asItCame = this.root.cloneNode(true);
    this.#makeDoor(apiUrl, token);
    this.#makeKnowledge();
    this.#makeView();
    this.#makeConnection(apiUrl, token);
    this.#writeBar(user);
    this.#listen();
    this.#publishHooks();
    this.connection.start();
    this.team.start();
    this.#later(new Set(STREAMS));
    if (this.url.state.lead) this.#openLead(this.url.state.lead);
  }

  #makeDoor(apiUrl, token) {
    const { outside } = this;
    this.signedOut = () => this.#end("expired");
    this.session = new LiveSession({ apiUrl, token, outside, renewed: (session) => this.#renewed(session) });
    this.api = new GatewayApi({ apiUrl, session: this.session, outside, signedOut: this.signedOut });
    this.team = new LiveTeam({ api: this.api, outside, userId: this.user.user_id, changed: () => this.#teamKnown() });
  }

  /** What the screen knows, what of it is shown, and what its user says to it. */
  #makeKnowledge() {
    const { outside, api, team } = this;
    this.store = new LiveStore();
    this.log = new PaintLog({ now: outside.now });
    this.url = new UrlState({ wentBack: (state) => this.#wentBack(state) });
    this.filter = new LeadFilter({ facetOf: (leadId) => this.store.facetOf(leadId), isMine: (facet) => team.isMine(facet) });
    this.#applyUrl(this.url.state);
    this.toast = new Toast(this.root.querySelector("[data-ref=toast]"), { outside });
    this.actions = new Answers({
      api,
      outside,
      team,
      current: (leadId) => this.store.streams.get("next_actions").get(leadId),
      now: () => this.leadsNow(),
      changed: (item) => this.#attemptChanged(item),
      tell: (text, undo) => this.toast.show(text, undo),
      isLive: () => this.connection.state.name === "live",
    });
  }

  #makeView() {
    const { outside, root, api, team, actions } = this;
    const menu = new SnoozeMenu(root, { now: () => this.leadsNow(), answers: actions });
    const [dialog, toast] = ["drawer", "toast"].map((name) => root.querySelector(`[data-ref=${name}]`));
    this.page = new LeadPage(dialog, {
      api,
      team,
      answers: actions,
      menu,
      outside,
      user: this.user,
      toast,
      now: () => this.leadsNow(),
      line: () => this.view.line,
      closed: () => this.url.leadClosed(),
    });
    this.view = new HubView(root, {
      api,
      team,
      menu,
      role: this.user.role,
      openPage: (page) => this.tell("ended", page),
      store: this.store,
      actions,
      filter: this.filter,
      choose: (values) => this.#choose(values),
      tab: this.url.state.tab,
      tabShown: (tab) => this.url.write({ tab: tab === STREAMS_FIRST ? "" : tab }),
      putOffShown: this.url.state.put_off === "1",
      choosePutOff: (shown) => this.url.write({ put_off: shown ? "1" : "" }),
      openLead: (leadId) => this.#openLead(leadId),
      repaint: (stream) => this.#later(this.dirty.add(stream)),
      nowMs: () => outside.now() + this.connection.clockSkewMs,
      stateWords: () => stateInWords(this.connection.state, outside.now()),
      paintQuantile: (q) => this.log.quantile(q, this.connection.clockSkewMs),
    });
    this.filters = new FilterBar(this.view.refs.filters, {
      outside,
      forManagers: this.user.role !== "agent",
      changed: (values) => this.#choose(values),
      cleared: () => this.#choose({ agent: "", stage: "", source: "", risk: [], q: "" }),
    });
    this.found = new AlsoFound(this.view.refs.filters, {
      api,
      outside,
      openLead: (leadId, name) => this.#openLead(leadId, name),
      isShown: (leadId) => this.store.facets.has(leadId) && this.filter.passes(leadId),
      agentName: (userId) => team.nameOf(userId),
      now: () => this.leadsNow(),
    });
    this.found.search(this.filter.values.q);
  }

  #makeConnection(apiUrl, token) {
    this.connection = new LiveConnection({
      apiUrl,
      token,
      outside: this.outside,
      renewToken: () => this.session.renew(),
      hear: (message, receivedMs) => this.#hear(message, receivedMs),
      stateChanged: (state) => this.#stateChanged(state),
    });
  }

  /** The leads' own time: a simulated city has one of its own. */
  leadsNow() {
    return this.store.now(this.outside.now() + this.connection.clockSkewMs);
  }

  #writeBar(user) {
    const { place, who, signOut, pages } = this.view.refs;
    this.root.dataset.role = user.role;
    place.textContent = user.location_name || user.location_id;
    who.textContent = `${user.name} · ${user.role}`;
    signOut.onclick = () => this.#end("signed_out");
    const toPage = ([page, title]) => el("button.quiet", { type: "button", onclick: () => this.tell("ended", page) }, title);
    const others = pagesOf(user.role);
    const here = el("a.quiet", { "aria-current": "page" }, "Live");
    if (others.length) pages.replaceChildren(here, ...others.map(toPage));
  }

  #listen() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    document.addEventListener("visibilitychange", () => this.#visibilityChanged(), { signal });
    this.clock = setInterval(() => document.hidden || this.#everySecond(), 1_000);
    const { view, actions, filters } = this;
    const choice = new KeyChoice(localStorage);
    const keys = () => showKeys(view.refs.keys, choice);
    view.refs.keysButton.onclick = keys;
    view.refs.connection.onclick = () => view.steps.goTo("system_performance");
    const deeds = {
      search: () => filters.focusSearch(),
      next: () => view.steps.step(1),
      previous: () => view.steps.step(-1),
      act: () => view.steps.press("act"),
      snooze: () => view.steps.press("snooze"),
      answered: () => view.steps.press("answered"),
      decline: () => view.steps.press("decline"),
      undo: () => actions.undo(),
      keys,
      panel: (number) => view.steps.goTo(STREAMS_SHOWN[number]),
    };
    new Keyboard(this.root, { deeds, choice, signal });
  }

  #everySecond() {
    this.view.everySecond();
    this.page.everySecond();
    this.#showFilters();
  }

  // --- what is shown ----------------------------------------------------------------------------------------------

  /** Agents begin with their own leads, managers with everybody's. */
  get #whoAtFirst() {
    return this.user.role === "agent" && this.team.me !== null ? "mine" : "team";
  }

  #applyUrl({ who, agent, stage, source, risk, q }) {
    const noOwn = who === "mine" && this.team.known && this.team.me === null;
    this.filter.set({ who: (noOwn ? "team" : who) || this.#whoAtFirst, agent: this.user.role === "agent" ? "" : agent, stage, source, risk, q });
  }

  #choose(values) {
    this.filter.set(values);
    const { who, ...others } = this.filter.values;
    this.url.write({ ...others, who: who === this.#whoAtFirst ? "" : who });
    this.#filterChanged();
  }

  #filterChanged() {
    this.found.search(this.filter.values.q);
    this.#showFilters();
    this.view.filterChanged();
    this.#later(new Set([...this.dirty, ...STREAMS]));
  }

  #showFilters() {
    const { values, active, narrowed } = this.filter;
    const facets = [...this.store.facets.entries()];
    const named = (field) => [...new Set(facets.map(([, facet]) => facet[field]).filter(Boolean))].sort();
    const shown = active ? facets.filter(([leadId]) => this.filter.passes(leadId)).length : facets.length;
    const linked = this.team.me !== null;
    const hint = this.team.known && !linked && this.user.role === "agent";
    this.filters.show({ values, narrowed, agents: this.team.agents, stages: named("stage"), sources: named("source"), shown, all: facets.length, canBeMine: linked, hint });
    this.found.show({ shown });
  }

  #teamKnown() {
    this.#applyUrl(this.url.state);
    this.#filterChanged();
    this.view.rewrite("next_actions");
    this.page.refresh();
  }

  #openLead(leadId, name = this.store.nameOf(leadId)) {
    this.url.push({ lead: leadId });
    this.page.open(leadId, name);
  }

  /** The browser's Back or Forward. */
  #wentBack(state) {
    const before = JSON.stringify(this.filter.values);
    this.#applyUrl(state);
    if (JSON.stringify(this.filter.values) !== before) this.#filterChanged(); // back from a lead the list stands where it stood
    this.view.showTab(state.tab || STREAMS_FIRST);
    this.view.showPutOff(state.put_off === "1");
    if (state.lead) this.page.open(state.lead, this.store.nameOf(state.lead));
    else this.page.close();
  }

  // --- the session ------------------------------------------------------------------------------------------------

  #renewed(session) {
    this.tell("session", session);
  }

  #end(why) {
    this.session.forget();
    this.tell("ended", why);
  }

  /** A rerun of the page's script: the screen stays, with its address. */
  rerun(tell) {
    this.tell = tell;
    this.url.keep();
  }

  /** What the benchmark and the browser tests read. */
  #publishHooks() {
    window.__enterprisehub = {
      paints: this.log.paints,
      counts: this.connection.counts,
      state: this.connection.state.name,
      mounts: (window.__enterprisehub?.mounts ?? 0) + 1,
    };
  }

  #hear(message, receivedMs) {
    for (const stream of this.store.apply(message)) this.dirty.add(stream);
    // What came while nobody looked is shown late on purpose: its time says nothing about this screen's speed.
    if (message.e && receivedMs >= this.seenSince) this.log.arrived(message, receivedMs);
    if (message.e?.lead_id) this.page.heard(message.e.lead_id);
    // A snapshot tells what is, not what went: the lead on the page may have been forgotten meanwhile.
    if (message.subscribed && !message.subscribed.recovered) this.page.heard(this.page.leadId);
    this.#later(this.dirty);
  }

  /** One frame paints all that changed since the last one. A hidden tab paints nothing. */
  #later(dirty) {
    this.dirty = dirty;
    if (this.frame || document.hidden) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      const changed = this.dirty;
      this.dirty = new Set();
      this.view.paint(changed);
      this.log.frame((paint) => this.view.shows(paint.stream, paint.key));
    });
  }

  #visibilityChanged() {
    this.seenSince = document.hidden ? Infinity : this.outside.now();
    if (document.hidden) return this.log.hidden();
    this.#later(this.dirty);
  }

  #stateChanged(state) {
    window.__enterprisehub.state = state.name;
    this.view.showState(state);
    if (state.name === "signed_out") this.signedOut();
  }

  #attemptChanged(item) {
    this.view.refreshAction(item.key);
    if (item.lead_id === this.page.leadId) this.page.refresh();
    this.#later(this.dirty.add("next_actions"));
  }

  stop() {
    this.connection.stop();
    this.actions.stop();
    this.team.stop();
    this.filters.stop();
    this.found.stop();
    this.url.stop();
    this.toast.hide();
    this.page.stop();
    this.view.stop();
    this.listening.abort();
    clearInterval(this.clock);
    cancelAnimationFrame(this.frame);
    this.#leaveAsItCame();
  }

  /** The next screen on this page begins with the markup that this one found. */
  #leaveAsItCame() {
    const { root, asItCame } = this;
    root.replaceChildren(...asItCame.childNodes);
    for (const name of root.getAttributeNames()) if (!asItCame.hasAttribute(name)) root.removeAttribute(name);
    for (const name of asItCame.getAttributeNames()) root.setAttribute(name, asItCame.getAttribute(name));
  }
}

/** The other pages that a role may open: [name, title]. */
function pagesOf(role) {
  const forManagers = [["team", "Team"], ["track_record", "Track record"]];
  if (role === "agent") return [];
  return role === "admin" ? [...forManagers, ["admin", "Admin"]] : forManagers;
}

/** Streamlit's entry. The cleanup of an older call does nothing: only the newest may end the screen. */
export default function mount({ parentElement, data, setTriggerValue }) {
  let hub = MOUNTED.get(parentElement);
  if (hub && !hub.session.had(data.token)) {
    hub.stop();
    hub = null;
  }
  if (!hub) MOUNTED.set(parentElement, (hub = new LiveHub(parentElement, data, setTriggerValue)));
  hub.rerun(setTriggerValue);
  const call = {};
  hub.newestCall = call;
  return () => {
    if (hub.newestCall !== call) return;
    hub.stop();
    MOUNTED.delete(parentElement);
  };
}
