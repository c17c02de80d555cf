// @ts-check
// The live line to an EnterpriseHub gateway: ticket, connect, subscribe, resume, back off, tell the truth about its state.
// One ES module without dependencies, for any page. The gateway serves it; the dashboard's screen is made with it.
// Every outside thing (socket, fetch, time, the tab) comes in as `outside`. The protocol: docs/realtime.md.

/**
 * @typedef {"live" | "resuming" | "stale" | "signed_out" | "stopped"} StateName
 *   live: everything subscribed. resuming: broken for less than five seconds. stale: for longer. signed_out, stopped: over.
 *
 * @typedef {object} State
 * @property {StateName} name
 * @property {number} since_ms            when the line was last known to be good, ms of this machine's clock
 * @property {string} detail              a sentence for the person, with the fix; "" when there is nothing to say
 * @property {number | null} retry_at_ms  when the next attempt begins; null without one
 * @property {number | null} delayed_since_ms  the line is good but the gateway itself is behind since then; null: it is not
 * @property {{user_id: string, role: string, location_id: string} | null} user
 * @property {string[]} streams           those that this user may follow
 *
 * @typedef {{key: string, at: string, removed?: boolean, [field: string]: any}} Item
 * @typedef {{stream: string, epoch: string, offset: number, recovered: boolean}} Subscribed
 * @typedef {{[field: string]: any, c?: string, o?: number, p?: number, e?: Item, gap?: [number, number],
 *   subscribed?: Subscribed, snapshot?: Item[]}} Message
 * @typedef {{onmessage: any, onclose: any, onerror: any, send: (text: string) => void, close: () => void}} Socket
 *
 * @typedef {object} Outside
 * @property {(url: string, options: RequestInit) => Promise<any>} fetch
 * @property {(url: string) => Socket} open
 * @property {() => number} now           ms since 1970, never backwards
 * @property {() => number} random        0 to 1
 * @property {(run: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 * @property {() => boolean} hidden       whether nobody can see the page
 * @property {(run: () => void) => () => void} onWake  run when page or network may have come back; gives what ends that
 *
 * @typedef {object} Options
 * @property {string} apiUrl              "https://hub.example.com", without a path
 * @property {string} token               an access token (POST /v1/sessions)
 * @property {(message: Message, received_ms: number) => void} hear
 * @property {(state: State) => void} [stateChanged]
 * @property {() => Promise<string | null>} [renewToken]  a new token of the same user; null: the session is over
 * @property {string[]} [streams]         only these; without it all that the user may follow
 * @property {Outside} [outside]
 *
 * @typedef {{ticket?: string, status?: number, waitMs?: number, over?: boolean}} TicketAnswer
 */

const BACKOFF_FIRST_MS = 250;
const BACKOFF_LIMIT_MS = 20_000;
const CONNECT_WAIT_MS = 20_000; // from the request for a ticket to the server's hello
const SILENCE_LIMIT_MS = 15_000; // the server pings every 10 s: after 15 s the line is dead, and the screen must not say "live"
const RESUMING_FOR_MS = 5_000; // how long a break counts as a blink before the data is called stale
const STEADY_AFTER_MS = 10_000; // a line that lived this long starts the next back-off from the beginning
const COME_AGAIN_MS = 60_000; // when the gateway asks for patience by a close code
const LONGEST_TIMER_MS = 2 ** 31 - 1; // what setTimeout can hold
const MESSAGES_HELD = 2_000; // while nobody looks

const NO_CODE = 1006; // the browser's own word for a line that broke without a close
const TOKEN_EXPIRED = 4403;
const RATE_LIMITED = 4429;
const TOO_MANY_CONNECTIONS = 4529;
const [FIRST_STOP_CODE, LAST_STOP_CODE] = [4500, 4999]; // trying again cannot help

// A stream whose every message counts. Of the others the newest item per key is the whole truth.
const LOSSLESS = new Set(["conversation_feed"]);

/** @type {Record<number, string>} */
const STOP_REASONS = {
  4500: "The gateway could not read this page's messages. Reload the page to get its newest version.",
  4503: "The gateway refused a stream that your role does not hold. Sign in again.",
  4529: "You have too many live screens open. Close one, then reload this page.",
};

/** @type {Record<number, string>} */
const BREAK_REASONS = {
  4529: "You have too many live screens open, or this one's broken line still counts. Trying again in a minute.",
  4430: "You have too many live screens open, or some were cut off a moment ago. Trying again.",
};

