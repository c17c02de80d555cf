// What the browser keeps for the pages: the session over a reload of the tab, and in the URL which page is open. Called by Streamlit.

import { PageServer } from "./page_server.js";

const KEPT = "enterprisehub.session"; // in sessionStorage: this tab only, gone with it. The live screen writes it too, when it renews.
const FIRST_PAGE = "now"; // needs no word in the URL

const KEEPERS = new WeakMap(); // parentElement -> its keeper: Streamlit calls anew on each run of the script

export class SessionKeeper {
  constructor({ storage, place, setState, setTrigger }) {
    Object.assign(this, { storage, place, setState, setTrigger });
    this.answered = null; // whose question: a server that was started again asks anew
    this.page = null;
    this.answering = true; // the next run answers what the URL said: it corrects it, and takes no step
  }

  /** One run of the script: `session` is what it holds (or null), `ask` that it wants what was kept, `script` which of the
   * server's sessions runs it, `page` what it shows. */
  run({ session, ask, script, page }) {
    this.#session(session, ask, script);
    const step = this.answering ? "replace" : "push";
    this.answering = false;
    if (page === this.page) return;
    this.page = page;
    if (pageOf(this.place.search()) !== page) this.place[step](withPage(this.place.search(), page));
  }

  #session(session, ask, script) {
    const kept = this.storage.get(KEPT);
    if (ask) {
      if (this.answered !== script) this.setState("found", `${script}:${kept ?? ""}`);
      this.answered = script;
    } else if (session === null) this.storage.remove(KEPT);
    else if (newer(kept, session)) this.setState("found", `${script}:${kept}`);
    else this.storage.set(KEPT, session);
  }

  /** Back, forward, or a link of ours: the script is told which page that is. */
  moved() {
    const page = pageOf(this.place.search());
    if (page === this.page) return;
    this.page = page;
    this.answering = true;
    this.setTrigger("went", page);
  }

  /** A link to a page, followed without loading all anew. What else stands in the URL stays there. */
  follow(query) {
    this.place.push(merged(this.place.search(), query));
    this.moved();
  }
}

export function pageOf(search) {
  return new URLSearchParams(search).get("page") ?? FIRST_PAGE;
}

export function withPage(search, page) {
  return merged(search, `?page=${encodeURIComponent(page)}`);
}

function merged(search, changes) {
  const query = new URLSearchParams(search);
  for (const [name, value] of new URLSearchParams(changes)) query.set(name, value);
  if (query.get("page") === FIRST_PAGE) query.delete("page");
  return query.size ? `?${query}` : "";
}

/** Whether what is kept lasts longer than the script's own, for the same user: the live screen has renewed it meanwhile. */
function newer(kept, session) {
  const [a, b] = [read(kept), read(session)];
  return Boolean(a && b) && a.user?.user_id === b.user?.user_id && a.user?.location_id === b.user?.location_id && Date.parse(a.expires_at) > Date.parse(b.expires_at);
}

function read(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

/** A browser may forbid storage: then nothing is kept, and a reload asks to sign in. */
function browserStorage() {
  const attempt = (work) => {
    try {
      return work(window.sessionStorage);
    } catch {
      return null;
    }
  };
  return {
    get: (key) => attempt((storage) => storage.getItem(key)),
    set: (key, text) => attempt((storage) => storage.setItem(key, text)),
    remove: (key) => attempt((storage) => storage.removeItem(key)),
  };
}

const browserPlace = {
  search: () => window.location.search,
  push: (query) => window.history.pushState({}, "", window.location.pathname + query),
  replace: (query) => window.history.replaceState({}, "", window.location.pathname + query),
};

/** Streamlit's "Skip to main content" stops before our bar and filters: on to the panels. */
function skipFurther() {
  document.querySelector('.st-key-live_hub [data-testid="stBidiComponentIsolated"]')?.shadowRoot?.querySelector('[role="region"].grid')?.focus();
}

function listen(keeper, signal) {
  window.addEventListener("popstate", () => keeper.moved(), { signal });
  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest?.('[data-testid="stSkipToContent"]')) return skipFurther();
      const link = event.target.closest?.('a[href^="?"]');
      if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      keeper.follow(link.getAttribute("href"));
    },
    { signal },
  );
}

/** Streamlit's entry. The cleanup of an older call does nothing: only the newest may end the keeper. */
export default function mount({ parentElement, data, setStateValue, setTriggerValue }) {
  let held = KEEPERS.get(parentElement);
  if (!held) {
    const keeper = new SessionKeeper({ storage: browserStorage(), place: browserPlace });
    held = { keeper, listening: new AbortController() };
    KEEPERS.set(parentElement, held);
    listen(keeper, held.listening.signal);
    new PageServer({ page: () => keeper.page, live: () => window.__enterprisehub?.state === "live" }).watch(held.listening.signal);
  }
  Object.assign(held.keeper, { setState: setStateValue, setTrigger: setTriggerValue });
  held.keeper.run(data);
  const call = {};
  held.newestCall = call;
  return () => {
    if (held.newestCall !== call) return;
    held.listening.abort();
    KEEPERS.delete(parentElement);
  };
}
