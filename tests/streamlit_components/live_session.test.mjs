import assert from "node:assert/strict";
import test from "node:test";
import { LiveSession } from "../../ghl_real_estate_ai/streamlit_components/assets/live_session.js";
import { FakeOutside, answer } from "../live_client/fake_outside.mjs";

function session(outside, keep = null) {
  const renewed = [];
  return { renewed, live: new LiveSession({ apiUrl: "http://gateway", token: "old", outside, keep, renewed: (one) => renewed.push(one.access_token) }) };
}

test("a full storage costs the reload its session, not the screen its renewal", async () => {
  const full = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  const { live, renewed } = session(new FakeOutside({ tickets: [answer(201, { access_token: "new" })] }), { setItem: full, removeItem: full });
  assert.equal(await live.renew(), "new");
  assert.deepEqual(renewed, ["new"]);
  live.forget();
});

test("a renewal that is never answered ends, and leaves no timer", async () => {
  const outside = new FakeOutside({ tickets: ["silent"] });
  const { live } = session(outside);
  const failing = assert.rejects(live.renew());
  await outside.pass(15_000);
  await failing;
  assert.equal(outside.timers.length, 0);
  assert.equal(live.token, "old");
});