/** Full jitter: anywhere up to a doubling ceiling, so a fleet does not come back at once. @param {number} attempt @param {() => number} random */
export function backoffMs(attempt, random) {
  return random() * Math.min(BACKOFF_LIMIT_MS, BACKOFF_FIRST_MS * 2 ** attempt);
}

/** A span as people say it: 45 s, 12 min, 3 h 05, 2 d 4 h. @param {number} ms */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600), Math.floor(seconds / 86_400)];
  if (minutes < 1) return `${seconds} s`;
  if (hours < 1) return `${minutes} min`;
  if (days < 1) return `${hours} h ${String(minutes % 60).padStart(2, "0")}`;
  return `${days} d ${hours % 24} h`;
}

/**
 * The state in a person's words. `now` is of the clock that `outside.now` reads; ask again each second.
 * @param {State} state
 * @param {number} now
 */
export function stateInWords(state, now) {
  if (state.name === "signed_out") return "signed out";
  if (state.name === "stale") return `stale ${span(now - state.since_ms)}`;
  if (state.name !== "live" || state.delayed_since_ms === null) return state.name;
  return `the gateway is behind by ${span(now - state.delayed_since_ms)}`;
}

/** Never backwards, and right after a sleep: a tab's own clock stands still while the machine does, `wall` does not. */
export function steadyClock(wall = Date.now, own = () => performance.timeOrigin + performance.now()) {
  let last = 0;
  return () => (last = Math.max(last, wall(), own()));
}

/** The real outside of a browser tab. @returns {Outside} */
export function browserOutside() {
  return {
    fetch: (url, options) => fetch(url, options),
    open: (url) => new WebSocket(url),
    now: steadyClock(),
    random: Math.random,
    later: (run, ms) => setTimeout(run, ms),
    cancel: (timer) => clearTimeout(timer),
    hidden: () => document.hidden,
    onWake: (run) => {
      const listening = new AbortController();
      const { signal } = listening;
      document.addEventListener("visibilitychange", run, { signal });
      for (const event of ["online", "focus", "pageshow"]) window.addEventListener(event, run, { signal });
      return () => listening.abort();
    },
  };
}

/**
 * One live line to the gateway. `start` opens it, `stop` ends it for good.
 *
 * `hear(message, received_ms)` gets each snapshot, publication and gap once and in the order of its stream. While nobody
 * sees the page messages are held: the newest per key of most streams, every one of the conversation feed. They are
 * heard in one go when the page is seen again, or when MESSAGES_HELD is reached; no timer runs for it.
 */
export class LiveConnection {
  /** @param {Options} options */
  constructor({ apiUrl, token, hear, stateChanged = () => {}, renewToken, streams, outside = browserOutside() }) {
    this.apiUrl = apiUrl;
    this.token = token;
    this.hear = hear;
    this.stateChanged = stateChanged;
    this.renewToken = renewToken;
    this.wanted = streams && new Set(streams);
    this.outside = outside;
    /** @type {Map<string, {epoch: string, offset: number}>} */ this.positions = new Map(); // by stream: how far the line has come
    this.waitingFor = new Set(); // streams asked for and not yet confirmed
    this.counts = { reconnects: 0, duplicates: 0, gaps: 0, recovered: 0, conflated: 0 };
    this.clockSkewMs = 0; // the gateway's clock is ahead of this one by so much
    /** @type {Map<any, {message: Message, now: number}>} */ this.held = new Map();
    /** @type {Map<string, any>} */ this.timers = new Map(); // "retry", "stale", "watch", "renew"
    this.stopped = true;
    this.wasLive = false; // since its start
    this.attempt = 0;
    this.notBefore = -Infinity; // the gateway asked for patience until then
    /** @type {number | null} */ this.lastHeard = null;
    /** @type {number | null} */ this.brokenSince = null;
    /** @type {number | null} */ this.greetedAt = null; // when this socket's hello came
    /** @type {State} */ this.state = {
      name: "resuming", since_ms: outside.now(), detail: "", retry_at_ms: null, delayed_since_ms: null, user: null, streams: [],
    };
  }

