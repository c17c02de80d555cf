// The page's own server (Streamlit's) is away: one line instead of its dialog, which would lie over the live screen. Called by session_keeper.js.
// The live screen has a connection of its own and goes on; it says itself when that one fails.

const PATIENCE_MS = 2000; // a shorter break is not worth a line
const MINUTE_MS = 60_000;
const APP = '[data-testid="stApp"]';

/** What the line says: the words once, and how long it is by now. `live`: the live screen is open and its data are fresh. */
export function awayWords({ since, now, page, live }) {
  const clock = new Date(since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const minutes = Math.floor((now - since) / MINUTE_MS);
  const before = `The page's server has not answered since ${clock}.`;
  const after = page !== "now" ? "What you see is from then; it goes on by itself." : live ? "Live data goes on; other pages and signing out wait." : "It is asked again by itself.";
  return { words: `${before} ${after}`, age: minutes ? ` (${minutes} min)` : "" };
}

export class PageServer {
  /** `deps`: {page(): which page the URL names, live(): whether the live data are fresh}. */
  constructor({ page, live }) {
    Object.assign(this, { page, live });
    this.since = null;
    this.line = document.createElement("p");
    this.line.className = "server-away";
    this.line.setAttribute("role", "alert");
    this.said = this.line.appendChild(document.createElement("span"));
    this.age = this.line.appendChild(document.createElement("span"));
    this.age.setAttribute("aria-hidden", "true"); // it changes each minute: not to be read aloud anew
  }

  watch(signal) {
    const states = new MutationObserver(() => this.#look());
    states.observe(document.body, { subtree: true, attributes: true, attributeFilter: ["data-test-connection-state"] });
    const dialogs = new MutationObserver(() => this.#closeDialog());
    dialogs.observe(document.body, { childList: true });
    signal.addEventListener("abort", () => {
      states.disconnect();
      dialogs.disconnect();
      this.#back();
    });
    this.#look();
  }

  #look() {
    if (document.querySelector(APP)?.dataset.testConnectionState === "CONNECTED") return this.#back();
    if (this.since !== null) return;
    this.since = Date.now();
    this.ticking = setInterval(() => this.#tell(), PATIENCE_MS);
    this.#closeDialog();
  }

  #back() {
    this.since = null;
    clearInterval(this.ticking);
    this.line.remove();
  }

  #tell() {
    const { words, age } = awayWords({ since: this.since, now: Date.now(), page: this.page(), live: this.live() });
    if (this.said.textContent !== words) this.said.textContent = words;
    if (this.age.textContent !== age) this.age.textContent = age;
    if (!this.line.isConnected) document.body.prepend(this.line);
    this.#closeDialog();
  }

  /** What opens while the server is away is Streamlit's own word for it. Closed once, it stays away until the next break. */
  #closeDialog() {
    if (this.since === null) return;
    document.querySelector('body > [data-testid="stDialog"] button[aria-label="Close"]')?.click();
  }
}
