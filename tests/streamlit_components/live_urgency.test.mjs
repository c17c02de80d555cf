import assert from "node:assert/strict";
import test from "node:test";
import { LiveStore, RANK_AGAIN_MS } from "../../ghl_real_estate_ai/streamlit_components/assets/live_store.js";
import { priorityAt, urgencyAfter } from "../../ghl_real_estate_ai/streamlit_components/assets/live_urgency.js";

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const at = (minutes) => new Date(START + minutes * MINUTE).toISOString();
const near = (found, wanted) => assert.ok(Math.abs(found - wanted) < 1e-9, `${found} is not ${wanted}`);

/** As the gateway tells it at `asOf`, worth 100 dollars. */
function waits(lead, kind, since, asOf) {
  const urgency = urgencyAfter(kind, (asOf - since) * MINUTE);
  const action = { action_id: `a-${lead}`, kind, urgency, priority: 100 * urgency, waiting_since: at(since) };
  return { key: lead, lead_id: lead, lead_name: lead, at: at(asOf), simulated: false, action };
}

function storeOf(...items) {
  const store = new LiveStore();
  store.apply({ subscribed: { stream: "next_actions", recovered: false }, snapshot: items });
  return store;
}

test("quickness is worth less with each minute, an answer that somebody counts on more", () => {
  near(urgencyAfter("first_response", 0), 1);
  near(urgencyAfter("first_response", 10 * MINUTE), 0.85);
  near(urgencyAfter("first_response", -MINUTE), 1);
  near(urgencyAfter("reply", 0), 0.52);
  near(urgencyAfter("reply", 60 * MINUTE), 0.6);
  assert.equal(urgencyAfter("re_engage", MINUTE), null);
});

test("the priority of this second is the told one with the urgency of this second", () => {
  near(priorityAt(waits("a", "first_response", 0, 0).action, START + 10 * MINUTE), 85);
  near(priorityAt(waits("a", "reply", 0, 60).action, START), 52);
  for (const kind of ["re_engage", "send_matches", "a kind of tomorrow"]) {
    assert.equal(priorityAt({ kind, urgency: 0.5, priority: 7, waiting_since: at(0) }, START + 10 * MINUTE), 7);
  }
  assert.equal(priorityAt({ kind: "reply", urgency: 0.5, priority: 7, waiting_since: null }, START), 7);
  assert.equal(priorityAt({ kind: "reply", urgency: 0.5, priority: 7, waiting_since: at(0) }, Infinity), 7);
});

test("a lead that came long ago gives way to one that comes now, without an event", () => {
  const old = waits("old", "first_response", 0, 0); // told when it came: urgency 1
  const later = waits("later", "first_response", 30, 30);
  later.action.priority *= 0.9; // worth a little less
  const store = storeOf(old, later);
  const keys = (minutes) => store.openActions(START + minutes * MINUTE).map(({ key }) => key);
  assert.deepEqual(keys(30), ["later", "old"]);
  assert.deepEqual(keys(300), ["old", "later"]); // both are late by now: the worth decides
});

test("the order stays for a while, and is made anew when an item changes", () => {
  const store = storeOf(waits("a", "reply", 0, 0), waits("b", "first_response", 0, 0));
  store.openActions(START);
  const first = store.sorted.get("next_actions");
  store.openActions(START + RANK_AGAIN_MS - 1);
  assert.equal(store.sorted.get("next_actions"), first);
  store.openActions(START + RANK_AGAIN_MS);
  assert.notEqual(store.sorted.get("next_actions"), first);
  store.apply({ c: "next_actions", o: 2, p: 1, e: waits("c", "first_response", 0, 0) });
  assert.equal(store.openActions(START + RANK_AGAIN_MS + 1).length, 3);
});
