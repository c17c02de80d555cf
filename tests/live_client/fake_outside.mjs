// A gateway, a socket and a clock that a test moves by hand.

export class FakeOutside {
  constructor({ tickets = [], random = 0 } = {}) {
    this.time = 1_000_000;
    this.timers = [];
    this.sockets = [];
    this.requests = [];
    this.tickets = tickets; // answers in order; the last one repeats
    this.random = () => random;
    this.isHidden = false;
    this.waking = new Set();
  }

  hidden = () => this.isHidden;

  onWake = (run) => {
    this.waking.add(run);
    return () => this.waking.delete(run);
  };

  /** The page is seen again, or the network is back. */
  wake() {
    this.isHidden = false;
    for (const run of [...this.waking]) run();
  }

  now = () => this.time;

  later = (run, ms) => {
    const timer = { run, at: this.time + ms, ms };
    this.timers.push(timer);
    return timer;
  };

  cancel = (timer) => {
    this.timers = this.timers.filter((other) => other !== timer);
  };

  fetch = async (url, options) => {
    this.requests.push({ url, ...options });
    const answer = this.tickets.length > 1 ? this.tickets.shift() : this.tickets[0];
    if (answer === "silent") return new Promise((_, fail) => options.signal.addEventListener("abort", () => fail(options.signal.reason)));
    if (answer === "unreachable") throw new TypeError("failed to fetch");
    return answer ?? ticket(`ticket-${this.requests.length}`);
  };

  open = (url) => {
    const socket = { url, sent: [], closed: false, send: (text) => socket.sent.push(JSON.parse(text)), close: () => (socket.closed = true) };
    this.sockets.push(socket);
    return socket;
  };

  get socket() {
    return this.sockets.at(-1);
  }

  /** What the server says. */
  say(...messages) {
    for (const message of messages) this.socket.onmessage({ data: JSON.stringify(message) });
  }

  /** Let time pass; timers that are due run in order, and promises settle. */
  async pass(ms) {
    const until = this.time + ms;
    for (;;) {
      await settled();
      const due = this.timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.time = Math.max(this.time, due.at);
      this.cancel(due);
      due.run();
    }
    this.time = until;
    await settled();
  }
}

export const settled = () => new Promise((done) => setImmediate(done));

export const ticket = (text) => answer(201, { ticket: text, expires_in_s: 30 });

export function answer(status, body = {}, headers = {}) {
  return { ok: status < 300, status, json: async () => body, headers: new Map(Object.entries(headers)) };
}

export const hello = (now, streams = ["lead_scores", "conversation_feed"], expiresAt = "2030-01-01T00:00:00Z") => ({
  hello: { connection: "c1", server_time_ms: now, expires_at: expiresAt, user: { user_id: "u", role: "agent", location_id: "l" }, streams },
});

export const subscribed = (stream, epoch, offset, snapshot) => ({
  subscribed: { stream, epoch, offset, recovered: snapshot === undefined },
  ...(snapshot === undefined ? {} : { snapshot }),
});

export const publication = (stream, offset, item = {}) => ({ c: stream, o: offset, p: 1, e: { key: `k${offset}`, ...item } });
