// Who works here, by name, and which of them looks at this screen. Made by live_hub.js from GET /v1/team.

const TEAM_ASKED_EVERY_MS = 3_600_000;
const TEAM_ASKED_AGAIN_MS = 60_000; // after trouble

export class LiveTeam {
  /** `userId` is the account's own id; `changed` runs when names or `me` are others than before. */
  constructor({ api, outside, userId, changed }) {
    Object.assign(this, { api, outside, userId, changed });
    this.me = null; // the CRM's id of the user who looks; null: not linked, or not known yet
    this.known = false;
    this.names = new Map();
  }

  /** Ask now and from then on hourly. */
  async start() {
    const answer = await this.api.get("/v1/team");
    if (this.stopped) return;
    if (answer.ok) {
      const told = JSON.stringify([answer.body.me, answer.body.members.map((member) => [member.user_id, member.name])]);
      const isNews = told !== this.told;
      this.told = told;
      this.me = answer.body.me;
      this.names = new Map(answer.body.members.map((member) => [member.user_id, member.name]));
      this.known = true;
      if (isNews) this.changed();
    }
    this.timer = this.outside.later(() => this.start(), answer.ok ? TEAM_ASKED_EVERY_MS : TEAM_ASKED_AGAIN_MS);
  }

  stop() {
    this.stopped = true;
    this.outside.cancel(this.timer);
  }

  /** The agent's name; one without a known name is told by the end of the id. */
  nameOf(userId) {
    if (!userId) return "nobody yet";
    return this.names.get(userId) ?? `agent ${userId.slice(-4)}`;
  }

  /** All agents, by name: [[id, name]]. */
  get agents() {
    return [...this.names].sort(([, a], [, b]) => a.localeCompare(b));
  }

  /** Whether a lead stands in this user's own queue: assigned to them or to nobody, and not declined by them. */
  isMine({ assigned, declined = [] }) {
    return (!assigned || assigned === this.me) && !this.hasDeclined(declined);
  }

  hasDeclined(declined = []) {
    return declined.includes(this.userId) || (this.me !== null && declined.includes(this.me));
  }
}
