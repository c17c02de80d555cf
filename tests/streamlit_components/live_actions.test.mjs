import assert from "node:assert/strict";
import test from "node:test";
import { Answers } from "../../ghl_real_estate_ai/streamlit_components/assets/live_actions.js";
import { GatewayApi } from "../../ghl_real_estate_ai/streamlit_components/assets/live_api.js";
import { LiveTeam } from "../../ghl_real_estate_ai/streamlit_components/assets/live_team.js";
import { FakeOutside, answer, settled } from "../live_client/fake_outside.mjs";

const item = { key: "l/1", lead_id: "l/1", lead_name: "Maria", declined_by: [], action: { action_id: "a1", title: "Reply", priority: 5, waiting_since: null } };
const other = { ...item, key: "l2", lead_id: "l2", lead_name: "Omar", action: { ...item.action, action_id: "a2", priority: 9 } };

function screen(...tickets) {
  const outside = new FakeOutside({ tickets });
  const told = [];
  const ended = [];
  const held = new Map([[item.lead_id, item], [other.lead_id, other]]);
  const session = { token: "t" };
  const line = { live: true };
  const api = new GatewayApi({ apiUrl: "http://gateway", session, outside, signedOut: () => ended.push("signed out") });
  const team = new LiveTeam({ api, outside, userId: "me" });
  const answers = new Answers({
    api, outside, team, current: (leadId) => held.get(leadId), now: () => Date.UTC(2026, 0, 1, 12), changed: () => {}, tell: (text, undo) => told.push({ text, undo }), isLive: () => line.live,
  });
  const paths = () => outside.requests.map(({ url }) => url.split("/").slice(-2).join(" "));
  const queue = (mine = false) => answers.queue([...held.values()].filter((one) => one.action && !one.acknowledged_by), { mine }).map(({ key }) => key);
  return { outside, answers, told, ended, held, session, paths, queue, line };
}

test("taking an action posts once, is told in the present tense until it is saved, and the row goes then", async () => {
  const { answers, outside, queue, told } = screen(answer(202));
  const taking = answers.take(item);
  assert.deepEqual(queue(), ["l/1", "l2"]); // greyed: nothing is done before the gateway says so
  assert.equal(answers.attemptOf("a1").name, "sending");
  assert.equal(told[0].text, "Taking on… Maria");
  await Promise.all([taking, answers.take(item), answers.snooze(item)]);
  assert.equal(outside.requests.length, 1);
  assert.equal(outside.requests[0].url, "http://gateway/v1/leads/l%2F1/actions/a1/acknowledge");
  assert.equal(outside.requests[0].body, undefined);
  assert.match(told.at(-1).text, /^Taken on until \S.*: Maria$/);
  assert.deepEqual(queue(), ["l2"]);
  assert.deepEqual(answers.attemptOf("a1").name, "sent");
});

test("a taken row stays out when an older item comes late, and the stream decides after a while", async () => {
  const { answers, outside, held, queue } = screen(answer(202));
  await answers.take(item);
  held.set(item.lead_id, { ...item, action: null, acknowledged_by: "me" });
  assert.deepEqual(queue(), ["l2"]);
  held.set(item.lead_id, item); // thought through before the answer, published after it
  assert.deepEqual(queue(), ["l2"]);
  held.set(item.lead_id, { ...item, action: null });
  await outside.pass(10_000);
  assert.equal(answers.attempts.size, 0);
  assert.equal(outside.timers.length, 0);
});

test("another action of the same lead is shown while the taken one settles", async () => {
  const { answers, held, queue } = screen(answer(202));
  await answers.take(item);
  held.set(item.lead_id, { ...item, action: { ...item.action, action_id: "a3" } });
  assert.deepEqual(queue(), ["l/1", "l2"]);
});

test("a refusal or a silent gateway gives the row back with the reason, and it can be tried again", async () => {
  for (const [reply, message] of [
    [answer(404, { error: { message: "this action is not open" } }), /Not taken: this action is not open/],
    [{ ...answer(500), json: async () => { throw new SyntaxError(); } }, /Not taken: HTTP 500/],
    ["unreachable", /the gateway does not answer/],
  ]) {
    const { answers, outside, queue, told } = screen(reply, answer(202));
    await answers.take(item);
    assert.deepEqual(queue(), ["l/1", "l2"]);
    assert.match(answers.attemptOf("a1").message, message);
    assert.match(told.at(-1).text, message);
    await answers.undo();
    assert.equal(told.at(-1).text, "Nothing to take back.");
    await answers.take(item);
    assert.equal(outside.requests.length, 2);
    assert.deepEqual(queue(), ["l2"]);
  }
});

test("an action that the stream never confirms can be tried again", async () => {
  const { answers, outside, queue } = screen(answer(202));
  await answers.take(item);
  await outside.pass(10_000);
  assert.match(answers.attemptOf("a1").message, /not caught up yet/);
  assert.deepEqual(queue(), ["l/1", "l2"]);
});

