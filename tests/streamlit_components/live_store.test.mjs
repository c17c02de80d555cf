import assert from "node:assert/strict";
import test from "node:test";
import { FEED_ROWS, ITEMS_HELD, LEADS_HELD, LiveStore, QUEUE_HELD } from "../../ghl_real_estate_ai/streamlit_components/assets/live_store.js";

const at = (second) => new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString();
const publish = (store, stream, item) => store.apply({ c: stream, o: 1, p: 1, e: item });
const snapshot = (store, stream, items, recovered = false) =>
  store.apply({ subscribed: { stream, epoch: "e", offset: 1, recovered }, snapshot: items });

const cause = { event_id: "e", event_type: "MessageReceived", summary: "wrote", score_by_event: null, score_by_time: null };
const score = (lead, probability, more = {}) => ({
  key: lead, lead_id: lead, lead_name: `Name ${lead}`, at: at(0), simulated: false,
  score: { value: probability === null ? null : { probability } }, cause, ...more,
});
const action = (lead, priority, waitingSince, more = {}) => ({
  key: lead, lead_id: lead, lead_name: `Name ${lead}`, at: at(0), simulated: false, score: 0.5,
  action: { action_id: `a-${lead}`, priority, waiting_since: waitingSince }, ...more,
});
const said = (id, second) => ({ key: id, lead_id: "l1", at: at(second), simulated: true, text: id });
const keys = (items) => items.map((item) => item.key);

test("the newest item per key wins and only its stream is dirty", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("a", 0.2));
  assert.deepEqual([...publish(store, "lead_scores", score("a", 0.9))], ["lead_scores"]);
  publish(store, "lead_scores", score("b", 0.5));
  publish(store, "lead_scores", score("c", null));
  assert.deepEqual(keys(store.scores()), ["a", "b", "c"]);
  assert.equal(store.scores()[0].score.value.probability, 0.9);
});

test("of leads at risk the one with most to lose stands first; without a score the likeliest to be lost", () => {
  const store = new LiveStore();
  const risk = (lead, probability) => ({ key: lead, lead_id: lead, lead_name: lead, at: at(0), simulated: false, churn: { value: { probability, stage: 3 } }, cause });
  for (const [lead, danger] of [["dead", 0.98], ["warm", 0.7], ["dim", 0.6], ["dark", 0.5]]) publish(store, "churn_risk", risk(lead, danger));
  snapshot(store, "churn_risk", [risk("dead", 0.98), risk("warm", 0.7), risk("dim", 0.6), risk("dark", 0.5)]);
  assert.deepEqual(keys(store.risks()), ["dead", "warm", "dim", "dark"]);
  const scores = [score("dead", 0.02), score("warm", 0.1, { won: { value: { probability: 0.4 } } })];
  assert.deepEqual([...snapshot(store, "lead_scores", scores)], ["lead_scores", "churn_risk"]);
  assert.deepEqual(keys(store.risks()), ["warm", "dead", "dim", "dark"]);
});

test("whoever slips stands before whoever is steady, however much there is to lose", () => {
  const store = new LiveStore();
  const risk = (lead, probability, stage) => ({ key: lead, lead_id: lead, lead_name: lead, at: at(0), simulated: false, churn: { value: { probability, stage } }, cause });
  snapshot(store, "churn_risk", [risk("rich", 0.16, 0), risk("early", 0.25, 1), risk("new", 0.47, 0)]); // one within its stage's band, one too new for a stage
  snapshot(store, "lead_scores", [score("rich", 0.9), score("early", 0.1), score("new", 0.1)]);
  assert.deepEqual(keys(store.risks()), ["new", "early", "rich"]);
});

test("a lead that was deleted leaves its messages, its name and its trend nowhere", () => {
  const store = new LiveStore();
  for (const stream of ["lead_scores", "conversation_feed"]) snapshot(store, stream, []);
  publish(store, "lead_scores", score("l1", 0.4));
  publish(store, "conversation_feed", said("m1", 1));
  publish(store, "conversation_feed", { ...said("m2", 2), lead_id: "l2" });
  const changed = publish(store, "lead_scores", { key: "l1", lead_id: "l1", at: at(3), simulated: true, removed: true });
  assert.deepEqual([...changed].sort(), ["conversation_feed", "lead_scores"]);
  assert.deepEqual(keys(store.conversation()), ["m2"]);
  for (const map of [store.names, store.trends, store.facets]) assert.equal(map.has("l1"), false);
});

test("a feed that begins anew is searched once, not twice", () => {
  const store = new LiveStore();
  for (let time = 0; time < 2; time += 1) snapshot(store, "conversation_feed", [said("m1", 1), said("m2", 2)]);
  assert.deepEqual(store.facetOf("l1").said, ["m1", "m2"]);
});

