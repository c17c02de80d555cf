import assert from "node:assert/strict";
import test from "node:test";
import { LiveConnection, backoffMs, span, stateInWords, steadyClock } from "../../ghl_real_estate_ai/live_client/enterprisehub_live.js";
import { LiveItems } from "../../ghl_real_estate_ai/live_client/live_items.js";
import { FakeOutside, answer, hello, publication, settled, subscribed, ticket } from "./fake_outside.mjs";

function connection(outside, options = {}) {
  const heard = [];
  const states = [];
  const line = new LiveConnection({
    apiUrl: "http://gateway",
    token: "token-1",
    hear: (message, receivedMs) => heard.push({ ...message, receivedMs }),
    stateChanged: (state) => states.push(state.name),
    outside,
    ...options,
  });
  return { line, heard, states };
}

/** A line that is live; its token lives for `lifeMs`. */
async function live(outside, { lifeMs = 1e9, ...options } = {}) {
  const made = connection(outside, options);
  await made.line.start();
  welcome(outside, { lifeMs });
  return made;
}

function welcome(outside, { lifeMs = 1e9, skew = 70 } = {}) {
  const names = ["lead_scores", "conversation_feed"];
  const end = new Date(outside.time + skew + lifeMs).toISOString();
  outside.say(hello(outside.time + skew, names, end), ...names.map((stream) => subscribed(stream, "e1", 10, [])));
}

const words = (line, outside) => stateInWords(line.state, outside.time);

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
  outside.say({ c: "lead_scores", gap: [11, 40] });
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
  assert.match(line.state.detail, /http:\/\/gateway does not answer\. Start it with: enterprisehub serve\. If somebody else runs it, tell them\./);
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

test("a line that finds no seat comes back by itself, and is never called live meanwhile", async () => {
  const outside = new FakeOutside();
  const { line, states } = await live(outside);
  outside.socket.onclose({ code: 1006 });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await outside.pass(20_000);
    outside.say({ error: { code: "SEATS_TAKEN", message: "too many" } });
    outside.socket.onclose({ code: 4430 });
  }
  assert.deepEqual(states.slice(states.indexOf("live") + 1).filter((name) => name === "live"), []);
  assert.equal(line.state.name, "stale");
  assert.match(line.state.detail, /too many live screens/);
  await outside.pass(20_000);
  outside.say(hello(outside.time), subscribed("lead_scores", "e1", 1), subscribed("conversation_feed", "e1", 1));
  assert.equal(line.state.name, "live");
  line.stop();
});

test("a line that was live and finds its seat taken, maybe by its own broken socket, comes again after a minute", async () => {
  const outside = new FakeOutside();
  const { line, states } = await live(outside);
  outside.socket.onclose({ code: 1006 });
  await outside.pass(1);
  outside.socket.onclose({ code: 4529 });
  assert.match(line.state.detail, /still counts. Trying again in a minute/);
  await outside.pass(50_000);
  outside.wake(); // the gateway's wish for patience holds
  await settled();
  assert.equal(outside.sockets.length, 2);
  await outside.pass(10_001);
  outside.say(hello(outside.time), subscribed("lead_scores", "e1", 10), subscribed("conversation_feed", "e1", 10));
  assert.equal(line.state.name, "live");
  assert.ok(!states.includes("stopped"));
  line.stop();
  await line.start();
  outside.socket.onclose({ code: 4529 }); // begun anew: it was never live since
  assert.equal(line.state.name, "stopped");
});

test("codes from 4500 on end the line with a sentence that helps", async () => {
  const outside = new FakeOutside();
  const { line } = connection(outside);
  await line.start();
  outside.socket.onclose({ code: 4529 });
  await outside.pass(60_000);
  assert.equal(line.state.name, "stopped");
  assert.match(line.state.detail, /too many live screens/);
  assert.equal(outside.sockets.length, 1);
});

