// Taking an action on: a POST that becomes an event. The row leaves when the stream says so, not before.
// Called by live_hub.js; the queue and the drawer read `attemptOf`.

const CONFIRM_WITHIN_MS = 10_000; // the log's own event should be back on the stream long before

export class Acknowledgements {
  constructor({ apiUrl, token, changed, signedOut, outside }) {
    Object.assign(this, { apiUrl, token, changed, signedOut, outside });
    this.attempts = new Map(); // action_id -> {name: taking | taken | failed, key, message, timer}
  }

  attemptOf(actionId) {
    return this.attempts.get(actionId);
  }

  /** `item` is a next_actions item with an action. Never throws: a failure is shown on the row, which can be tried again. */
  async take(item) {
    const id = item.action.action_id;
    if (["taking", "taken"].includes(this.attempts.get(id)?.name)) return;
    this.#set(item, "taking");
    let answer;
    try {
      const path = `/v1/leads/${encodeURIComponent(item.lead_id)}/actions/${encodeURIComponent(id)}/acknowledge`;
      answer = await this.outside.fetch(this.apiUrl + path, {
        method: "POST",
        headers: { Authorization: `Bearer ${this.token}` },
      });
    } catch {
      return this.#set(item, "failed", "Not taken: the gateway does not answer. Try again.");
    }
    if (answer.status === 401) return this.signedOut();
    if (!answer.ok) return this.#set(item, "failed", `Not taken: ${await reason(answer)}`);
    if (!this.attempts.has(id)) return; // the stream was faster than the answer
    this.#set(item, "taken");
    this.attempts.get(id).timer = this.outside.later(() => {
      this.#set(item, "failed", "Sent, but not confirmed yet. Try again if it stays.");
    }, CONFIRM_WITHIN_MS);
  }

  /** Forget attempts on actions that have left the queue. */
  settle(openItems) {
    const open = new Set(openItems.map((item) => item.action.action_id));
    for (const [id, attempt] of this.attempts) {
      if (open.has(id)) continue;
      this.outside.cancel(attempt.timer);
      this.attempts.delete(id);
    }
  }

  stop() {
    for (const attempt of this.attempts.values()) this.outside.cancel(attempt.timer);
  }

  #set(item, name, message = "") {
    this.outside.cancel(this.attempts.get(item.action.action_id)?.timer);
    this.attempts.set(item.action.action_id, { name, key: item.key, message });
    this.changed(item);
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
