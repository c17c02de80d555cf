// The example page without a browser: a document of its own, a gateway and a socket that the test moves by hand.

import assert from "node:assert/strict";
import test from "node:test";
import { answer, hello, publication, settled, subscribed, ticket } from "./fake_outside.mjs";

const page = { parts: new Map(), frames: [], sockets: [], sessions: null };

function element() {
  return {
    textContent: "", hidden: false, children: [], listeners: {},
    addEventListener(name, run) { this.listeners[name] = run; },
    replaceChildren(...nodes) { this.children = nodes; },
    append(...nodes) {
      this.children.push(...nodes);
      for (const node of nodes) if (node.id) page.parts.set(node.id, node);
    },
    reset() {},
  };
}

for (const id of ["sign-in", "leave", "trouble", "streams", "state"]) page.parts.set(id, element());
const part = (id) => page.parts.get(id);

Object.assign(globalThis, {
  document: { hidden: false, getElementById: part, createElement: element, addEventListener() {} },
  window: { addEventListener() {} },
  location: { origin: "http://gateway" },
  FormData: class { *[Symbol.iterator]() { yield ["email", "mia@example.com"]; } },
  requestAnimationFrame: (run) => page.frames.push(run),
  setInterval() {},
  fetch: async (url) => (url === "/v1/sessions" ? page.sessions() : ticket("t")),
  WebSocket: class {
    constructor() { page.sockets.push(this); }
    send() {}
    close() {}
  },
});
await import("../../ghl_real_estate_ai/live_client/example.js");

async function signIn(sessions) {
  page.sessions = sessions;
  await part("sign-in").listeners.submit({ preventDefault() {}, target: part("sign-in") });
  await settled();
}

const say = (...messages) => messages.forEach((message) => page.sockets.at(-1).onmessage({ data: JSON.stringify(message) }));
const nextFrame = () => page.frames.splice(0).forEach((run) => run());

test("a sign-in that nobody answers, or something else than the gateway does, is told to the person", async () => {
  const wrong = {
    "no network": () => Promise.reject(new TypeError("failed to fetch")),
    "a proxy's page": () => ({ ...answer(502), json: () => Promise.reject(new SyntaxError("<html>")) }),
  };
  for (const [what, sessions] of Object.entries(wrong)) {
    await signIn(sessions);
    assert.match(part("trouble").textContent, /gateway does not answer/, what);
  }
  await signIn(() => answer(401, { error: { message: "Wrong email or password" } }));
  assert.equal(part("trouble").textContent, "Wrong email or password");
  assert.equal(page.sockets.length, 0);
});

test("an item that cannot be painted does not stop the painting of all that follow", async () => {
  await signIn(() => answer(201, { access_token: "token" }));
  say(hello(Date.now(), ["system_performance"]), subscribed("system_performance", "e1", 0, []));
  nextFrame();
  say(publication("system_performance", 1, { key: "system" }));
  assert.throws(nextFrame, TypeError); // it has no events_per_s
  say(publication("system_performance", 2, { key: "system", events_per_s: 2, connections: 7 }));
  nextFrame();
  assert.deepEqual(part("system_performance").children.map((line) => line.textContent), ["2.0 events a second, 7 screens"]);
  part("leave").listeners.click();
});
