// How urgent an action is at this second. The gateway tells urgency and priority as of the lead's newest event; two kinds
// change with the wait alone (docs/now-queue.md). Pure; called by live_store.js to order the queue.

const MINUTE_MS = 60_000;

/** As in models/intelligence.py (tests compare them): floor + pressure, which falls or rises with the wait. */
export const WAIT_URGENCY = {
  first_response: { floor: 0.7, pressure: 0.3, half_minutes: 10 }, // falls: what quickness is worth is lost first
  reply: { floor: 0.52, pressure: 0.16, half_minutes: 60 }, // rises: somebody counts on the next answer
};

/** 0 to 1 after `waitedMs`; null for a kind that does not change with the wait. */
export function urgencyAfter(kind, waitedMs) {
  const shape = WAIT_URGENCY[kind];
  if (!shape) return null;
  const waited = Math.max(0, waitedMs) / (shape.half_minutes * MINUTE_MS);
  return shape.floor + shape.pressure * (kind === "reply" ? 1 - 0.5 ** waited : 1 / (1 + waited));
}

/** The action's priority at `now` (ms, the lead's own time line): as the gateway told it, with the urgency of now. */
export function priorityAt(action, now) {
  const told = action.priority ?? 0;
  if (!action.waiting_since || !action.urgency || !Number.isFinite(now)) return told;
  const urgency = urgencyAfter(action.kind, now - Date.parse(action.waiting_since));
  return urgency === null ? told : (told * urgency) / action.urgency;
}
