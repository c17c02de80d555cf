// Who is signed in on this screen, with the token of the moment: renewed half-way through its life, kept for a reload.
// Made by live_hub.js. The connection asks `renew` (its `renewToken`); the pages read what is kept.

const RENEWAL_WAIT_MS = 15_000;
const SESSION_KEPT_AT = "enterprisehub.session"; // in this tab's own storage, gone with the tab

export class LiveSession {
  /** `renewed(session)` hears each new one; `keep` is the tab's storage, or null where a browser forbids it. */
  constructor({ apiUrl, token, outside, renewed = () => {}, keep = tabStorage() }) {
    Object.assign(this, { apiUrl, token, outside, renewed, keep });
    this.before = new Set([token]);
  }

  /** Whether the token is one that this screen has, or has had: a rerun may still bring the older one. */
  had(token) {
    return this.before.has(token);
  }

  /** A new token of the same user; null: the session is over. Throws on trouble that may pass. */
  async renew() {
    const session = await this.#askForSession();
    if (!session) return null;
    this.token = session.access_token;
    this.before.add(this.token);
    this.#keep((keep) => keep.setItem(SESSION_KEPT_AT, JSON.stringify(session)));
    this.renewed(session);
    return this.token;
  }

  async #askForSession() {
    const waiting = new AbortController();
    const timer = this.outside.later(() => waiting.abort(), RENEWAL_WAIT_MS);
    const options = { method: "POST", headers: { Authorization: `Bearer ${this.token}` }, signal: waiting.signal };
    try {
      const answer = await this.outside.fetch(`${this.apiUrl}/v1/sessions/renewal`, options);
      if (answer.status === 401) return null;
      if (!answer.ok) throw new Error(`no renewal: HTTP ${answer.status}`);
      return await answer.json();
    } finally {
      this.outside.cancel(timer);
    }
  }

  /** The session ended: nothing of it stays in this tab. */
  forget() {
    this.#keep((keep) => keep.removeItem(SESSION_KEPT_AT));
  }

  /** A full or forbidden storage costs the reload its session, and nothing else. */
  #keep(write) {
    try {
      if (this.keep) write(this.keep);
    } catch {
      // the new token works without being kept
    }
  }
}

function tabStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null; // forbidden by the browser's settings
  }
}