  /** Open the line. Settles when the first ticket came or did not; every later trouble is told by `stateChanged`. */
  start() {
    if (!this.stopped) return Promise.resolve();
    this.stopped = this.wasLive = false;
    this.brokenSince = this.outside.now();
    this.endWake = this.outside.onWake(() => this.#awake());
    this.#set("resuming");
    return this.#connect();
  }

  /** End the line; nothing is heard any more and no timer stays. */
  stop() {
    this.#rest();
    if (this.held.size) this.positions.clear(); // a later start must not go on from what nobody has heard
    this.held.clear();
  }

  /** Do not sit out a long wait, unless the gateway asked for it. The wake events of a page do this by themselves. */
  retryNow() {
    if (this.stopped || !this.timers.has("retry") || this.outside.now() < this.notBefore) return;
    this.#connect();
  }

  // --- connecting -------------------------------------------------------------------------------------------------

  async #connect() {
    this.#cancel("retry");
    const mine = (this.connecting = new AbortController()); // an answer to an older attempt changes nothing
    this.#later("watch", CONNECT_WAIT_MS, () => this.#broken(this.brokenSince, "The gateway does not get round to an answer."));
    let answer = await this.#askForTicket(mine.signal);
    if (mine !== this.connecting) return;
    if (answer.status === 401 && this.renewToken) {
      answer = (await this.#newToken()) ?? (await this.#askForTicket(mine.signal));
      if (mine !== this.connecting) return;
    }
    if (answer.ticket) return this.#open(answer.ticket);
    if (answer.over || answer.status === 401 || answer.status === 403) {
      return this.#end("signed_out", "Your session has expired. Sign in again.");
    }
    if (!answer.status) return this.#retry(`The gateway at ${this.apiUrl} does not answer. Start it with: enterprisehub serve. If somebody else runs it, tell them.`);
    this.#retry(`The gateway refused a ticket (HTTP ${answer.status}).`, answer.waitMs);
  }

  /** @param {AbortSignal} signal @returns {Promise<TicketAnswer>} */
  async #askForTicket(signal) {
    try {
      const answer = await this.outside.fetch(`${this.apiUrl}/v1/ws-ticket`, {
        method: "POST",
        headers: { Authorization: `Bearer ${this.token}` },
        signal,
      });
      if (answer.ok) return { ticket: (await answer.json()).ticket };
      return { status: answer.status, waitMs: patienceMs(answer.headers.get("Retry-After"), this.outside.now()) };
    } catch {
      return {};
    }
  }

