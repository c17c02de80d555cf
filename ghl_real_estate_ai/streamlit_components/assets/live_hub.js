// The live screen: one connection, one store, one painter, wired together. Called by Streamlit, on mount and on each rerun.

import { LiveConnection, browserOutside, stateInWords } from "../../live_client/enterprisehub_live.js";
import { LiveStore, STREAMS } from "./live_store.js";
import { Acknowledgements } from "./live_actions.js";
import { PaintLog } from "./live_paints.js";
import { GatewayApi } from "./live_api.js";
import { HubView } from "./live_view.js";
import { LeadDrawer } from "./live_drawer.js";
import { el } from "./live_dom.js";

const MOUNTED = new WeakMap(); // parentElement -> the screen on it: a rerun of the script must not connect anew

class LiveHub {
  constructor(parent, data, tell) {
    const { api_url: apiUrl, token, user } = data;
    const outside = browserOutside();
    const signedOut = () => this.tell("ended", "expired");
    this.tell = tell;
    this.token = token;
    this.now = outside.now;
    this.seenSince = document.hidden ? Infinity : -Infinity;
    this.dirty = new Set();
    this.store = new LiveStore();
    this.log = new PaintLog({ now: outside.now });
    this.actions = new Acknowledgements({ apiUrl, token, outside, signedOut, changed: (item) => this.#attemptChanged(item) });
    const root = parent.querySelector(".hub");
    this.drawer = new LeadDrawer(root.querySelector("dialog"), { apiUrl, token, outside, signedOut, actions: this.actions });
    this.api = new GatewayApi({ apiUrl, session: this, outside, signedOut });
    this.view = new HubView(root, {
      api: this.api,
      role: user.role,
      openPage: (page) => this.tell("ended", page),
      store: this.store,
      actions: this.actions,
      openLead: (leadId) => this.drawer.open(leadId, this.store.nameOf(leadId)),
      repaint: (stream) => this.#later(this.dirty.add(stream)),
      nowMs: () => outside.now() + this.connection.clockSkewMs,
      stateWords: () => stateInWords(this.connection.state, outside.now()),
      paintQuantile: (q) => this.log.quantile(q, this.connection.clockSkewMs),
    });
    this.connection = new LiveConnection({
      apiUrl,
      token,
      outside,
      hear: (message, receivedMs) => this.#hear(message, receivedMs),
      stateChanged: (state) => this.#stateChanged(state),
    });
    this.#writeBar(user);
    this.#listen();
    this.#publishHooks();
    this.connection.start();
    this.#later(new Set(STREAMS));
  }

  #writeBar(user) {
    const { place, who, signOut, pages } = this.view.refs;
    place.textContent = user.location_id;
    who.textContent = `${user.name} · ${user.role}`;
    signOut.onclick = () => this.tell("ended", "signed_out");
    const toPage = ([page, title]) => el("button.quiet", { type: "button", onclick: () => this.tell("ended", page) }, title);
    pages.replaceChildren(...pagesOf(user.role).map(toPage));
  }

  #listen() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    document.addEventListener("visibilitychange", () => this.#visibilityChanged(), { signal });
    this.clock = setInterval(() => document.hidden || this.view.everySecond(), 1_000);
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
    if (message.e?.lead_id) this.drawer.heard(message.e.lead_id);
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
    this.seenSince = document.hidden ? Infinity : this.now();
    if (document.hidden) return this.log.hidden();
    this.#later(this.dirty);
  }

  #stateChanged(state) {
    window.__enterprisehub.state = state.name;
    this.view.showState(state);
    if (state.name === "signed_out") this.tell("ended", "expired");
  }

  #attemptChanged(item) {
    this.view.refreshAction(item.key);
    this.drawer.attemptChanged(item);
  }

  stop() {
    this.connection.stop();
    this.actions.stop();
    this.drawer.stop();
    this.view.stop();
    this.listening.abort();
    clearInterval(this.clock);
    cancelAnimationFrame(this.frame);
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
  if (hub && hub.token !== data.token) {
    hub.stop();
    hub = null;
  }
  if (!hub) MOUNTED.set(parentElement, (hub = new LiveHub(parentElement, data, setTriggerValue)));
  hub.tell = setTriggerValue;
  const call = {};
  hub.newestCall = call;
  return () => {
    if (hub.newestCall !== call) return;
    hub.stop();
    MOUNTED.delete(parentElement);
  };
}
