// The gateway's HTTP door, asked by this screen: one way to send the token, one way to tell what went wrong.
// Made by live_hub.js; used by whatever asks or posts. Never throws: an answer says whether it is good.

const ANSWER_WAIT_MS = 15_000; // for the whole of an answer

export class GatewayApi {
  /** `session` holds the token of the moment (live_session.js); `signedOut` runs when the gateway no longer takes it. */
  constructor({ apiUrl, session, outside, signedOut }) {
    Object.assign(this, { apiUrl, session, outside, signedOut });
  }

  get(path) {
    return this.#ask("GET", path);
  }

  post(path, body) {
    return this.#ask("POST", path, body);
  }

  /**
   * -> {ok: true, status, body} | {ok: false, status, message, unknown}; status 0: no answer came; `unknown`: none came in
   * time, so that what was posted may have been taken in all the same.
   */
  async #ask(method, path, body) {
    const headers = { Authorization: `Bearer ${this.session.token}` };
    const waiting = new AbortController();
    const timer = this.outside.later(() => waiting.abort(), ANSWER_WAIT_MS);
    const options = { method, headers, signal: waiting.signal, keepalive: method === "POST" }; // a tap that opens the phone's app must not lose its post
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    try {
      const answer = await this.outside.fetch(this.apiUrl + path, options);
      if (answer.ok) return { ok: true, status: answer.status, body: await answer.json() };
      if (answer.status === 401) this.signedOut();
      return { ok: false, status: answer.status, message: await reason(answer) };
    } catch {
      const unknown = method === "POST" && waiting.signal.aborted;
      const message = unknown ? "the gateway did not answer in time: not known whether it was saved." : "the gateway does not answer. Try again.";
      return { ok: false, status: 0, message, unknown };
    } finally {
      this.outside.cancel(timer);
    }
  }
}

/** The gateway's own sentence, or the bare status. */
export async function reason(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `HTTP ${answer.status}`;
  }
}