  /** Take a new token from the page: null when there is one, else what its absence means. @returns {Promise<TicketAnswer | null>} */
  async #newToken() {
    try {
      const token = await this.renewToken?.();
      if (!token) return { over: true };
      this.token = token;
      return null;
    } catch {
      return {}; // like a gateway that does not answer: try again
    }
  }

  /** @param {string} ticket */
  #open(ticket) {
    const address = `${this.apiUrl.replace(/^http/, "ws")}/v1/realtime?ticket=${encodeURIComponent(ticket)}`;
    const socket = (this.socket = this.outside.open(address));
    socket.onmessage = (/** @type {{data: string}} */ event) => socket === this.socket && this.#receive(JSON.parse(event.data));
    socket.onclose = (/** @type {{code: number}} */ event) => socket === this.socket && this.#closed(event.code);
    socket.onerror = () => {}; // a close always follows, and that one has the code
  }

  /** @param {any} hello @param {number} now */
  #greeted(hello, now) {
    this.clockSkewMs = hello.server_time_ms - now;
    /** @type {string[]} */
    const streams = this.wanted ? hello.streams.filter((/** @type {string} */ stream) => this.wanted?.has(stream)) : hello.streams;
    this.state = { ...this.state, user: hello.user, streams: hello.streams, delayed_since_ms: null };
    this.waitingFor = new Set(streams);
    this.greetedAt = now;
    this.#listenForSilence();
    this.#planRenewal(hello.expires_at);
    if (!streams.length) return this.#set("live", "None of the wanted streams is yours to follow.");
    this.#send({ subscribe: streams.map((stream) => ({ stream, ...this.positions.get(stream) })) });
  }

  // --- hearing ----------------------------------------------------------------------------------------------------

  /** @param {any} message */
  #receive(message) {
    const now = this.outside.now();
    this.lastHeard = now;
    if (message.c && message.e) return this.#publication(message, now);
    if (message.ping !== undefined) return this.#send({ pong: message.ping });
    if (message.gap) return this.#gap(message, now);
    if (message.subscribed) return this.#subscribed(message, now);
    if (message.hello) return this.#greeted(message.hello, now);
    if (message.delayed !== undefined) return this.#delayed(message.delayed);
    if (message.renewed) return this.#planRenewal(message.renewed.expires_at);
    if (message.error) this.#refused(message.error);
  }

  /** @param {Message & {subscribed: Subscribed}} message @param {number} now */
  #subscribed(message, now) {
    const { stream, epoch, offset, recovered } = message.subscribed;
    this.positions.set(stream, { epoch, offset }); // of the snapshot; or our own, and what was missed follows
    if (recovered) this.counts.recovered += 1;
    this.waitingFor.delete(stream);
    try {
      this.#tell(message, now);
    } finally {
      if (!this.stopped && !this.waitingFor.size && this.state.name !== "live") this.#set("live");
    }
  }

  /** @param {any} message @param {number} now */
  #publication(message, now) {
    const position = this.positions.get(message.c);
    if (!position) return;
    if (message.o <= position.offset) {
      this.counts.duplicates += 1;
      return;
    }
    if (message.o > position.offset + 1 && LOSSLESS.has(message.c)) {
      return this.#broken(now, "A publication was missing; asking for it again.");
    }
    position.offset = message.o;
    this.#tell(message, now);
  }

  /** @param {any} message @param {number} now */
  #gap(message, now) {
    this.counts.gaps += 1;
    const position = this.positions.get(message.c);
    if (position) position.offset = Math.max(position.offset, message.gap[1]);
    this.#tell(message, now);
  }

  /** @param {{since_ms: number} | null} delayed */
  #delayed(delayed) {
    this.state = { ...this.state, delayed_since_ms: delayed && delayed.since_ms - this.clockSkewMs };
    this.stateChanged(this.state);
  }

  /** @param {{message: string, stream?: string}} error */
  #refused(error) {
    if (this.greetedAt === null) return; // nobody was let in: the close that follows says what to do
    if (error.stream) this.waitingFor.delete(error.stream);
    if (!this.waitingFor.size && this.state.name !== "live") this.#set("live", error.message);
  }

  // --- telling the page -------------------------------------------------------------------------------------------

  /** @param {Message} message @param {number} now */
  #tell(message, now) {
    if (this.outside.hidden() && this.#hold(message, now)) return;
    this.#tellHeld();
    if (this.stopped) return this.positions.clear(); // by the page, just now; a later start must not skip this message
    this.hear(message, now);
  }

  /** Keep a message for later; false when it must not wait. @param {Message} message @param {number} now */
  #hold(message, now) {
    const stream = message.c ?? message.subscribed?.stream ?? "";
    const every = LOSSLESS.has(stream);
    if (message.snapshot && every) return false; // it begins the feed anew: rare, and large
    if (message.snapshot) this.#dropHeld(stream);
    /** @type {any} */ let id = message; // one of its own: nothing replaces it
    if (message.e && !every) id = `${stream} ${message.e.key}`;
    else if (message.gap || (message.subscribed && !message.snapshot)) id = `${stream}, ${message.gap ? "gap" : "recovered"}`;
    if (this.held.delete(id)) this.counts.conflated += 1;
    this.held.set(id, { message, now });
    if (this.held.size > MESSAGES_HELD) this.#tellHeld();
    return true;
  }

  /** A snapshot holds all that its stream has said before. @param {string} stream */
  #dropHeld(stream) {
    for (const [id, { message }] of this.held) {
      if ((message.c ?? message.subscribed?.stream) === stream) this.held.delete(id);
    }
  }

  #tellHeld() {
    for (const [id, { message, now }] of this.held) {
      this.held.delete(id);
      this.hear(message, now);
    }
  }

  #awake() {
    if (this.greetedAt !== null) this.#listenForSilence(); // timers of a hidden page, or a sleeping machine, run late
    this.retryNow();
    if (!this.outside.hidden()) this.#tellHeld();
  }

  // --- breaking ---------------------------------------------------------------------------------------------------

  /** @param {number} code */
  #closed(code) {
    const since = code === NO_CODE ? this.lastHeard : this.outside.now(); // a code came over the line: it was good so far
    const displaced = code === TOO_MANY_CONNECTIONS && this.wasLive; // a broken line of ours may keep its seat for a while
    if (code >= FIRST_STOP_CODE && code <= LAST_STOP_CODE && !displaced) {
      return this.#end("stopped", STOP_REASONS[code] ?? `The gateway ended the connection (${code}).`);
    }
    if (code === TOKEN_EXPIRED) this.attempt = 0; // expected once per token: a new ticket tells whether the session lives
    const patience = code === RATE_LIMITED || displaced ? COME_AGAIN_MS : 0;
    this.#broken(since, BREAK_REASONS[code] ?? "The connection to the gateway broke.", patience);
  }

  /** No message for too long, not even a ping: the line is dead. One timer looks again when the limit may be reached. */
  #listenForSilence() {
    const left = (this.lastHeard ?? 0) + SILENCE_LIMIT_MS - this.outside.now();
    if (left > 0) return this.#later("watch", left, () => this.#listenForSilence());
    this.#broken(this.lastHeard, "The gateway went silent.");
  }

  /** @param {number | null} since @param {string} detail @param {number} [atLeast] */
  #broken(since, detail, atLeast) {
    this.brokenSince ??= since ?? this.outside.now();
    this.#drop();
    this.#retry(detail, atLeast);
  }

  /** @param {string} detail @param {number} [atLeast] */
  #retry(detail, atLeast = 0) {
    const now = this.outside.now();
    if (this.greetedAt !== null && now - this.greetedAt > STEADY_AFTER_MS) this.attempt = 0;
    this.greetedAt = null;
    const wait = atLeast + backoffMs(this.attempt++, this.outside.random);
    this.counts.reconnects += 1;
    this.notBefore = now + atLeast;
    for (const timer of ["watch", "renew"]) this.#cancel(timer);
    this.#later("retry", wait, () => this.#connect());
    const blinkLeft = (this.brokenSince ?? now) + RESUMING_FOR_MS - now;
    this.#set(blinkLeft > 0 ? "resuming" : "stale", detail, now + wait);
    if (blinkLeft > 0) this.#later("stale", blinkLeft, () => this.#set("stale", this.state.detail, this.state.retry_at_ms));
  }

  /** @param {StateName} name @param {string} detail */
  #end(name, detail) {
    this.#rest();
    try {
      this.#tellHeld();
    } finally {
      this.#set(name, detail);
    }
  }

  #rest() {
    this.stopped = true;
    this.greetedAt = null;
    this.endWake?.();
    for (const timer of [...this.timers.keys()]) this.#cancel(timer);
    this.#drop();
  }

  #drop() {
    this.connecting?.abort(); // a request that hangs would hold one of the browser's few connections
    this.connecting = null;
    const socket = this.socket;
    this.socket = null; // handlers of this socket fall silent from here on
    socket?.close();
  }

  // --- the session ------------------------------------------------------------------------------------------------

  /** Half-way to the token's end ask the page for a new one, after trouble again half-way; the line stays as it is. @param {string} expiresAt */
  #planRenewal(expiresAt) {
    if (!this.renewToken) return;
    const left = Date.parse(expiresAt) - this.clockSkewMs - this.outside.now();
    if (left < 1_000) return; // too late: the server's 4403 leads to a new token and a new line
    this.#later("renew", Math.min(left / 2, LONGEST_TIMER_MS), () => this.#renew(expiresAt));
  }

  /** @param {string} expiresAt */
  async #renew(expiresAt) {
    const { socket } = this;
    const trouble = await this.#newToken();
    if (socket !== this.socket) return;
    if (!trouble) this.#send({ auth: this.token }); // answered by {"renewed": ...}
    else if (!trouble.over) this.#planRenewal(expiresAt);
  }

  // --- small parts ------------------------------------------------------------------------------------------------

  /** @param {object} message */
  #send(message) {
    this.socket?.send(JSON.stringify(message));
  }

  /** @param {StateName} name @param {string} [detail] @param {number | null} [retry_at_ms] */
  #set(name, detail = "", retry_at_ms = null) {
    if (name === "live") {
      this.wasLive = true;
      this.brokenSince = null;
      this.#cancel("stale");
    }
    this.state = { ...this.state, name, since_ms: this.brokenSince ?? this.outside.now(), detail, retry_at_ms };
    this.stateChanged(this.state);
  }

  /** @param {string} name  one of each at a time @param {number} ms @param {() => void} run */
  #later(name, ms, run) {
    this.#cancel(name);
    const fire = () => {
      this.timers.delete(name);
      run();
    };
    this.timers.set(name, this.outside.later(fire, ms));
  }

  /** @param {string} name */
  #cancel(name) {
    if (this.timers.has(name)) this.outside.cancel(this.timers.get(name));
    this.timers.delete(name);
  }
}

/** What Retry-After (seconds, or a date) asks for, in ms; 0 without one. @param {string | null | undefined} header @param {number} now */
function patienceMs(header, now) {
  if (!header) return 0;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now;
  return ms > 0 ? ms : 0;
}
