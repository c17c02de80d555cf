// A random server and a random network, from a seed: whatever they do, the page ends with what the server holds.

import assert from "node:assert/strict";
import test from "node:test";
import { LiveConnection } from "../../ghl_real_estate_ai/live_client/enterprisehub_live.js";
import { LiveItems } from "../../ghl_real_estate_ai/live_client/live_items.js";
import { FakeGateway } from "./fake_gateway.mjs";
import { FakeOutside } from "./fake_outside.mjs";

const SEEDS = 150;
const STEPS = 250;

/** mulberry32: small, seeded, good enough to make trouble with. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function step(gateway, outside, random) {
  const choice = random();
  const { line } = gateway;
  if (choice < 0.43) gateway.publish();
  else if (choice < 0.45) gateway.burst();
  else if (choice < 0.6) line?.pump();
  else if (choice < 0.75) line?.deliver(Math.floor(random() * 6));
  else if (choice < 0.79) line?.isOpen && line.breakDown([1001, 1006, 4408, 4412][Math.floor(random() * 4)]);
  else if (choice < 0.81) [...gateway.topics.values()][Math.floor(random() * 3)].beginEpoch();
  else if (choice < 0.85) gateway.repeat();
  else if (choice < 0.88) gateway.deliverLate();
  else if (choice < 0.9) loseOneOfTheFeed(line, random);
  else if (choice < 0.93) outside.isHidden = true;
  else if (choice < 0.96) outside.wake();
  else if (choice < 0.97) gateway.isUp = !gateway.isUp;
  else return random() * 30_000;
  return random() * 200;
}

/** No TCP line does that. A server with a bug does, and the feed must not show a hole. */
function loseOneOfTheFeed(line, random) {
  const places = [...(line?.toClient.entries() ?? [])].filter(([, message]) => message.e && message.c === "conversation_feed");
  if (places.length) line.toClient.splice(places[Math.floor(random() * places.length)][0], 1);
}

/** The network heals, and everything that was published arrives. */
async function settle(gateway, outside, connection) {
  gateway.isUp = true;
  outside.wake();
  for (let round = 0; round < 20; round += 1) {
    await outside.pass(14_000);
    gateway.line?.pump();
    gateway.line?.deliver();
    gateway.line?.deliver();
    if (connection.state.name === "live") await outside.pass(1);
  }
}

/** Each message of the feed was heard once, in order; one that is missing was too old for the server to give again. */
function checkFeed(heard, feed) {
  let epochStart = 0;
  const keys = [];
  for (const message of heard) {
    if (message.snapshot) epochStart = keys.length;
    else keys.push({ key: message.e.key, offset: message.o, after: epochStart });
  }
  assert.equal(new Set(keys.map((each) => each.key)).size, keys.length, "a message was heard twice");
  for (let i = 1; i < keys.length; i += 1) {
    if (keys[i].after === keys[i - 1].after) assert.equal(keys[i].offset, keys[i - 1].offset + 1, "a message was left out");
  }
  assert.ok(keys.length > 0 || feed.head === 0 || heard.length > 0);
}

test(`after any trouble the page holds exactly what the server holds (${SEEDS} seeds)`, async () => {
  const total = { reconnects: 0, duplicates: 0, gaps: 0, recovered: 0, conflated: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const random = randomOf(seed);
    const outside = new FakeOutside();
    const gateway = new FakeGateway(outside, random);
    const items = new LiveItems();
    const feed = [];
    const connection = new LiveConnection({
      apiUrl: "http://gateway", token: "t", outside,
      hear: (message) => {
        items.apply(message);
        if (message.e && message.c === "conversation_feed") feed.push(message);
        if (message.snapshot && message.subscribed.stream === "conversation_feed") feed.push(message);
      },
    });
    connection.start();
    for (let i = 0; i < STEPS; i += 1) await outside.pass(step(gateway, outside, random));
    await settle(gateway, outside, connection);
    for (const topic of gateway.topics.values()) {
      assert.deepEqual(items.of(topic.name), topic.snapshot(), `seed ${seed}, ${topic.name}`);
    }
    checkFeed(feed, gateway.topics.get("conversation_feed"));
    assert.equal(connection.state.name, "live", `seed ${seed}`);
    assert.equal(gateway.lines.filter((line) => line.isOpen).length, 1, `seed ${seed}: one line, not several`);
    connection.stop();
    assert.equal(outside.timers.length, 0, `seed ${seed}`);
    for (const name of Object.keys(total)) total[name] += connection.counts[name];
  }
  for (const [name, count] of Object.entries(total)) assert.ok(count > 20, `the model made too little trouble: ${name} ${count}`);
});
