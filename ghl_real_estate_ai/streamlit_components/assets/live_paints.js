// How long each publication took to reach the eye. Called by live_hub.js; read by the benchmark and the status strip.
// `painted_ms` is when the page's own work for the frame was done: rows written, style, layout and paint recorded and handed
// to the compositor. What follows in other processes (raster, the next refresh of the monitor) no page can see.

const PAINTS_HELD = 2_000;
const NEWEST = 200;
const ENOUGH_FOR_A_CLOCK = 20; // messages, of which one was surely quick

/** Runs `then` after the frame that is being made has been painted. It waits for no further frame: no user does either. */
export function afterPaint(then) {
  const channel = new MessageChannel();
  channel.port1.onmessage = then;
  channel.port2.postMessage(null); // a frame is one task, its paint included: a task queued from inside it runs after that
}

/** Collects what arrived since the last frame, stamps it after the paint. */
export class PaintLog {
  constructor({ now, after = afterPaint }) {
    Object.assign(this, { now, after });
    this.paints = [];
    this.waiting = [];
  }

  arrived({ c, o, p, e }, received_ms) {
    this.waiting.push({
      stream: c,
      key: e.key,
      offset: o,
      published_ms: p,
      received_ms,
      received_at: e.received_at,
      stage_ms: e.stage_ms,
    });
  }

  /** Call inside the frame, after the DOM was written. `shown(paint)` tells whether its row is on the page. */
  frame(shown) {
    const batch = this.waiting.splice(0);
    if (!batch.length) return;
    for (const paint of batch) paint.shown = shown(paint);
    this.after(() => {
      const painted_ms = this.now();
      for (const paint of batch) this.paints.push({ ...paint, painted_ms });
      if (this.paints.length > PAINTS_HELD) this.paints.splice(0, this.paints.length - PAINTS_HELD);
    });
  }

  /** A hidden tab paints nothing: what waits will be shown later, and would tell a false time. */
  hidden() {
    this.waiting.length = 0;
  }

  /**
   * The q-quantile of publish -> paint over the newest 200, in ms; null without any. Two clocks are compared: a message cannot
   * come before it was sent, so the gateway's clock is ahead by at least `published - received` of the quickest one. What even
   * that one took on its way is not seen. While few have come, the estimate of the greeting, another lower bound, helps.
   */
  quantile(q, clockSkewMs = -Infinity) {
    const newest = this.paints.slice(-NEWEST);
    if (!newest.length) return null;
    const quickest = Math.max(...newest.map((paint) => paint.published_ms - paint.received_ms));
    const ahead = newest.length < ENOUGH_FOR_A_CLOCK ? Math.max(quickest, clockSkewMs) : quickest; // of the newest alone: clocks drift
    const spans = newest.map((paint) => paint.painted_ms + ahead - paint.published_ms).sort((a, b) => a - b);
    return spans[Math.max(0, Math.ceil(q * spans.length) - 1)];
  }
}