test("what was taken back stands in the queue only where the filter lets it through", async () => {
  const { answers, held } = screen(answer(202), answer(202));
  await answers.take(item);
  await answers.undo();
  held.set(item.lead_id, { ...item, action: null });
  assert.deepEqual(answers.queue([other]).map(({ key }) => key), ["l2", "l/1"]);
  assert.deepEqual(answers.queue([], { shows: ({ lead_id: leadId }) => leadId !== "l/1" }), []);
});

test("snoozing says until when, on the leads' own time line", async () => {
  const { answers, outside } = screen(answer(202));
  await answers.snooze(item);
  await answers.snooze(other, Date.UTC(2026, 0, 5, 9));
  assert.deepEqual(outside.requests.map(({ body }) => JSON.parse(body)), [{ until: "2026-01-01T14:00:00.000Z" }, { until: "2026-01-05T09:00:00.000Z" }]);
});

test("taken on is put off for four hours: the row is settled when the stream says until when, not before", async () => {
  const { answers, outside, held, queue, told } = screen(answer(202));
  await answers.take(item);
  const back = new Date(Date.UTC(2026, 0, 1, 16)).toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });
  assert.equal(told.at(-1).text, `Taken on until ${back}: Maria`);
  held.set(item.lead_id, { ...item, action: { ...item.action, snoozed_until: "2026-01-01T16:00:00Z", taken_on: true } });
  await outside.pass(10_000);
  assert.equal(answers.attempts.size, 0);
  assert.deepEqual(queue(), ["l/1", "l2"]); // whether it is shown is the store's matter now
});

test("answered another way: posted without a body, gone from every queue, taken back like the others", async () => {
  const { answers, outside, held, queue, paths, told } = screen(answer(202), answer(202));
  const marking = answers.answered(item);
  assert.equal(told.at(-1).text, "Marking… Maria");
  await marking;
  assert.equal(told.at(-1).text, "Marked as answered: Maria");
  assert.equal(outside.requests[0].body, undefined);
  assert.deepEqual(queue(), ["l2"]);
  await outside.pass(10_000);
  assert.match(answers.attemptOf("a1").message, /not caught up yet/);
  held.set(item.lead_id, { ...item, action: null });
  assert.deepEqual(queue(), ["l2"]);
  await answers.undo();
  assert.deepEqual(paths(), ["a1 answered", "a1 reopen"]);
});

test("not mine leaves the user's own queue and stays in the team's", async () => {
  const { answers, outside, held, queue, paths } = screen(answer(202));
  await answers.decline(other);
  assert.deepEqual(paths(), ["a2 not-mine"]);
  assert.deepEqual(queue(true), ["l/1"]);
  assert.deepEqual(queue(false), ["l/1", "l2"]);
  held.set("l2", { ...other, declined_by: ["me"] });
  await outside.pass(10_000);
  assert.equal(answers.attempts.size, 0);
});

test("undo shows the row again at once and posts after what it takes back", async () => {
  const { answers, outside, held, queue, paths } = screen(answer(202));
  const taking = answers.take(item);
  held.set(item.lead_id, { ...item, action: null });
  const undoing = answers.undo();
  assert.deepEqual(queue(), ["l2", "l/1"]); // in its place: by priority
  await Promise.all([taking, undoing]);
  assert.deepEqual(paths(), ["a1 acknowledge", "a1 reopen"]);
  held.set(item.lead_id, item);
  await outside.pass(10_000);
  assert.deepEqual(queue(), ["l/1", "l2"]);
  assert.equal(answers.attempts.size, 0);
});

test("undoing what was refused meanwhile posts nothing", async () => {
  const { answers, queue, paths } = screen("unreachable");
  const taking = answers.take(item);
  const undoing = answers.undo();
  await Promise.all([taking, undoing]);
  assert.deepEqual(paths(), ["a1 acknowledge"]);
  assert.deepEqual(queue(), ["l/1", "l2"]);
  assert.equal(answers.attempts.size, 0);
});

test("undo goes back step by step, and not beyond a minute", async () => {
  const { answers, outside, paths, told } = screen(answer(202));
  await answers.take(item);
  await answers.snooze(other);
  await answers.undo();
  await answers.undo();
  assert.deepEqual(paths().slice(2), ["a2 reopen", "a1 reopen"]);
  await outside.pass(20_000);
  await answers.take(item);
  await outside.pass(60_001);
  await answers.undo();
  assert.equal(told.at(-1).text, "Nothing to take back.");
});

test("what was put off is opened again however long ago, posted once, and its undo is gone", async () => {
  const { answers, outside, held, queue, told, paths } = screen(answer(202), answer(202));
  await answers.snooze(item, Date.UTC(2026, 0, 3));
  const away = { ...item, action: { ...item.action, snoozed_until: "2026-01-03T00:00:00Z" } };
  held.set(item.lead_id, away);
  await outside.pass(3_600_000);
  const opening = [answers.reopen(away), answers.reopen(away)];
  assert.equal(told.at(-1).text, "Taking back… Maria");
  await Promise.all(opening);
  assert.deepEqual(paths(), ["a1 snooze", "a1 reopen"]);
  assert.equal(answers.queue([other]).length, 2); // the open row is there before the stream tells it
  assert.deepEqual(queue().sort(), ["l/1", "l2"]);
  await answers.undo();
  assert.equal(told.at(-1).text, "Nothing to take back.");
});