test("a line without even a ping is given up and opened again", async () => {
  const outside = new FakeOutside();
  const { line } = await live(outside);
  await outside.pass(14_000);
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

test("a page may follow fewer streams than it is allowed to", async () => {
  const outside = new FakeOutside();
  const { line } = connection(outside, { streams: ["lead_scores", "of tomorrow"] });
  await line.start();
  outside.say(hello(outside.time));
  assert.deepEqual(outside.socket.sent[0].subscribe, [{ stream: "lead_scores" }]);
  outside.say(subscribed("lead_scores", "e1", 0, []));
  assert.equal(line.state.name, "live");
});

test("a page that stops the line while it hears is left alone: no live, and not a message more", async () => {
  const outside = new FakeOutside();
  const { line, heard, states } = connection(outside, { streams: ["lead_scores"] });
  line.hear = (message) => (heard.push(message), line.stop());
  await line.start();
  outside.say(hello(outside.time), subscribed("lead_scores", "e1", 1, []));
  assert.deepEqual([heard.length, states], [1, ["resuming"]]);
});

test("a page that stops the line at the first of the held messages hears no other, and a later start begins anew", async () => {
  const outside = new FakeOutside();
  const { line, heard } = await live(outside);
  outside.isHidden = true;
  outside.say(publication("conversation_feed", 11));
  outside.isHidden = false;
  line.hear = (message) => (heard.push(message), line.stop());
  outside.say(publication("conversation_feed", 12));
  assert.deepEqual(offsets(heard), [11]);
  await line.start();
  outside.say(hello(outside.time));
  assert.deepEqual(outside.socket.sent[0].subscribe, [{ stream: "lead_scores" }, { stream: "conversation_feed" }]);
  line.stop();
});

test("a page that throws over a message does not keep the state from being true", async () => {
  const outside = new FakeOutside();
  const { line } = connection(outside, { streams: ["lead_scores"] });
  line.hear = () => {
    throw new Error("a bug of the page");
  };
  await line.start();
  outside.say(hello(outside.time));
  assert.throws(() => outside.say(subscribed("lead_scores", "e1", 1, [])), /bug of the page/);
  assert.equal(line.state.name, "live");
  outside.isHidden = true;
  outside.say(publication("lead_scores", 2));
  outside.time += 3_600_000; // the machine slept
  assert.throws(() => outside.wake(), /bug of the page/);
  assert.equal(line.state.name, "stale");
});

test("a page that throws when the line ends for good is told that it has", async () => {
  const outside = new FakeOutside();
  const { line, states } = await live(outside);
  outside.isHidden = true;
  outside.say(publication("conversation_feed", 11));
  line.hear = () => {
    throw new Error("a bug of the page");
  };
  assert.throws(() => outside.socket.onclose({ code: 4503 }), /bug of the page/);
  assert.equal(states.at(-1), "stopped");
});

// --- nobody looks ---------------------------------------------------------------------------------------------------

test("while hidden, the newest of each key and every message of the feed are held, and heard in one go when seen", async () => {
  const outside = new FakeOutside();
  const { line, heard } = await live(outside);
  outside.isHidden = true;
  const before = heard.length;
  const timers = outside.timers.length;
  for (let i = 11; i <= 30; i += 1) {
    outside.say(publication("lead_scores", i, { key: `lead-${i % 3}` }), publication("conversation_feed", i));
  }
  assert.equal(heard.length, before);
  assert.equal(outside.timers.length, timers);
  assert.equal(line.counts.conflated, 17);
  outside.wake();
  const batch = heard.slice(before);
  assert.deepEqual(batch.filter((m) => m.c === "lead_scores").map((m) => [m.o, m.e.key]), [[28, "lead-1"], [29, "lead-2"], [30, "lead-0"]]);
  assert.deepEqual(offsets(batch.filter((m) => m.c === "conversation_feed")), [...Array(20).keys()].map((i) => i + 11));
  outside.say(publication("lead_scores", 31));
  assert.equal(heard.at(-1).o, 31);
});

test("a message that comes before the wake event does not overtake what is held", async () => {
  const outside = new FakeOutside();
  const { heard } = await live(outside);
  outside.isHidden = true;
  outside.say(publication("conversation_feed", 11), publication("conversation_feed", 12));
  outside.isHidden = false;
  outside.say(publication("conversation_feed", 13));
  assert.deepEqual(offsets(heard), [11, 12, 13]);
});

test("what is held is bounded: at the bound it is heard, in order, and nothing of the feed is lost", async () => {
  const outside = new FakeOutside();
  const { line, heard } = await live(outside);
  outside.isHidden = true;
  for (let i = 11; i <= 5_010; i += 1) outside.say(publication("conversation_feed", i));
  assert.ok(line.held.size <= 2_000);
  outside.wake();
  assert.deepEqual(offsets(heard), [...Array(5_000).keys()].map((i) => i + 11));
});

test("a hidden line resumes from what it has received, and a snapshot replaces what is held of its stream", async () => {
  const outside = new FakeOutside();
  const { heard } = await live(outside);
  outside.isHidden = true;
  outside.say(publication("lead_scores", 11, { key: "a" }), publication("conversation_feed", 11));
  outside.socket.onclose({ code: 1001 });
  await outside.pass(1);
  outside.say(hello(outside.time));
  assert.deepEqual(outside.socket.sent[0].subscribe.map((wanted) => wanted.offset), [11, 11]);
  outside.say(subscribed("lead_scores", "e2", 4, [{ key: "b" }]), subscribed("conversation_feed", "e1", 11));
  outside.say(publication("lead_scores", 5, { key: "b" }), publication("conversation_feed", 12));
  outside.wake();
  const batch = heard.slice(2);
  assert.deepEqual(batch.filter((m) => m.c === "lead_scores").map((m) => m.o), [5]);
  assert.deepEqual(batch.find((m) => m.snapshot).snapshot, [{ key: "b" }]);
  assert.deepEqual(offsets(batch.filter((m) => m.c === "conversation_feed")), [11, 12]);
});

test("a feed that begins anew while hidden loses nothing that came before", async () => {
  const outside = new FakeOutside();
  const { heard } = await live(outside);
  outside.isHidden = true;
  outside.say(publication("conversation_feed", 11), subscribed("conversation_feed", "e2", 1, [{ key: "x" }]), publication("conversation_feed", 2));
  outside.wake();
  assert.deepEqual(heard.slice(2).map((m) => m.o ?? m.snapshot[0].key), [11, "x", 2]);
});

test("when the line ends for good, what is held is heard before", async () => {
  const outside = new FakeOutside();
  const { heard, states } = await live(outside);
  outside.isHidden = true;
  outside.say(publication("conversation_feed", 11));
  outside.socket.onclose({ code: 4500 });
  assert.deepEqual(offsets(heard), [11]);
  assert.equal(states.at(-1), "stopped");
});

test("what was held and never heard is not skipped by a later start", async () => {
  const outside = new FakeOutside();
  const { line } = await live(outside);
  outside.isHidden = true;
  outside.say(publication("conversation_feed", 11));
  line.stop();
  await line.start();
  outside.say(hello(outside.time));
  assert.deepEqual(outside.socket.sent[0].subscribe, [{ stream: "lead_scores" }, { stream: "conversation_feed" }]);
  line.stop();
});

// --- the state tells the truth --------------------------------------------------------------------------------------

test("says live, resuming, and stale with seconds that count up", async () => {
  const outside = new FakeOutside({ tickets: [undefined, "unreachable"], random: 1 });
  const { line } = await live(outside);
  assert.equal(words(line, outside), "live");
  outside.socket.onclose({ code: 1012 });
  assert.equal(words(line, outside), "resuming");
  await outside.pass(12_000);
  assert.equal(words(line, outside), "stale 12 s");
  await outside.pass(60_000);
  assert.equal(words(line, outside), "stale 1 min");
});

test("a close with a code was good until then; a line that just vanished, until its last message", async () => {
  for (const [code, expected] of [[1001, "resuming"], [1006, "stale 12 s"]]) {
    const outside = new FakeOutside({ random: 1 });
    const { line } = await live(outside);
    await outside.pass(12_000);
    outside.socket.onclose({ code });
    assert.equal(words(line, outside), expected);
  }
});

test("a live line to a gateway that is itself behind says by how much, on this machine's clock", async () => {
  const outside = new FakeOutside();
  const { line, states } = await live(outside);
  outside.say({ delayed: { since_ms: outside.time + 70 } });
  await outside.pass(4_000);
  assert.equal(line.state.name, "live");
  assert.equal(words(line, outside), "the gateway is behind by 4 s");
  outside.say({ delayed: null });
  assert.equal(words(line, outside), "live");
  assert.deepEqual(states, ["resuming", "live", "live", "live"]);
});

test("a new connection forgets the delay that an older one told, unless it is told again", async () => {
  const outside = new FakeOutside();
  const { line } = await live(outside);
  outside.say({ delayed: { since_ms: outside.time } });
  outside.socket.onclose({ code: 1001 });
  await outside.pass(1);
  welcome(outside);
  assert.equal(words(line, outside), "live");
});

test("spans read as people say them", () => {
  const [s, m, h, d] = [1_000, 60_000, 3_600_000, 86_400_000];
  assert.deepEqual([-5, 45 * s, 12 * m, 3 * h + 5 * m, 2 * d + 4 * h].map(span), ["0 s", "45 s", "12 min", "3 h 05", "2 d 4 h"]);
});

// --- coming back ----------------------------------------------------------------------------------------------------

test("a gateway that takes the question and never answers is given up and asked again", async () => {
  const outside = new FakeOutside({ tickets: ["silent", undefined] });
  const { line } = connection(outside);
  line.start();
  await outside.pass(20_001);
  assert.equal(outside.requests.length, 2);
  await outside.pass(20_001); // a socket that never says hello, the same
  assert.equal(outside.requests.length, 3);
  assert.equal(words(line, outside), "stale 40 s");
});

test("an answer that comes after it was given up opens no second line", async () => {
  let late;
  const outside = new FakeOutside({ tickets: [new Promise((done) => (late = done)), undefined], random: 1 });
  const { line } = connection(outside);
  line.start();
  await outside.pass(20_100);
  late(ticket("late"));
  await settled();
  assert.equal(outside.sockets.length, 0);
  await outside.pass(200);
  assert.deepEqual(outside.sockets.map((socket) => socket.url), ["ws://gateway/v1/realtime?ticket=ticket-2"]);
});

test("waking does not break the gateway's own wish for patience, in seconds or as a date", async () => {
  for (const header of ["7", new Date(1_007_000).toUTCString()]) {
    const outside = new FakeOutside({ tickets: [answer(503, {}, { "Retry-After": header }), undefined] });
    await connection(outside).line.start();
    await outside.pass(3_000);
    outside.wake();
    await settled();
    assert.equal(outside.requests.length, 1);
    await outside.pass(4_001);
    assert.equal(outside.requests.length, 2);
  }
});

test("those who were asked for patience do not come back all at once", async () => {
  const outside = new FakeOutside({ tickets: [answer(503, {}, { "Retry-After": "7" })], random: 0.5 });
  await connection(outside).line.start();
  assert.ok(outside.timers.some((timer) => timer.ms === 7_125));
});

test("a handshake that is refused asks for a ticket again, and the ticket office says how long to wait", async () => {
  const outside = new FakeOutside({ tickets: [undefined, answer(503, {}, { "Retry-After": "5" }), undefined] });
  const { line } = connection(outside);
  await line.start();
  outside.socket.onclose({ code: 1006 }); // all that a browser tells of an HTTP 503
  await outside.pass(4_000);
  assert.equal(outside.requests.length, 2);
  await outside.pass(1_001);
  assert.equal(outside.requests.length, 3);
});

test("a machine that slept notices its dead line when it wakes", async () => {
  const outside = new FakeOutside();
  const { line } = await live(outside);
  outside.time += 3_600_000; // no timer ran
  outside.wake();
  await settled();
  assert.equal(words(line, outside), "stale 1 h 00");
  assert.equal(outside.requests.length, 2);
});

test("the clock goes on over a sleep that stops the tab's own, and never goes back when the wall clock does", () => {
  let [wall, own] = [1_000_000, 1_000_000.5];
  const now = steadyClock(() => wall, () => own);
  assert.equal(now(), 1_000_000.5);
  wall += 3_600_000; // the machine slept
  assert.equal(now(), 4_600_000);
  [wall, own] = [wall - 5_000, own + 10];
  assert.equal(now(), 4_600_000);
  [wall, own] = [0, 5_000_000]; // set back for good: the tab's own clock goes on
  assert.equal(now(), 5_000_000);
  assert.ok(Math.abs(steadyClock()() - Date.now()) < 60_000);
});

test("a request for a ticket that hangs is aborted when it is given up, and when the line is stopped", async () => {
  const outside = new FakeOutside({ tickets: ["silent"] });
  const { line } = connection(outside);
  line.start();
  await outside.pass(19_000);
  assert.ok(!outside.requests[0].signal.aborted);
  await outside.pass(1_001);
  assert.equal(outside.requests.length, 2);
  assert.ok(outside.requests[0].signal.aborted);
  assert.ok(!outside.requests[1].signal.aborted);
  line.stop();
  await settled();
  assert.ok(outside.requests[1].signal.aborted);
  assert.equal(outside.requests.length, 2);
});

// --- the session ----------------------------------------------------------------------------------------------------

test("renews half-way through the token's life, on the open line, and again half-way through the next", async () => {
  const outside = new FakeOutside();
  let renewals = 0;
  const { line } = await live(outside, { lifeMs: 600_000, renewToken: async () => `token-${(renewals += 1) + 1}` });
  const beat = async (times) => {
    for (let i = 0; i < 2 * times; i += 1) {
      await outside.pass(10_000);
      outside.say({ ping: 1 });
    }
  };
  await beat(14);
  assert.equal(renewals, 0);
  await beat(1);
  assert.deepEqual(outside.socket.sent.filter((message) => message.auth), [{ auth: "token-2" }]);
  outside.say({ renewed: { expires_at: new Date(outside.time + 70 + 600_000).toISOString() } });
  await beat(16);
  assert.equal(renewals, 2);
  assert.equal(line.token, "token-3");
  assert.equal(outside.sockets.length, 1);
  line.stop();
  assert.equal(outside.timers.length, 0);
});

test("a renewal that fails for a moment is tried again before the end", async () => {
  const outside = new FakeOutside();
  const tries = [];
  await live(outside, {
    lifeMs: 40_000,
    renewToken: async () => {
      tries.push(outside.time - 1_000_000);
      if (tries.length < 2) throw new TypeError("failed to fetch");
      return "token-2";
    },
  });
  for (let i = 0; i < 3; i += 1) {
    await outside.pass(13_000);
    outside.say({ ping: 1 });
  }
  assert.deepEqual(tries, [20_000, 30_000]); // half of what is left, each time
  assert.deepEqual(outside.socket.sent.filter((message) => message.auth), [{ auth: "token-2" }]);
});

test("a token that ended meanwhile is renewed before the next ticket, and nothing is lost", async () => {
  const outside = new FakeOutside({ tickets: [undefined, answer(401), undefined] });
  const { line, states } = await live(outside, { renewToken: async () => "token-2" });
  outside.say(publication("conversation_feed", 11));
  outside.socket.onclose({ code: 4403 });
  await outside.pass(1);
  assert.equal(outside.requests.at(-1).headers.Authorization, "Bearer token-2");
  outside.say(hello(outside.time));
  assert.deepEqual(outside.socket.sent[0].subscribe[1], { stream: "conversation_feed", epoch: "e1", offset: 11 });
  assert.ok(!states.includes("signed_out"));
  line.stop();
});

test("one signed-out state when the session is over, however it is learned", async () => {
  for (const renewToken of [undefined, async () => null, async () => "refused as well"]) {
    const outside = new FakeOutside({ tickets: [undefined, answer(401)] });
    const { states } = await live(outside, { renewToken });
    outside.socket.onclose({ code: 4403 });
    await outside.pass(120_000);
    outside.wake();
    await outside.pass(120_000);
    assert.deepEqual(states.filter((name) => name === "signed_out"), ["signed_out"]);
    assert.equal(outside.timers.length, 0);
  }
});

test("stop leaves no timer and no listener, wherever it comes", async () => {
  const moments = {
    "while the ticket is asked for": async (outside, made) => void made.line.start(),
    "before the hello": async (outside, made) => made.line.start(),
    "while live": async (outside, made) => (await made.line.start(), welcome(outside, { lifeMs: 90_000 })),
    "while waiting": async (outside, made) => (await made.line.start(), outside.socket.onclose({ code: 1006 })),
    "while renewing": async (outside, made) => (await made.line.start(), welcome(outside, { lifeMs: 20_000 }), outside.pass(12_000)),
  };
  for (const [moment, reach] of Object.entries(moments)) {
    const outside = new FakeOutside({ random: 1 });
    const made = connection(outside, { renewToken: () => new Promise((done) => outside.later(() => done("t2"), 50)) });
    await reach(outside, made);
    made.line.stop();
    await settled();
    assert.deepEqual(outside.timers.filter((timer) => timer.ms !== 50), [], moment);
    assert.equal(outside.waking.size, 0, moment);
    const requests = outside.requests.length;
    await outside.pass(200_000);
    assert.equal(outside.requests.length, requests, moment);
    assert.ok(outside.sockets.every((socket) => socket.closed), moment);
  }
});

// --- what a page holds ----------------------------------------------------------------------------------------------

test("items are the newest per key, newest first, without those that were removed", () => {
  const items = new LiveItems();
  assert.equal(items.apply(publication("lead_scores", 1)), null);
  items.apply(subscribed("lead_scores", "e1", 2, [{ key: "b" }, { key: "a" }]));
  assert.equal(items.apply(publication("lead_scores", 3, { key: "a", n: 2 })), "lead_scores");
  assert.deepEqual(items.of("lead_scores"), [{ key: "a", n: 2 }, { key: "b" }]);
  items.apply(publication("lead_scores", 4, { key: "b", removed: true }));
  items.apply(subscribed("lead_scores", "e1", 4));
  assert.deepEqual(items.of("lead_scores").map((item) => item.key), ["a"]);
  for (let i = 0; i < 600; i += 1) items.apply(publication("lead_scores", 5 + i, { key: `k${i}` }));
  assert.equal(items.of("lead_scores").length, 500);
});
