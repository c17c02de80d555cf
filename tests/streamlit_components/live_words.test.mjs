import assert from "node:assert/strict";
import test from "node:test";
import { Acknowledgements } from "../../ghl_real_estate_ai/streamlit_components/assets/live_actions.js";
import { PaintLog } from "../../ghl_real_estate_ai/streamlit_components/assets/live_paints.js";
import { outOfOrder, sparkPoints } from "../../ghl_real_estate_ai/streamlit_components/assets/live_dom.js";
import * as words from "../../ghl_real_estate_ai/streamlit_components/assets/live_words.js";
import { FakeOutside, answer } from "../live_client/fake_outside.mjs";

test("a probability never reads as a certainty", () => {
  assert.deepEqual([0.874, 0.999, 0.001, 0, 1, null].map(words.percent), ["87 %", ">99 %", "<1 %", "0 %", "100 %", "–"]);
});

test("the cause names the event when it moved the number, else the time, else says that nothing moved", () => {
  const base = { summary: "replied", score_by_event: 0.12, score_by_time: -0.3, churn_by_event: 0, churn_by_time: 0.05 };
  assert.deepEqual(words.causeInWords(base, "score"), { change: "+12", text: "replied", direction: 1 });
  assert.deepEqual(words.causeInWords(base, "churn"), { change: "+5", text: "time passing", direction: 1 });
  const silent = { ...base, event_type: "LeadWentQuiet", summary: "silent for 5 days", churn_by_event: 0 };
  assert.deepEqual(words.causeInWords(silent, "churn"), { change: "+5", text: "silent for 5 days", direction: 1 });
  const quiet = { summary: "replied", score_by_event: 0.001, score_by_time: null };
  assert.deepEqual(words.causeInWords(quiet, "score"), { change: "", text: "replied", direction: 0 });
});

test("ages", () => {
  assert.equal(words.ago("2026-01-01T00:00:00Z", Date.UTC(2026, 0, 1) + 3_000), "now");
  assert.equal(words.ago("2026-01-01T00:00:00Z", Date.UTC(2026, 0, 1) + 90_000), "1 min");
});

test("a home says only what its listing states", () => {
  assert.equal(words.homeFacts({ BedroomsTotal: 3, LivingArea: 1840.4 }), "3 bd · 1,840 sq ft");
  assert.equal(words.homeName({ City: "Elm Harbor", ListingKey: "K1" }), "Elm Harbor, K1");
  assert.equal(words.money("425000.00"), "$425,000");
  assert.equal(words.money(null), "price unknown");
  assert.equal(words.wishName("feature:new_construction"), "new construction");
});

test("a call without text is told by its length; a channel of tomorrow is a message", () => {
  assert.equal(words.messageText({ text: null, channel: "call", call_seconds: 130 }), "Call of 2 min");
  assert.equal(words.messageText({ text: null, channel: "telepathy" }), "Message without text");
});

test("a model that was fitted on simulated data says so", () => {
  const stamp = { name: "lead_score", version: "1", fitted_on: "the city", simulated: true };
  assert.match(words.stampInWords(stamp), /simulated data, not real leads/);
  assert.doesNotMatch(words.stampInWords({ ...stamp, simulated: false }), /simulated/);
});

test("a spark line needs two points", () => {
  assert.equal(sparkPoints([0.5]), "");
  assert.equal(sparkPoints([0, 1]), "0.0,16.0 64.0,2.0");
});

test("of rows in a new order the fewest move: one that rose or fell, one that is new, none when one left", () => {
  const moved = (present, wanted) => [...outOfOrder([...wanted], [...present])].join("");
  assert.equal(moved("abcde", "abcde"), "");
  assert.equal(moved("abcde", "eabcd"), "e");
  assert.equal(moved("abcde", "bcdea"), "a");
  assert.equal(moved("abcde", "xabcd"), "x");
  assert.equal(moved("abcde", "abde"), "");
  assert.equal(moved("", "ab"), "ab");
});