test("a snapshot plus what follows is the same as everything that was published", () => {
  const whole = new LiveStore();
  const resumed = new LiveStore();
  const items = [score("a", 0.1), score("b", 0.7), score("a", 0.4), score("c", 0.2), score("b", 0.3)];
  for (const item of items) publish(whole, "lead_scores", item);
  snapshot(resumed, "lead_scores", [items[2], items[1]]);
  publish(resumed, "lead_scores", items[3]);
  publish(resumed, "lead_scores", items[4]);
  assert.deepEqual(resumed.scores(), whole.scores());
});

test("a snapshot replaces the stream; a recovered one keeps it", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("gone", 0.2));
  store.apply({ subscribed: { stream: "lead_scores", recovered: true } });
  assert.deepEqual(keys(store.scores()), ["gone"]);
  snapshot(store, "lead_scores", [score("kept", 0.1)]);
  assert.deepEqual(keys(store.scores()), ["kept"]);
  assert.ok(store.loaded.has("lead_scores"));
});

test("a forgotten lead leaves nothing behind: neither name nor trend", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("gone", 0.2));
  snapshot(store, "lead_scores", [score("kept", 0.1)]);
  assert.equal(store.nameOf("gone"), "Lead without a name yet");
  assert.ok(!store.trends.has("gone"));
});

test("the queue: open actions, most worth doing first, then who waits longest, then by key", () => {
  const store = new LiveStore();
  snapshot(store, "next_actions", [
    action("calm", 20, at(1)), action("late", 80, at(50)), action("early", 80, at(5)), action("z", 80, null), action("a", 80, null),
    action("none", 100, null, { action: null }), action("taken", 100, at(0), { acknowledged_by: "u1" }),
  ]);
  assert.deepEqual(keys(store.openActions()), ["early", "late", "a", "z", "calm"]);
});

test("a snoozed action is away until its time, and comes back by the clock alone", () => {
  const store = new LiveStore();
  const snoozed = action("s", 90, null);
  snoozed.action.snoozed_until = at(60);
  snapshot(store, "next_actions", [action("a", 10, null), snoozed]);
  const before = Date.parse(at(59));
  assert.deepEqual(keys(store.openActions(before)), ["a"]);
  assert.equal(store.nextReturn(before), Date.parse(at(60)));
  assert.deepEqual(keys(store.openActions(Date.parse(at(60)))), ["s", "a"]);
  assert.equal(store.nextReturn(Date.parse(at(60))), Infinity);
});

test("what somebody took on comes back by the clock as well; until then it is told, the soonest back first", () => {
  const store = new LiveStore();
  const later = (lead, second, taken_on) => {
    const item = action(lead, 5, null);
    Object.assign(item.action, { snoozed_until: at(second), taken_on });
    return item;
  };
  snapshot(store, "next_actions", [later("snoozed", 90, false), later("taken", 60, true), action("open", 10, null), { ...later("done", 90, true), acknowledged_by: "me" }]);
  const when = (second) => Date.parse(at(second));
  assert.deepEqual(keys(store.openActions(when(0))), ["open"]);
  assert.deepEqual(keys(store.putOffActions(when(0))), ["taken", "snoozed"]);
  assert.deepEqual(keys(store.putOffActions(when(60))), ["snoozed"]);
  assert.deepEqual(keys(store.openActions(when(60))), ["open", "taken"]);
});

test("what all streams say of a lead makes one picture, and a change makes another object of it", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("a", 0.2, { stage: "new", source: "zillow", assigned_to: "u1" }));
  publish(store, "churn_risk", { ...score("a", 0), churn: { value: { stage: 2, probability: 0.7 } } });
  publish(store, "property_matches", { ...score("a", 0), matches: { value: [{ listing: { City: "Elm Harbor" } }] } });
  publish(store, "conversation_feed", { ...said("m1", 1), lead_id: "a" });
  publish(store, "next_actions", action("a", 1, null, { declined_by: ["u7"], assigned_to: "u1" }));
  const { name, stage, source, assigned, risk, danger, places, declined, said: texts } = store.facetOf("a");
  assert.deepEqual([name, stage, source, assigned, risk, danger], ["Name a", "new", "zillow", "u1", 2, 0.7]);
  assert.deepEqual([places, declined, texts], [["Elm Harbor"], ["u7"], ["m1"]]);
  const before = store.facetOf("a");
  publish(store, "next_actions", { ...action("a", 0, null, { action: null, lead_name: null, acknowledged_by: "u" }), assigned_to: null });
  assert.notEqual(store.facetOf("a"), before);
  assert.equal(store.facetOf("a").assigned, "u1"); // an acknowledgement holds neither name nor agent
  publish(store, "lead_scores", { key: "a", lead_id: "a", removed: true });
  assert.equal(store.facetOf("a").name, "");
});

