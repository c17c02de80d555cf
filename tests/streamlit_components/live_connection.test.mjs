import assert from "node:assert/strict";
import test from "node:test";
import { LiveConnection, backoffMs } from "./assets/live_connection.js";
import { FakeOutside, answer, hello, publication, settled, subscribed } from "./fake_outside.mjs";

function connection(outside) {
  const heard = [];
  const states = [];
  const line = new LiveConnection({
    apiUrl: "http://gateway",
    wsUrl: "ws://gateway",
    token: "token-1",
    hear: (message, receivedMs) => heard.push({ ...message, receivedMs }),
    stateChanged: (state) => states.push(state.name),
    outside,
  });
  return { line, heard, states };
}

async function live(outside, { streams } = {}) {
  const made = connection(outside);
  await made.line.start();
  const names = streams ?? ["lead_scores", "conversation_feed"];
  outside.say(hello(outside.time + 70, names), ...names.map((stream) => subscribed(stream, "e1", 10, [])));
  return made;
}

const offsets = (heard) => heard.filter((message) => message.o).map((message) => message.o);

test("gets a ticket with the token and opens the socket with the ticket alone", async () => {
  const outside = new FakeOutside();
  await connection(outside).line.start();
  assert.equal(outside.requests[0].url, "http://gateway/v1/ws-ticket");
  assert.equal(outside.requests[0].headers.Authorization, "Bearer token-1");
  assert.equal(outside.socket.url, "ws://gateway/v1/realtime?ticket=ticket-1");
  assert.ok(!outside.socket.url.includes("token-1"));
});

test("asks for the streams that the server allows, and is live when all have answered", async () => {
  const outside = new FakeOutside();
  const { line, states } = connection(outside);
  await line.start();
  outside.say(hello(outside.time));
  assert.deepEqual(outside.socket.sent[0].subscribe, [{ stream: "lead_scores" }, { stream: "conversation_feed" }]);
  outside.say(subscribed("lead_scores", "e1", 10, []));
  assert.equal(line.state.name, "resuming");
  outside.say(subscribed("conversation_feed", "e1", 3, []));
  assert.equal(line.state.name, "live");
  assert.deepEqual(states, ["resuming", "live"]);
});

test("knows the gateway's clock", async () => {
  const { line } = await live(new FakeOutside());
  assert.equal(line.clockSkewMs, 70);
});

test("answers a ping with its own number", async () => {
  const outside = new FakeOutside();
  await live(outside);
  outside.say({ ping: 123 });
  assert.deepEqual(outside.socket.sent.at(-1), { pong: 123 });
});

test("resumes each stream from its newest epoch and offset, and hears what was missed once", async () => {
  const outside = new FakeOutside();
  const { line, heard } = await live(outside);
  outside.say(publication("lead_scores", 11), publication("lead_scores", 12));
  outside.socket.onclose({ code: 1006 });
  assert.equal(line.state.name, "resuming");
  await outside.pass(1);
  outside.say(hello(outside.time));
  assert.deepEqual(outside.socket.sent[0].subscribe, [
    { stream: "lead_scores", epoch: "e1", offset: 12 },
    { stream: "conversation_feed", epoch: "e1", offset: 10 },
  ]);
  outside.say(subscribed("lead_scores", "e1", 12), subscribed("conversation_feed", "e1", 10));
  outside.say(publication("lead_scores", 12), publication("lead_scores", 13));
  assert.deepEqual(offsets(heard), [11, 12, 13]);
  assert.equal(line.counts.duplicates, 1);
  assert.equal(line.counts.recovered, 2);
  assert.equal(line.state.name, "live");
});

test("a new epoch starts the stream anew from its snapshot", async () => {
  const outside = new FakeOutside();
  const { line, heard } = await live(outside);
  outside.say(subscribed("lead_scores", "e2", 2, [{ key: "a" }]), publication("lead_scores", 3));
  assert.deepEqual(line.positions.get("lead_scores"), { epoch: "e2", offset: 3 });
  assert.equal(heard.at(-2).snapshot.length, 1);
});

test("a told gap moves on without a new connection", async () => {
  const outside = new FakeOutside();
  const { line } = await live(outside);
  outside.say({ c: "lead_scores", gap: [11, 40] }, publication("lead_scores", 41));
  assert.equal(line.counts.gaps, 1);
  assert.equal(outside.sockets.length, 1);
  assert.equal(line.positions.get("lead_scores").offset, 41);
});