test("moving only those gives the order that was wanted, whatever it was before", () => {
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 500; round += 1) {
    const shuffled = () => [..."abcdefghij"].filter(() => random() < 0.8).sort(() => random() - 0.5);
    const [present, wanted] = [shuffled(), shuffled()];
    const moving = outOfOrder(wanted, present.filter((name) => wanted.includes(name)));
    const staying = present.filter((name) => wanted.includes(name) && !moving.has(name));
    assert.deepEqual(wanted.filter((name) => !moving.has(name)), staying);
  }
});

test("a paint is stamped after the frame, and a hidden tab forgets what it did not paint", () => {
  let time = 100;
  const frames = [];
  const log = new PaintLog({ now: () => time, after: (then) => frames.push(then) });
  const message = (key) => ({ c: "lead_scores", o: 1, p: 90, e: { key, received_at: null, stage_ms: {} } });
  log.arrived(message("a"), 95);
  log.frame(() => true);
  assert.equal(log.paints.length, 0);
  time = 112;
  frames.shift()();
  assert.deepEqual([log.paints[0].painted_ms, log.paints[0].received_ms, log.paints[0].shown], [112, 95, true]);
  assert.equal(log.quantile(0.95), 22);
  log.arrived(message("b"), 120);
  log.hidden();
  log.frame(() => true);
  assert.equal(frames.length, 0);
  for (let i = 0; i < 2_500; i += 1) log.arrived(message(`n${i}`), 1);
  log.frame(() => true);
  frames.shift()();
  assert.equal(log.paints.length, 2_000);
});

const item = { key: "l/1", lead_id: "l/1", action: { action_id: "a1", title: "Reply" } };

function acknowledgements(outside) {
  const seen = [];
  const made = new Acknowledgements({
    apiUrl: "http://gateway", token: "t", outside,
    changed: () => seen.push(made.attemptOf("a1").name),
    signedOut: () => seen.push("signed out"),
  });
  return { made, seen };
}

test("taking an action posts once, and the row waits for the stream", async () => {
  const outside = new FakeOutside({ tickets: [answer(202)] });
  const { made, seen } = acknowledgements(outside);
  await Promise.all([made.take(item), made.take(item)]);
  assert.deepEqual(seen, ["taking", "taken"]);
  assert.equal(outside.requests.length, 1);
  assert.equal(outside.requests[0].url, "http://gateway/v1/leads/l%2F1/actions/a1/acknowledge");
  made.settle([]);
  assert.equal(made.attemptOf("a1"), undefined);
  assert.equal(outside.timers.length, 0);
});

test("a refusal or a silent gateway gives the row back with the reason", async () => {
  for (const [reply, message] of [
    [answer(404, { error: { message: "this action is not open" } }), /Not taken: this action is not open/],
    [{ ...answer(500), json: async () => { throw new SyntaxError(); } }, /Not taken: HTTP 500/],
    ["unreachable", /the gateway does not answer/],
  ]) {
    const { made, seen } = acknowledgements(new FakeOutside({ tickets: [reply] }));
    await made.take(item);
    assert.deepEqual(seen, ["taking", "failed"]);
    assert.match(made.attemptOf("a1").message, message);
  }
});

test("an action that the stream never confirms can be tried again", async () => {
  const outside = new FakeOutside({ tickets: [answer(202)] });
  const { made, seen } = acknowledgements(outside);
  await made.take(item);
  await outside.pass(10_000);
  assert.deepEqual(seen, ["taking", "taken", "failed"]);
  made.stop();
});

test("a dead session ends the screen", async () => {
  const { made, seen } = acknowledgements(new FakeOutside({ tickets: [answer(401)] }));
  await made.take(item);
  assert.deepEqual(seen, ["taking", "signed out"]);
});

test("a stream that is faster than the answer leaves nothing behind", async () => {
  const outside = new FakeOutside({ tickets: [answer(202)] });
  const { made } = acknowledgements(outside);
  const taking = made.take(item);
  made.settle([]);
  await taking;
  assert.equal(made.attempts.size, 0);
});
