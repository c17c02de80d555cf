// The protocol: ticket, connect, subscribe, resume by epoch and offset, back off, answer pings.
// Called by live_hub.js. Knows nothing of the screen; every outside thing (socket, fetch, time) comes in as `outside`.

const BACKOFF_FIRST_MS = 250;
const BACKOFF_LIMIT_MS = 20_000;
const SILENCE_LIMIT_MS = 45_000; // the server pings every 25 s and waits 10 s: after 45 s the line is dead
const RESUMING_FOR_MS = 5_000; // how long a break counts as a blink before the screen calls itself stale
const STEADY_AFTER_MS = 10_000; // a line that lived this long starts the next back-off from the beginning
const RATE_LIMITED_MS = 60_000;

const RATE_LIMITED = 4429;
const TOKEN_EXPIRED = 4403;
const FIRST_STOP_CODE = 4500; // 4500-4999: trying again cannot help
const LAST_STOP_CODE = 4999;

// A stream whose every message counts. The others may jump ahead when this screen was slow: newest per key is enough.
const LOSSLESS = new Set(["conversation_feed"]);

const STOP_REASONS = {
  4500: "The gateway could not read this screen's messages. Reload the page to get its newest version.",
  4503: "The gateway refused a stream that your role does not hold. Sign in again.",
  4529: "You have too many live screens open. Close one, then reload this page.",
};

/** Full jitter: anywhere between nothing and the doubled ceiling, so a fleet does not come back at once. */
export function backoffMs(attempt, random) {
  return random() * Math.min(BACKOFF_LIMIT_MS, BACKOFF_FIRST_MS * 2 ** attempt);
}

/** The real outside of a browser tab. */
export function browserOutside() {
  return {
    fetch: (url, options) => fetch(url, options),
    open: (url) => new WebSocket(url),
    now: () => performance.timeOrigin + performance.now(),
    random: Math.random,
    later: (run, ms) => setTimeout(run, ms),
    cancel: (timer) => clearTimeout(timer),
  };
}

/**
 * One live line to the gateway.
 * `hear(message, received_ms)` gets every snapshot and publication once and in order, `stateChanged(state)` each change:
 * {name: "live" | "resuming" | "stale" | "signed_out" | "stopped", since_ms, detail, retry_at_ms, user, streams}.
 */
export class LiveConnection {
  constructor({ apiUrl, wsUrl, token, hear, stateChanged, outside = browserOutside() }) {
    Object.assign(this, { apiUrl, wsUrl, token, hear, stateChanged, outside });
    this.positions = new Map(); // stream -> {epoch, offset}
    this.waitingFor = new Set(); // streams asked for and not yet confirmed
    this.counts = { reconnects: 0, duplicates: 0, gaps: 0, recovered: 0 };
    this.attempt = 0;
    this.lastHeard = null;
    this.clockSkewMs = 0;
    this.state = { name: "resuming", since_ms: outside.now(), detail: "", user: null, streams: [] };
  }

  start() {
    this.stopped = false;
    this.brokenSince = this.outside.now();
    this.#set("resuming");
    return this.#connect();
  }

  stop() {
    this.stopped = true;
    this.#clearTimers();
    this.#drop();
  }

  /** A tab that comes back, or a network that does, should not sit out a long wait. */
  retryNow() {
    if (this.stopped || !this.retryTimer) return;
    this.#clearTimers();
    this.#connect();
  }