test("an order is made once per change, however often it is asked for", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("a", 0.2));
  assert.equal(store.scores(), store.scores());
  const before = store.scores();
  publish(store, "lead_scores", score("b", 0.4));
  assert.notEqual(store.scores(), before);
  snapshot(store, "lead_scores", []);
  assert.deepEqual(store.scores(), []);
});

test("an acknowledged action leaves the queue and the lead keeps its name", () => {
  const store = new LiveStore();
  publish(store, "next_actions", action("a", 0.5, null));
  publish(store, "next_actions", action("a", 0, null, { action: null, lead_name: null, acknowledged_by: "u" }));
  assert.deepEqual(store.openActions(), []);
  assert.equal(store.nameOf("a"), "Name a");
});

test("the feed is newest first, across the second's boundary, and holds its bound", () => {
  const store = new LiveStore();
  publish(store, "conversation_feed", { ...said("half", 0), at: "2026-01-01T00:00:00.5Z" });
  publish(store, "conversation_feed", { ...said("whole", 0), at: "2026-01-01T00:00:00Z" });
  assert.deepEqual(keys(store.conversation()), ["half", "whole"]);
  for (let i = 0; i < FEED_ROWS + 10; i += 1) publish(store, "conversation_feed", said(`m${i}`, 10 + i));
  assert.equal(store.conversation().length, FEED_ROWS);
  assert.equal(store.conversation()[0].key, `m${FEED_ROWS + 9}`);
});

test("a name that comes after the lead's first message makes the feed dirty", () => {
  const store = new LiveStore();
  publish(store, "conversation_feed", { ...said("m", 1), lead_id: "a" });
  assert.equal(store.nameOf("a"), "Lead without a name yet");
  assert.deepEqual([...publish(store, "lead_scores", score("a", 0.2))], ["lead_scores", "conversation_feed"]);
  assert.equal(store.nameOf("a"), "Name a");
});

test("every Map is bounded, and the least recently changed leaves", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("first", 0.5));
  publish(store, "lead_scores", score("second", 0.5));
  for (let i = 0; i < ITEMS_HELD - 2; i += 1) publish(store, "lead_scores", score(`n${i}`, 0.1));
  publish(store, "lead_scores", score("first", 0.6));
  publish(store, "lead_scores", score("one more", 0.1));
  const held = store.streams.get("lead_scores");
  assert.equal(held.size, ITEMS_HELD);
  assert.ok(held.has("first") && !held.has("second"));
  for (let i = 0; i < LEADS_HELD; i += 1) publish(store, "lead_scores", score(`more${i}`, 0.1));
  for (const map of [store.names, store.trends, store.facets]) assert.equal(map.size, LEADS_HELD);
});

test("a full queue lets go of leads with nothing to do, then of those that nobody keeps waiting; a waiting lead stays", () => {
  const store = new LiveStore();
  const held = store.streams.get("next_actions");
  publish(store, "next_actions", action("waits longest", 1, at(0)));
  publish(store, "next_actions", action("nobody waits", 5, null));
  for (let i = 2; i < QUEUE_HELD; i += 1) publish(store, "next_actions", i % 2 ? action(`w${i}`, 9, at(i)) : action(`idle${i}`, 0, null, { action: null }));
  for (let i = 0; i < QUEUE_HELD / 2 - 1; i += 1) publish(store, "next_actions", action(`new${i}`, 9, at(i)));
  assert.deepEqual([held.size, held.has("waits longest"), held.has("nobody waits"), store.idle.size], [QUEUE_HELD, true, true, 0]);
  publish(store, "next_actions", action("one more", 9, at(1)));
  assert.deepEqual([held.size, held.has("waits longest"), held.has("nobody waits")], [QUEUE_HELD, true, false]);
  assert.equal(store.openActions().length, QUEUE_HELD);
  publish(store, "next_actions", action("all wait", 9, at(1)));
  assert.deepEqual([held.size, held.has("waits longest")], [QUEUE_HELD, false]); // of those the one that is worth least
});

test("a lead of the queue keeps its picture, whatever comes after it", () => {
  const store = new LiveStore();
  publish(store, "next_actions", action("waits", 1, at(0), { assigned_to: "u1" }));
  for (let i = 0; i < LEADS_HELD + 9; i += 1) publish(store, "lead_scores", score(`n${i}`, 0.1));
  assert.deepEqual([store.nameOf("waits"), store.facetOf("waits").assigned], ["Name waits", "u1"]);
});

