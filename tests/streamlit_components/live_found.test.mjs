import assert from "node:assert/strict";
import test from "node:test";
import { AlsoFound } from "../../ghl_real_estate_ai/streamlit_components/assets/live_found.js";
import { FakeOutside } from "../live_client/fake_outside.mjs";

/** As much of a page as the list needs. */
class FakeNode {
  constructor(tag) {
    Object.assign(this, { tag, children: [], dataset: {}, hidden: false, textContent: "" });
    const on = new Set();
    this.classList = { contains: (name) => on.has(name), toggle: (name, is) => (is ? on.add(name) : on.delete(name)), add: (name) => on.add(name) };
  }
  setAttribute(name, value) {
    this[name === "hidden" ? "hidden" : `@${name}`] = name === "hidden" ? true : value;
  }
  addEventListener(name, run) {
    this[name] = run;
  }
  append(...children) {
    for (const child of children) typeof child === "string" ? (this.textContent += child) : this.children.push(child);
  }
  replaceChildren(...children) {
    this.children = [];
    this.append(...children);
  }
}
globalThis.document = { createElement: (tag) => new FakeNode(tag) };

const lead = (id, more = {}) => ({ lead_id: id, name: `Name ${id}`, stage: "new", assigned_to: null, simulated: false, deleted: false, last_activity_at: null, ...more });

function made(replies, shownLeads = []) {
  const outside = new FakeOutside();
  const asked = [];
  const opened = [];
  const api = { get: (path) => (asked.push(path), Promise.resolve(replies.shift())) };
  const deps = { api, outside, openLead: (...what) => opened.push(what), isShown: (id) => shownLeads.includes(id), agentName: () => "nobody yet", now: () => 0 };
  const found = new AlsoFound(new FakeNode("div"), deps);
  found.show({ shown: 0 });
  const type = async (q, shown = 0) => {
    found.search(q);
    found.show({ shown });
    await outside.pass(350);
  };
  const told = () => [found.node.hidden, found.text.textContent, found.rows.children.length];
  return { found, outside, asked, opened, type, told };
}
const ok = (...items) => ({ ok: true, body: { items } });

test("all leads are asked for by name, once per pause; what a panel has, and who was deleted, is left out", async () => {
  const { type, told, asked, opened, found } = made([ok(lead("a"), lead("b"), lead("c", { deleted: true }))], ["a"]);
  await type(" maria   go ");
  assert.deepEqual(asked, ["/v1/leads?limit=20&q=maria%20go"]);
  assert.deepEqual(told(), [false, "1 more by name or phone, among all leads.", 1]);
  found.rows.children[0].children[0].click();
  assert.deepEqual(opened, [["b", "Name b"]]);
  await type("maria go"); // the same words
  assert.equal(asked.length, 1);
});

test("nothing anywhere is said; where a panel has the lead, silence is enough", async () => {
  const nowhere = made([ok()]);
  await nowhere.type("nobody");
  assert.deepEqual(nowhere.told(), [false, "No lead of this account has “nobody” in its name or phone.", 0]);
  const inPanels = made([ok(lead("a"))], ["a"]);
  await inPanels.type("name a", 1);
  assert.deepEqual(inPanels.told(), [true, "", 0]);
});

test("one letter asks nobody; an answer to older words is dropped; an emptied search clears the list", async () => {
  const { type, told, asked, found, outside } = made([]);
  await type("m");
  assert.deepEqual([asked, found.node.hidden], [[], true]);
  let answer;
  found.api.get = () => new Promise((done) => (answer = done));
  await type("ma");
  assert.equal(told()[1], "Looking through names and phones of all leads…");
  found.search("");
  answer(ok(lead("a")));
  await outside.pass(1);
  found.show({ shown: 5 });
  assert.deepEqual(told(), [true, "", 0]);
});

test("a refusal says so and can be tried again; a full page says that there may be more", async () => {
  const { type, told, found, outside } = made([{ ok: false, message: "the gateway does not answer." }, ok(...Array.from({ length: 20 }, (_, i) => lead(`l${i}`)))]);
  await type("le");
  assert.deepEqual([told()[1], found.again.hidden], ["Names and phones of all leads were not searched: the gateway does not answer.", false]);
  found.again.click();
  await outside.pass(1);
  assert.deepEqual([told()[2], found.again.hidden], [20, true]);
  assert.ok(told()[1].endsWith("type more of it."));
});

test("beside what the panels have it folds to one line, unfolded by a tap, folded again with other words", async () => {
  const { type, found } = made([ok(lead("a"), lead("b")), ok(lead("c")), ok(lead("d"))]);
  const told = () => [found.node.classList.contains("folded"), found.fold.hidden, found.fold.textContent];
  await type("name", 3);
  assert.deepEqual(told(), [true, false, "Show"]);
  assert.equal(found.text.textContent, "2 more by name or phone, among all leads.");
  found.fold.click();
  assert.deepEqual(told(), [false, false, "Hide"]);
  await type("name c", 1);
  assert.deepEqual(told(), [true, false, "Show"]);
  await type("name d", 0);
  assert.deepEqual(told().slice(0, 2), [false, true]); // nothing stands below it
});
