import assert from "node:assert/strict";
import test from "node:test";
import { ageInWords, gatewayFigures, modelLines, verdictOf } from "../../ghl_real_estate_ai/streamlit_components/assets/live_system.js";
import { isFirstRun, nextStep } from "../../ghl_real_estate_ai/streamlit_components/assets/live_first_run.js";
import { factInWords, isUnanswered } from "../../ghl_real_estate_ai/streamlit_components/assets/live_feed.js";
import { LiveStore, STREAMS } from "../../ghl_real_estate_ai/streamlit_components/assets/live_store.js";

const item = {
  events_per_s: 3, event_to_publish_p50_ms: 4, event_to_publish_p95_ms: 16_400, ingest_p95_ms: 2, log_lag_events: 0, loop_delay_ms: 1,
  connections: 2, dead_letters: 3, model_versions: { lead_score: "v1", won: "v2", churn_risk: "v3" },
  model_ages_days: { lead_score: 12.4, churn_risk: 0.2 }, model_alarms: { churn_risk: "scores moved (PSI 0.31)" },
};

test("a plain word comes first, and what is worst decides it", () => {
  assert.equal(verdictOf({ connected: false, lag: 90, p95: 5 }).word, "Not connected");
  assert.equal(verdictOf({ connected: true, lag: 40, p95: 5 }).word, "Behind by 40 events");
  assert.equal(verdictOf({ connected: true, lag: 0, p95: null }).word, "Ready");
  assert.equal(verdictOf({ connected: true, lag: 3, p95: 40 }).word, "Fast");
  assert.equal(verdictOf({ connected: true, lag: 0, p95: 300 }).word, "Good");
  assert.equal(verdictOf({ connected: true, lag: 0, p95: 3_000 }).word, "Slow");
});

test("long times are said as people say them, and dead letters stand out", () => {
  const figures = new Map(gatewayFigures(item).map(([label, ...rest]) => [label, rest]));
  assert.equal(figures.get("Publish p95")[0], "16 s");
  assert.equal(figures.get("Publish p50")[0], "4.0 ms");
  assert.equal(figures.get("Dead letters")[2], true);
  assert.equal(figures.get("Lag")[2], false);
});

test("a model tells its age, one that ships says so, and one that has drifted says that", () => {
  const lines = modelLines(item);
  assert.deepEqual(lines.map(([name, words]) => `${name}: ${words}`), [
    "lead score: fitted 12 days ago",
    "won: as shipped: fitted on simulated leads",
    "churn risk: fitted today · has drifted: scores moved (PSI 0.31)",
  ]);
  assert.deepEqual(lines.map((line) => line[3]), [false, false, true]);
  assert.equal(ageInWords(1.9), "fitted 1 day ago");
});

test("the first run is when every stream has told all it holds, and that is nothing", () => {
  const store = new LiveStore();
  assert.ok(!isFirstRun(store));
  for (const stream of STREAMS) store.apply({ subscribed: { stream, epoch: "e", offset: 0, recovered: false }, snapshot: [] });
  assert.ok(isFirstRun(store));
  store.apply({ c: "conversation_feed", o: 1, p: 1, e: { key: "m", lead_id: "l", at: "2026-01-01T00:00:00Z", text: "Hi" } });
  assert.ok(!isFirstRun(store));
});

test("the next step is the first that is not done", () => {
  assert.equal(nextStep([{ name: "a", done: true }, { name: "b", done: false }, { name: "c", done: false }]).name, "b");
  assert.equal(nextStep([{ name: "a", done: true }]), null);
});

test("a message waits as long as nobody has answered or taken its lead", () => {
  const message = { at: "2026-01-01T10:00:00Z" };
  assert.ok(isUnanswered(message, { action: { waiting_since: "2026-01-01T10:00:00Z" } }));
  assert.ok(!isUnanswered(message, { action: { waiting_since: "2026-01-01T10:05:00Z" } }));
  assert.ok(!isUnanswered(message, { action: { waiting_since: null } }));
  assert.ok(!isUnanswered(message, { action: { waiting_since: "2026-01-01T10:00:00Z" }, acknowledged_by: "u" }));
  assert.ok(!isUnanswered(message, undefined));
});

test("a fact says what the message above it does not say at once", () => {
  const asks = (value, text) => factInWords({ kind: "question", value }, text);
  assert.deepEqual(asks("Is the price firm?", "Is the price firm? Our budget is $450,000."), ["question", ""]);
  assert.deepEqual(asks("Is the price firm?", `${"We looked at many homes. ".repeat(5)}Is the price firm?`), ["asks", " Is the price firm?"]);
  assert.deepEqual(factInWords({ kind: "budget", value: "up to $450,000" }, "Our budget is $450,000."), ["budget", " up to $450,000"]);
  assert.deepEqual(factInWords({ kind: "stop", value: "wants no more messages" }, "Stop texting me"), ["asked to stop", " wants no more messages"]);
  assert.deepEqual(asks("asks something", "Hello? Anybody there?"), ["asks something", ""]);
});