test("a lead whose score is not held has stage and source from the queue, and no known risk", () => {
  const store = new LiveStore();
  snapshot(store, "next_actions", [action("a", 1, null, { stage: "new", source: "zillow" }), action("b", 1, null, { stage: "new", source: null })]);
  snapshot(store, "lead_scores", [score("b", 0.4, { stage: "working", source: "website" })]);
  snapshot(store, "next_actions", [action("a", 1, null, { stage: "new", source: "zillow" }), action("b", 1, null, { stage: "new" })]);
  const told = (lead) => [store.facetOf(lead).stage, store.facetOf(lead).source, store.facetOf(lead).risk];
  assert.deepEqual([told("a"), told("b")], [["new", "zillow", null], ["working", "website", null]]);
  publish(store, "next_actions", action("a", 0, null, { action: null, lead_name: null, acknowledged_by: "u", stage: null, source: null }));
  assert.deepEqual(told("a"), ["new", "zillow", null]); // an acknowledgement tells neither
});

test("snapshots come one after the other: a lead that only one stream tells of is not forgotten by the next", () => {
  const store = new LiveStore();
  snapshot(store, "next_actions", [action("a", 1, null)]);
  snapshot(store, "lead_scores", [score("b", 0.4)]);
  snapshot(store, "conversation_feed", [said("m", 1)]);
  assert.deepEqual([store.nameOf("a"), store.facetOf("l1").said], ["Name a", ["m"]]);
  snapshot(store, "next_actions", []);
  assert.equal(store.nameOf("a"), "Lead without a name yet");
});

test("a trend starts with the past that its cause tells, and grows with each score", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("a", 0.5, { cause: { ...cause, score_by_event: 0.2, score_by_time: -0.1 } }));
  publish(store, "lead_scores", score("a", 0.6));
  assert.deepEqual(store.trends.get("a").map((value) => value.toFixed(1)), ["0.4", "0.3", "0.5", "0.6"]);
});

test("a part without a value does not break a trend", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("a", 0.5));
  publish(store, "lead_scores", score("a", null));
  assert.deepEqual(store.trends.get("a"), [0.5]);
});

test("homes: the closest first, of equal ones the one that meets more wishes", () => {
  const store = new LiveStore();
  const matches = (lead, overall, met) => ({
    key: lead, lead_id: lead, lead_name: lead, at: at(0), simulated: false,
    matches: { value: overall === null ? [] : [{ overall_score: overall, wishes: Array(met).fill({ outcome: "met" }) }] },
  });
  snapshot(store, "property_matches", [matches("none", null), matches("few", 1, 1), matches("many", 1, 4), matches("far", 0.5, 6)]);
  assert.deepEqual(keys(store.matches()), ["many", "few", "far", "none"]);
});

test("says how much of what is shown is simulated", () => {
  const store = new LiveStore();
  assert.equal(store.simulatedShare, 0);
  publish(store, "conversation_feed", said("m", 1));
  assert.equal(store.simulatedShare, 1);
  publish(store, "lead_scores", score("a", 0.5));
  assert.equal(store.simulatedShare, 0.5);
});

test("a stream of tomorrow is ignored", () => {
  const store = new LiveStore();
  assert.equal(publish(store, "tomorrow", { key: "k" }).size, 0);
  assert.equal(snapshot(store, "tomorrow", []).size, 0);
});

test("a lead that was deleted in the CRM leaves the table", () => {
  const store = new LiveStore();
  publish(store, "lead_scores", score("l1", 0.5));
  publish(store, "lead_scores", { key: "l1", lead_id: "l1", removed: true });
  assert.deepEqual(keys(store.scores()), []);
});

test("a simulated city's waits are told in its own time, a real account's in ours", () => {
  const store = new LiveStore();
  assert.equal(store.now(5), 5);
  publish(store, "conversation_feed", said("s1", 60));
  publish(store, "conversation_feed", said("s0", 30));
  assert.equal(store.now(5), Date.parse(at(60)));
  publish(store, "lead_scores", score("l1", 0.5));
  assert.equal(store.now(5), 5);
});

test("a next action that comes after the risk is told to the panel of risks, whose rows have its button", () => {
  const store = new LiveStore();
  snapshot(store, "churn_risk", []);
  assert.ok(snapshot(store, "next_actions", [action("a", 1, null)]).has("churn_risk"));
  assert.ok(publish(store, "next_actions", action("b", 1, null)).has("churn_risk"));
});