test("a conflated stream may jump, a conversation may not: it is asked for again", async () => {
  const outside = new FakeOutside();
  const { line, heard } = await live(outside);
  outside.say(publication("lead_scores", 30));
  assert.equal(outside.sockets.length, 1);
  outside.say(publication("conversation_feed", 12));
  assert.deepEqual(offsets(heard), [30]);
  assert.ok(outside.socket.closed);
  await outside.pass(1);
  outside.say(hello(outside.time));
  assert.deepEqual(outside.socket.sent[0].subscribe[1], { stream: "conversation_feed", epoch: "e1", offset: 10 });
  assert.equal(line.state.name, "resuming");
});

test("backs off with full jitter between 0 and a ceiling that doubles from 250 ms to 20 s", () => {
  assert.deepEqual([0, 1, 2, 3].map((attempt) => backoffMs(attempt, () => 1)), [250, 500, 1_000, 2_000]);
  assert.equal(backoffMs(30, () => 1), 20_000);
  assert.equal(backoffMs(30, () => 0), 0);
});

test("an unreachable gateway is named with the fix, tried again, and makes the screen stale after five seconds", async () => {
  const outside = new FakeOutside({ tickets: ["unreachable"], random: 1 });
  const { line, states } = connection(outside);
  await line.start();
  assert.match(line.state.detail, /http:\/\/gateway does not answer\. Start it with: enterprisehub serve/);
  await outside.pass(6_000);
  assert.equal(line.state.name, "stale");
  assert.ok(outside.requests.length >= 4);
  outside.tickets = [];
  await outside.pass(20_000);
  outside.say(hello(outside.time, ["lead_scores"]), subscribed("lead_scores", "e1", 0, []));
  assert.equal(states.at(-1), "live");
});

test("waits as long as Retry-After says", async () => {
  const outside = new FakeOutside({ tickets: [answer(429, {}, { "Retry-After": "7" })] });
  await connection(outside).line.start();
  assert.ok(outside.timers.some((timer) => timer.ms === 7_000));
});

test("waits a minute when it was too talkative", async () => {
  const outside = new FakeOutside();
  await live(outside);
  outside.socket.onclose({ code: 4429 });
  assert.ok(outside.timers.some((timer) => timer.ms === 60_000));
});

test("when the token's life ends on the open socket a new ticket decides: signed out if it is refused", async () => {
  const outside = new FakeOutside({ tickets: [undefined, answer(401)] });
  const { line, states } = await live(outside);
  outside.socket.onclose({ code: 4403 });
  await outside.pass(1);
  assert.equal(line.state.name, "signed_out");
  assert.deepEqual(states, ["resuming", "live", "resuming", "signed_out"]);
  await outside.pass(60_000);
  assert.equal(outside.requests.length, 2);
});

test("when the token still lives, an expired ticket only costs a new one", async () => {
  const outside = new FakeOutside();
  const { line } = await live(outside);
  outside.socket.onclose({ code: 4401 });
  await outside.pass(1);
  assert.equal(outside.sockets.length, 2);
  assert.equal(line.state.name, "resuming");
});

test("codes from 4500 on end the line with a sentence that helps", async () => {
  const outside = new FakeOutside();
  const { line } = await live(outside);
  outside.socket.onclose({ code: 4529 });
  await outside.pass(60_000);
  assert.equal(line.state.name, "stopped");
  assert.match(line.state.detail, /too many live screens/);
  assert.equal(outside.sockets.length, 1);
});

test("a line without even a ping is given up and opened again", async () => {
  const outside = new FakeOutside();
  const { line } = await live(outside);
  await outside.pass(44_000);
  assert.equal(outside.sockets.length, 1);
  await outside.pass(2_000);
  assert.equal(outside.sockets.length, 2);
  assert.equal(line.state.name, "stale");
});

test("a refused stream does not keep the others from being live", async () => {
  const outside = new FakeOutside();
  const { line } = connection(outside);
  await line.start();
  outside.say(hello(outside.time), subscribed("lead_scores", "e1", 0, []));
  outside.say({ error: { code: "forbidden", message: "not for you", stream: "conversation_feed" } });
  assert.equal(line.state.name, "live");
});

test("coming back to the tab does not sit out the wait", async () => {
  const outside = new FakeOutside({ tickets: ["unreachable"], random: 1 });
  const { line } = connection(outside);
  await line.start();
  line.retryNow();
  await settled();
  assert.equal(outside.requests.length, 2);
});

test("after stop nothing is heard, sent or tried again", async () => {
  const outside = new FakeOutside();
  const { line, heard } = await live(outside);
  const { socket } = outside;
  const before = heard.length;
  line.stop();
  socket.onmessage({ data: JSON.stringify(publication("lead_scores", 11)) });
  socket.onclose({ code: 1000 });
  await outside.pass(120_000);
  line.retryNow();
  assert.equal(heard.length, before);
  assert.equal(outside.sockets.length, 1);
  assert.ok(socket.closed);
});
