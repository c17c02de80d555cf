// A gateway of a few dozen lines that keeps the protocol of docs/realtime.md, and loses lines as a bad network does.
// Used by live_model.test.mjs. Every choice comes from `random`, so that a seed tells the whole story again.

import { ticket } from "./fake_outside.mjs";

const RING = 12; // small, so that resuming often comes too late
const SNAPSHOT = 500;

class Topic {
  constructor(name, keyed) {
    Object.assign(this, { name, keyed, epoch: 1, head: 0, ring: [], latest: new Map(), everPublished: [] });
  }

  publish(item) {
    this.head += 1;
    const frame = { c: this.name, o: this.head, p: 1, e: item };
    this.ring = [...this.ring, frame].slice(-RING);
    this.latest.delete(item.key);
    this.latest.set(item.key, frame);
    if (this.latest.size > SNAPSHOT) this.latest.delete(this.latest.keys().next().value);
    this.everPublished.push(item.key);
  }

  beginEpoch() {
    this.epoch += 1;
    this.ring = [];
  }

  snapshot() {
    return [...this.latest.values()].map((frame) => frame.e).filter((item) => !item.removed).reverse();
  }

  holdsAfter(offset) {
    return offset <= this.head && offset >= this.head - this.ring.length;
  }
}

class Line {
  constructor(gateway) {
    Object.assign(this, { gateway, toClient: [], cursors: new Map(), isOpen: true, closed: false });
    const { now } = gateway;
    this.toClient.push({ hello: { server_time_ms: now(), expires_at: "2100-01-01T00:00:00Z", user: { user_id: "u" }, streams: [...gateway.topics.keys()] } });
  }

  send(text) {
    if (!this.isOpen) return;
    for (const { stream, epoch, offset } of JSON.parse(text).subscribe ?? []) this.#open(this.gateway.topics.get(stream), epoch, offset);
  }

  close() {
    this.closed = true;
    this.isOpen = false;
  }

  #open(topic, epoch, offset) {
    const resumes = epoch === topic.epoch && topic.holdsAfter(offset);
    const place = { stream: topic.name, epoch: topic.epoch, offset: resumes ? offset : topic.head, recovered: resumes };
    this.toClient.push(resumes ? { subscribed: place } : { subscribed: place, snapshot: topic.snapshot() });
    this.cursors.set(topic.name, { epoch: topic.epoch, offset: place.offset });
  }

  /** What has been published since goes on its way, by the policy of its stream. */
  pump() {
    for (const [name, cursor] of this.isOpen ? this.cursors : []) {
      const topic = this.gateway.topics.get(name);
      if (cursor.epoch !== topic.epoch) this.#open(topic, null, 0);
      else if (topic.holdsAfter(cursor.offset)) this.toClient.push(...topic.ring.filter((frame) => frame.o > cursor.offset));
      else if (topic.keyed) {
        this.toClient.push(...[...topic.latest.values()].filter((frame) => frame.o > cursor.offset));
        this.toClient.push({ c: name, gap: [cursor.offset + 1, topic.head] });
      } else return this.breakDown(4408);
      Object.assign(this.cursors.get(name), { epoch: topic.epoch, offset: topic.head });
    }
  }

  /** The client gets the next `count` messages. */
  deliver(count = Infinity) {
    for (const message of this.toClient.splice(0, count)) this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** What is still on its way is lost. */
  breakDown(code) {
    this.isOpen = false;
    this.toClient = [];
    this.onclose?.({ code });
  }
}

export class FakeGateway {
  /** Plugs itself into `outside` in place of the net. */
  constructor(outside, random) {
    Object.assign(this, { random, now: outside.now, lines: [], isUp: true });
    this.topics = new Map([
      ["lead_scores", new Topic("lead_scores", true)],
      ["next_actions", new Topic("next_actions", true)],
      ["conversation_feed", new Topic("conversation_feed", false)],
    ]);
    outside.random = random;
    outside.fetch = async () => {
      if (!this.isUp) throw new TypeError("failed to fetch");
      return ticket("t");
    };
    outside.open = () => {
      const line = new Line(this);
      this.lines.push(line);
      return line;
    };
  }

  get line() {
    return this.lines.at(-1);
  }

  publish(topics = [...this.topics.values()]) {
    const topic = topics[Math.floor(this.random() * topics.length)];
    const key = topic.keyed ? `lead-${Math.floor(this.random() * 8)}` : `message-${topic.epoch}-${topic.head + 1}`;
    const removed = topic.keyed && this.random() < 0.1;
    topic.publish({ key, at: "2026-01-01T00:00:00Z", n: topic.head + 1, ...(removed ? { removed } : {}) });
  }

  /** More of one keyed stream than a ring holds. */
  burst() {
    for (let i = 0; i < 2 * RING; i += 1) this.publish([this.topics.get("lead_scores")]);
  }

  /** An old line, dropped by the client, brings its messages after all. */
  deliverLate() {
    for (const line of this.lines.slice(0, -1)) line.deliver();
  }

  /** The last frames of a topic come once more on the open line. */
  repeat() {
    for (const topic of this.topics.values()) {
      const cursor = this.line?.cursors.get(topic.name);
      if (cursor?.epoch === topic.epoch) this.line.toClient.push(...topic.ring.filter((frame) => frame.o <= cursor.offset).slice(-3));
    }
  }
}
