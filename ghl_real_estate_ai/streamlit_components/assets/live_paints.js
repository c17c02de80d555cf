// How long each publication took to reach the eye. Called by live_hub.js; read by the benchmark and the status strip.
// `painted_ms` is when the page's own work for the frame was done: rows written, style, layout and paint recorded and handed
// to the compositor. What follows in other processes (raster, the next refresh of the monitor) no page can see.

const PAINTS_HELD = 2_000;

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

  /** The q-quantile of publish -> paint over the newest 200, in ms of one clock; null without any. */
  quantile(q, clockSkewMs = 0) {
    const spans = this.paints.slice(-200).map((paint) => paint.painted_ms + clockSkewMs - paint.published_ms);
    if (!spans.length) return null;
    spans.sort((a, b) => a - b);
    return Math.max(0, spans[Math.max(0, Math.ceil(q * spans.length) - 1)]);
  }
}
