// What the screen shows, in the page's address: a reload or a sent link shows the same. Foreign parameters stay as they are.
// Called by live_hub.js. `who`, `agent`, `stage`, `risk`, `source`, `q`, `lead`, `tab`, `put_off` are ours; `page` and others are not.

const OURS = ["who", "agent", "stage", "risk", "source", "q", "lead", "tab", "put_off"];
const RISK_STAGES = ["0", "1", "2", "3"];
const LONGEST_IN_URL = 200; // of one value: an address is no place for more

/** "?who=team&risk=2,3" -> {who, agent, stage, risk: [2, 3], source, q, lead, tab, put_off}; "" for what is not said, or is nonsense. */
export function stateOfUrl(search) {
  const params = new URLSearchParams(search);
  const said = (name) => (params.get(name) ?? "").slice(0, LONGEST_IN_URL);
  const who = ["mine", "team"].includes(said("who")) ? said("who") : "";
  const risk = [...new Set(said("risk").split(","))].filter((stage) => RISK_STAGES.includes(stage)).map(Number).sort();
  return { who, agent: said("agent"), stage: said("stage"), risk, source: said("source"), q: said("q"), lead: said("lead"), tab: said("tab"), put_off: said("put_off") === "1" ? "1" : "" };
}

/** The search part of the address that says `state`; what is not ours is kept. */
export function urlOfState(search, state) {
  const params = new URLSearchParams(search);
  for (const name of OURS) {
    const value = name === "risk" ? (state.risk ?? []).join(",") : (state[name] ?? "");
    if (value) params.set(name, value);
    else params.delete(name);
  }
  const text = params.toString().replaceAll("%2C", ",");
  return text ? `?${text}` : "";
}

/** The address bar. `wentBack(state)` runs when the user goes back or forth. */
export class UrlState {
  constructor({ wentBack, page = window }) {
    Object.assign(this, { page });
    this.state = stateOfUrl(page.location.search);
    this.listening = new AbortController();
    const hear = () => {
      this.pushed = this.leaving = false;
      this.state = stateOfUrl(page.location.search);
      const { next } = this;
      this.next = null;
      if (next) this.push(next);
      wentBack(this.state);
    };
    page.addEventListener("popstate", hear, { signal: this.listening.signal });
  }

  /** Say this from now on, without a new step back. */
  write(change) {
    this.state = { ...this.state, ...change };
    this.#put("replaceState");
  }

  /** Say this as a step that Back undoes. While our own step back is under way it waits for that. */
  push(change) {
    if (this.leaving) return void (this.next = { ...this.next, ...change });
    const before = this.state.lead;
    this.state = { ...this.state, ...change };
    this.#put(before ? "replaceState" : "pushState");
    if (!before) this.pushed = true;
  }

  /** The lead was closed by hand: take our own step back, or, where a link had opened it, only its name. */
  leadClosed() {
    if (!this.state.lead || this.listening.signal.aborted) return; // a screen that ends closes its lead too: no step back
    if (this.leaving) return void (this.next = null);
    if (this.pushed) {
      this.leaving = true;
      return void this.page.history.back();
    }
    this.write({ lead: "" });
  }

  /** A rerun of the page's script may have written the address without our part. */
  keep() {
    this.#put("replaceState");
  }

  stop() {
    this.listening.abort();
  }

  #put(how) {
    const { location, history } = this.page;
    const search = urlOfState(location.search, this.state);
    if (search !== location.search) history[how](history.state, "", location.pathname + search + location.hash);
  }
}
