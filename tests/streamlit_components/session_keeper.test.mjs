// What the tab keeps, and which page the URL names. Run by test_live_modules.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionKeeper, pageOf, withPage } from "../../ghl_real_estate_ai/streamlit_components/assets/session_keeper.js";

const KEPT = "enterprisehub.session";
const session = (ends, user = "u1") => JSON.stringify({ access_token: "t", expires_at: ends, user: { user_id: user, location_id: "l1" } });
const EARLY = session("2026-11-26T10:00:00Z");
const LATE = session("2026-11-26T12:00:00+00:00");

function keeper({ kept = null, search = "" } = {}) {
  const held = new Map(kept === null ? [] : [[KEPT, kept]]);
  const told = [];
  const urls = [];
  const replaced = [];
  const one = new SessionKeeper({
    storage: { get: (key) => held.get(key) ?? null, set: (key, text) => held.set(key, text), remove: (key) => held.delete(key) },
    place: { search: () => search, push: (query) => urls.push((search = query)), replace: (query) => replaced.push((search = query)) },
    setState: (name, value) => told.push([name, value]),
    setTrigger: (name, value) => told.push([name, value]),
  });
  return { one, held, told, urls, replaced, go: (query) => (search = query) };
}

test("what the tab kept is told once, and nothing is thrown away before it was looked at", () => {
  const { one, held, told } = keeper({ kept: EARLY });
  one.run({ session: null, ask: true, script: "s1", page: "now" });
  one.run({ session: null, ask: true, script: "s1", page: "now" });
  assert.deepEqual(told, [["found", `s1:${EARLY}`]]);
  assert.equal(held.get(KEPT), EARLY);
});

test("a server that was started again is told anew: what the one before was told answers nothing", () => {
  const { one, held, told } = keeper();
  one.run({ session: null, ask: true, script: "s1", page: "now" });
  one.run({ session: EARLY, ask: false, script: "s1", page: "now" });
  one.run({ session: null, ask: true, script: "s2", page: "now" });
  assert.deepEqual(told.at(-1), ["found", `s2:${EARLY}`]);
  assert.equal(held.get(KEPT), EARLY);
});

test("a tab that kept nothing says so", () => {
  const { one, told } = keeper();
  one.run({ session: null, ask: true, script: "s1", page: "now" });
  assert.deepEqual(told, [["found", "s1:"]]);
});

test("a session is kept, and forgotten when it has ended", () => {
  const { one, held } = keeper();
  one.run({ session: EARLY, ask: false, page: "now" });
  assert.equal(held.get(KEPT), EARLY);
  one.run({ session: null, ask: false, page: "now" });
  assert.equal(held.has(KEPT), false);
});

test("a token that the live screen renewed meanwhile is handed over, not written over", () => {
  const { one, held, told } = keeper({ kept: LATE });
  one.run({ session: EARLY, ask: false, script: "s1", page: "team" });
  assert.equal(held.get(KEPT), LATE);
  assert.deepEqual(told, [["found", `s1:${LATE}`]]);
});

test("another user's session, an older one, or nonsense gives way", () => {
  for (const kept of [session("2026-11-26T23:00:00Z", "u2"), EARLY, "nonsense"]) {
    const { one, held, told } = keeper({ kept });
    one.run({ session: LATE, ask: false, page: "now" });
    assert.equal(held.get(KEPT), LATE);
    assert.deepEqual(told, []);
  }
});

test("the URL names the page, and what else stands in it stays", () => {
  assert.equal(pageOf(""), "now");
  assert.equal(pageOf("?page=team&q=x"), "team");
  assert.equal(withPage("?who=team&q=a%20b", "admin"), "?who=team&q=a+b&page=admin");
  assert.equal(withPage("?page=admin&who=team", "now"), "?who=team");
  assert.equal(withPage("?page=admin", "now"), "");
});

test("a page that the script opens is a step in the history; one that the URL names already is none", () => {
  const { one, urls } = keeper({ search: "?page=team&who=mine" });
  one.run({ session: EARLY, ask: false, page: "team" });
  assert.deepEqual(urls, []);
  one.run({ session: EARLY, ask: false, page: "admin" });
  one.run({ session: EARLY, ask: false, page: "admin" });
  assert.deepEqual(urls, ["?page=admin&who=mine"]);
});

test("a page that there is not is corrected in its place, so that Back does not lead to it again", () => {
  const { one, urls, replaced, go } = keeper({ search: "?page=xyz&q=a" });
  one.run({ session: EARLY, ask: false, page: "now" });
  assert.deepEqual([urls, replaced], [[], ["?q=a"]]);
  go("?page=abc");
  one.moved();
  one.run({ session: EARLY, ask: false, page: "now" });
  assert.deepEqual([urls, replaced], [[], ["?q=a", ""]]);
  one.run({ session: EARLY, ask: false, page: "admin" });
  assert.deepEqual(urls, ["?page=admin"]);
});

test("back and forward tell the script the page, and nothing when only a filter changed", () => {
  const { one, told, go } = keeper({ search: "?page=team" });
  one.run({ session: EARLY, ask: false, page: "team" });
  go("?page=team&q=x");
  one.moved();
  assert.deepEqual(told, []);
  go("?q=x");
  one.moved();
  assert.deepEqual(told, [["went", "now"]]);
});

test("a link to a lead opens the live screen with it", () => {
  const { one, told, urls } = keeper({ search: "?page=team&who=team" });
  one.run({ session: EARLY, ask: false, page: "team" });
  one.follow("?page=now&lead=l-7");
  assert.deepEqual(urls, ["?who=team&lead=l-7"]);
  assert.deepEqual(told, [["went", "now"]]);
});