  async #connect() {
    this.retryTimer = null;
    let answer;
    try {
      answer = await this.outside.fetch(`${this.apiUrl}/v1/ws-ticket`, {
        method: "POST",
        headers: { Authorization: `Bearer ${this.token}` },
      });
      if (answer.ok) answer = { ticket: (await answer.json()).ticket };
    } catch {
      return this.#retry(`The gateway at ${this.apiUrl} does not answer. Start it with: enterprisehub serve`);
    }
    if (this.stopped) return;
    if (answer.ticket) return this.#open(answer.ticket);
    if (answer.status === 401 || answer.status === 403) return this.#end("signed_out", "Your session has expired.");
    const wait = Number(answer.headers?.get("Retry-After")) * 1_000;
    this.#retry(`The gateway refused a ticket (HTTP ${answer.status}).`, wait || undefined);
  }

  #open(ticket) {
    const socket = this.outside.open(`${this.wsUrl}/v1/realtime?ticket=${encodeURIComponent(ticket)}`);
    this.socket = socket;
    socket.onmessage = (event) => socket === this.socket && this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.#closed(event.code);
    socket.onerror = () => {}; // a close always follows, and that one has the code
    this.#watch();
  }

  #receive(message) {
    const now = this.outside.now();
    this.lastHeard = now;
    this.#watch();
    if (message.ping !== undefined) return this.#send({ pong: message.ping });
    if (message.hello) return this.#subscribe(message.hello, now);
    if (message.subscribed) return this.#subscribed(message, now);
    if (message.gap) return this.#gap(message, now);
    if (message.c) return this.#publication(message, now);
    if (message.error) this.#refused(message.error);
  }

  #subscribe(hello, now) {
    this.clockSkewMs = hello.server_time_ms - now;
    this.state = { ...this.state, user: hello.user, streams: hello.streams };
    this.waitingFor = new Set(hello.streams);
    this.connectedAt = now;
    this.#send({ subscribe: hello.streams.map((stream) => ({ stream, ...this.positions.get(stream) })) });
  }

  #subscribed(message, now) {
    const { stream, epoch, offset, recovered } = message.subscribed;
    const known = this.positions.get(stream);
    // A recovered stream goes on from our own offset: the missed publications follow. A snapshot starts anew at its own.
    this.positions.set(stream, { epoch, offset: recovered && known ? known.offset : offset });
    if (recovered) this.counts.recovered += 1;
    this.waitingFor.delete(stream);
    this.hear(message, now);
    if (!this.waitingFor.size) this.#set("live");
  }

  #publication(message, now) {
    const position = this.positions.get(message.c);
    if (!position) return;
    if (message.o <= position.offset) {
      this.counts.duplicates += 1;
      return;
    }
    if (message.o > position.offset + 1 && LOSSLESS.has(message.c)) return this.#lost(now);
    position.offset = message.o;
    this.hear(message, now);
  }

  #gap(message, now) {
    this.counts.gaps += 1;
    const position = this.positions.get(message.c);
    if (position) position.offset = Math.max(position.offset, message.gap[1]);
    this.hear(message, now);
  }

  #refused(error) {
    if (error.stream) this.waitingFor.delete(error.stream);
    if (!this.waitingFor.size && this.state.name !== "live") this.#set("live", error.message);
  }

  #lost(now) {
    this.#drop();
    this.brokenSince = now;
    this.#retry("A publication was missing; asking for it again.");
  }

  #closed(code) {
    this.brokenSince ??= this.lastHeard ?? this.outside.now();
    this.#drop();
    if (code >= FIRST_STOP_CODE && code <= LAST_STOP_CODE) {
      return this.#end("stopped", STOP_REASONS[code] ?? `The gateway ended the connection (${code}).`);
    }
    if (code === TOKEN_EXPIRED) this.attempt = 0; // expected once per token: a new ticket tells whether the session lives
    this.#retry("The connection to the gateway broke.", code === RATE_LIMITED ? RATE_LIMITED_MS : undefined);
  }

  #retry(detail, atLeast = 0) {
    if (this.stopped) return;
    if (this.connectedAt && this.outside.now() - this.connectedAt > STEADY_AFTER_MS) this.attempt = 0;
    this.connectedAt = null;
    this.brokenSince ??= this.outside.now();
    const wait = Math.max(atLeast, backoffMs(this.attempt, this.outside.random));
    this.attempt += 1;
    this.counts.reconnects += 1;
    this.#clearTimers();
    this.retryTimer = this.outside.later(() => this.#connect(), wait);
    this.#set(this.#breakName(), detail, this.outside.now() + wait);
    const blinkLeft = this.brokenSince + RESUMING_FOR_MS - this.outside.now();
    this.staleTimer = this.outside.later(() => this.#ageBreak(), Math.max(0, blinkLeft));
  }

  #breakName() {
    return this.outside.now() - this.brokenSince >= RESUMING_FOR_MS ? "stale" : "resuming";
  }

  #ageBreak() {
    if (this.state.name === "resuming" && !this.stopped) {
      this.#set(this.#breakName(), this.state.detail, this.state.retry_at_ms);
    }
  }

  /** The line is dead when nothing, not even a ping, came for too long. */
  #watch() {
    this.outside.cancel(this.silenceTimer);
    this.silenceTimer = this.outside.later(() => {
      this.brokenSince = this.lastHeard ?? this.outside.now();
      this.#drop();
      this.#retry("The gateway went silent.");
    }, SILENCE_LIMIT_MS);
  }

  #end(name, detail) {
    this.stopped = true;
    this.#clearTimers();
    this.#drop();
    this.#set(name, detail);
  }

  #drop() {
    const socket = this.socket;
    this.socket = null; // handlers of this socket fall silent from here on
    socket?.close();
  }

  #send(message) {
    this.socket?.send(JSON.stringify(message));
  }

  #set(name, detail = "", retry_at_ms = null) {
    if (name === "live") this.brokenSince = null;
    const since_ms = this.brokenSince ?? this.outside.now();
    this.state = { ...this.state, name, since_ms, detail, retry_at_ms };
    this.stateChanged(this.state);
  }

  #clearTimers() {
    for (const timer of ["retryTimer", "staleTimer", "silenceTimer"]) {
      this.outside.cancel(this[timer]);
      this[timer] = null;
    }
  }
}