test("what another action took along is opened by that action", async () => {
  const { answers, paths } = screen(answer(202));
  await answers.reopen({ ...item, action: { ...item.action, snoozed_until: "2026-01-03T00:00:00Z", put_off_by: "a0" } });
  assert.deepEqual(paths(), ["a0 reopen"]);
});

test("an opening that the gateway refuses leaves the row put off, with the reason", async () => {
  const { answers, told } = screen("unreachable", answer(202));
  await answers.reopen(item);
  assert.deepEqual(answers.queue([other]), [other]);
  assert.match(answers.attemptOf("a1").message, /Not taken back: the gateway does not answer/);
  await told.at(-1).undo();
  assert.equal(answers.attemptOf("a1").name, "sent");
});

test("an answer after an undo is a new one", async () => {
  const { answers, paths, queue } = screen(answer(202));
  await answers.take(item);
  await answers.undo();
  await answers.take(item);
  assert.deepEqual(paths(), ["a1 acknowledge", "a1 reopen", "a1 acknowledge"]);
  assert.deepEqual(queue(), ["l2"]);
});

test("a dead session ends the screen, and each post carries the token of the moment", async () => {
  const { answers, ended, outside, session } = screen(answer(202), answer(401));
  session.token = "newer";
  await answers.take(item);
  assert.equal(outside.requests[0].headers.Authorization, "Bearer newer");
  await answers.take(other);
  assert.deepEqual(ended, ["signed out"]);
});

test("leaving the screen leaves no timer", async () => {
  const { answers, outside } = screen(answer(202));
  await answers.take(item);
  const taking = answers.take(other); // answered only afterwards
  answers.stop();
  await taking;
  await settled();
  assert.equal(outside.timers.length, 0);
});

test("an answer that never comes is told after three seconds, ends after fifteen, and blocks no other", async () => {
  const { answers, outside, queue, told } = screen("silent", answer(202));
  const taking = answers.take(item);
  await outside.pass(3_000);
  assert.equal(answers.attemptOf("a1").name, "sending");
  assert.match(answers.attemptOf("a1").message, /Not saved yet/);
  assert.match(told.at(-1).text, /Not saved yet.*Maria/);
  await outside.pass(12_000);
  await taking;
  assert.match(answers.attemptOf("a1").message, /Not taken: .*not known whether it was saved/);
  assert.deepEqual(queue(), ["l/1", "l2"]);
  assert.equal(outside.timers.length, 0);
  await answers.take(item);
  assert.deepEqual(queue(), ["l2"]);
});

test("what was not known, or came too late, is settled by the stream", async () => {
  const { answers, outside, held } = screen("silent");
  const snoozing = answers.snooze(item);
  await outside.pass(15_000);
  await snoozing;
  assert.equal(answers.attemptOf("a1").name, "failed");
  held.set(item.lead_id, { ...item, action: { ...item.action, snoozed_until: "2026-01-01T14:00:00Z" } });
  assert.equal(answers.attemptOf("a1"), undefined);
  held.set(item.lead_id, item); // back from its snooze
  assert.equal(answers.attemptOf("a1"), undefined);
  assert.equal(answers.attempts.size, 0);
});

test("nothing is concluded while the screen cannot hear the stream", async () => {
  const { answers, outside, held, queue, line } = screen(answer(202));
  await answers.snooze(item);
  outside.isHidden = true;
  await outside.pass(3_600_000);
  line.live = outside.isHidden = false;
  await outside.pass(20_000);
  assert.deepEqual([answers.attemptOf("a1").name, queue()], ["sent", ["l2"]]);
  line.live = true;
  held.set(item.lead_id, { ...item, action: { ...item.action, snoozed_until: "2026-01-01T14:00:00Z" } });
  await outside.pass(10_000);
  assert.equal(answers.attempts.size, 0);
});

test("an undo that the gateway refuses can be tried again", async () => {
  const { answers, paths, told } = screen(answer(202), "unreachable", answer(202));
  await answers.take(item);
  await answers.undo();
  assert.match(told.at(-1).text, /Not taken back/);
  await told.at(-1).undo();
  assert.deepEqual(paths(), ["a1 acknowledge", "a1 reopen", "a1 reopen"]);
  assert.equal(told.at(-1).text, "Back in the queue: Maria");
});

test("an undo of a lead with a newer action shows one row", async () => {
  const { answers, held, queue } = screen(answer(202));
  await answers.take(item);
  held.set(item.lead_id, { ...item, action: { ...item.action, action_id: "a3" } });
  await answers.undo();
  assert.deepEqual(queue(), ["l2", "l/1"]);
});
