import assert from "node:assert/strict";
import test from "node:test";
import { LeadFilter } from "../../ghl_real_estate_ai/streamlit_components/assets/live_filters.js";
import { hiddenWords } from "../../ghl_real_estate_ai/streamlit_components/assets/live_empty.js";
import { KeyChoice, meaningOf } from "../../ghl_real_estate_ai/streamlit_components/assets/live_keys.js";
import { LiveSession } from "../../ghl_real_estate_ai/streamlit_components/assets/live_session.js";
import { LiveTeam } from "../../ghl_real_estate_ai/streamlit_components/assets/live_team.js";
import { stateOfUrl, UrlState, urlOfState } from "../../ghl_real_estate_ai/streamlit_components/assets/live_url.js";
import { FakeOutside, answer } from "../live_client/fake_outside.mjs";

const nothing = { name: "", stage: "", source: "", assigned: null, risk: null, places: [], declined: [], said: [], next: null };
const facets = {
  maria: { ...nothing, name: "Maria Gómez", stage: "new", source: "zillow", assigned: "crm-1", risk: 3, places: ["Elm Harbor", "44 Pecan Street"], next: { action: { reach: { to: "+1 (512) 555-0142" } } } },
  omar: { ...nothing, name: "Omar Haddad", stage: "new", source: "website", assigned: "crm-2", risk: 1, said: ["Is the ROOF new?"] },
  free: { ...nothing, name: "Free Lead", stage: "contacted", next: { action: { evidence: [{ text: "looked at 12 Oak St" }] } } },
  passed: { ...nothing, name: "Passed On", assigned: "crm-1", declined: ["user-1"] },
};
const team = Object.assign(new LiveTeam({ userId: "user-1" }), { me: "crm-1" });
const items = Object.keys(facets).map((lead) => ({ key: lead, lead_id: lead }));

function shown(values) {
  const filter = new LeadFilter({ facetOf: (leadId) => facets[leadId] ?? nothing, isMine: (facet) => team.isMine(facet) });
  filter.set(values);
  return filter.of(items).map(({ key }) => key);
}

test("mine are the user's own leads and nobody's, without those that they passed on", () => {
  assert.deepEqual(shown({ who: "mine" }), ["maria", "free"]);
  assert.deepEqual(shown({ who: "team" }), ["maria", "omar", "free", "passed"]);
});

test("what only its user does not see is what they passed on, within the other filters", () => {
  const filter = new LeadFilter({ facetOf: (leadId) => facets[leadId] ?? nothing, isMine: (facet) => team.isMine(facet) });
  const passed = (values) => (filter.set({ who: "mine", agent: "", q: "", ...values }), filter.passedOn(items).map(({ key }) => key));
  assert.deepEqual(passed({}), ["passed"]);
  assert.deepEqual(passed({ q: "maria" }), []);
  assert.deepEqual(passed({ who: "team" }), []); // there its row stands among the others
});

test("a row that was taken back is shown within the filters, also before the stream tells that it is", () => {
  const filter = new LeadFilter({ facetOf: (leadId) => facets[leadId] ?? nothing, isMine: (facet) => team.isMine(facet) });
  const again = (lead_id, values) => (filter.set({ who: "mine", q: "", ...values }), filter.showsAgain({ lead_id, action: { evidence: [{ text: "saved 9 Elm" }] } }));
  assert.ok(again("passed", {}));
  assert.ok(again("passed", { q: "9 elm" })); // its action, which the stream has not told again
  assert.ok(!again("passed", { q: "zz9" }));
  assert.ok(!again("omar", {}));
});

test("one agent's leads take the place of mine and everyone's", () => {
  assert.deepEqual(shown({ agent: "crm-2", who: "mine" }), ["omar"]);
  assert.deepEqual(shown({ agent: "crm-1", stage: "new" }), ["maria"]);
  assert.deepEqual(stateOfUrl("?agent=crm-2&page=x").agent, "crm-2");
  assert.equal(urlOfState("?page=x", { agent: "crm-2" }), "?page=x&agent=crm-2");
});

test("what a search finds among others' leads is counted, and only while mine are shown", () => {
  const filter = new LeadFilter({ facetOf: (leadId) => facets[leadId], isMine: (facet) => team.isMine(facet) });
  const count = (values) => (filter.set(values), filter.elsewhere([...items, { lead_id: "omar" }, {}]));
  assert.equal(count({ who: "mine", q: "roof" }), 1);
  assert.equal(hiddenWords("lead_scores", filter, items), "Nothing in yours; 1 in the team.");
  assert.equal(count({ who: "team" }), 0);
  assert.match(hiddenWords("lead_scores", filter, items), /Clear them/);
  filter.set({ who: "mine", q: "" });
  assert.equal(hiddenWords("next_actions", filter, []), "Nothing waits for you. The next lead that needs a person appears here.");
});

test("the team asked again is news only with another name or another me", async () => {
  let news = 0;
  const outside = new FakeOutside();
  const bodies = [{ me: "a", members: [{ user_id: "a", name: "Ann" }] }];
  const asked = new LiveTeam({ api: { get: async () => ({ ok: true, body: bodies.at(-1) }) }, outside, userId: "u", changed: () => (news += 1) });
  await asked.start();
  await asked.start();
  assert.equal(news, 1);
  bodies.push({ me: "a", members: [{ user_id: "a", name: "Anna" }] });
  await asked.start();
  assert.equal(news, 2);
  assert.deepEqual(asked.agents, [["a", "Anna"]]);
});

test("stage, source and stages of risk narrow together", () => {
  assert.deepEqual(shown({ stage: "new" }), ["maria", "omar"]);
  assert.deepEqual(shown({ stage: "new", source: "website" }), ["omar"]);
  assert.deepEqual(shown({ risk: [1, 3] }), ["maria", "omar"]);
  assert.deepEqual(shown({ risk: [0] }), []);
});

test("the search looks into name, source, city, messages and evidence; every word must be there", () => {
  assert.deepEqual(shown({ q: "gómez" }), ["maria"]);
  assert.deepEqual(shown({ q: " elm zillow " }), ["maria"]);
  assert.deepEqual(shown({ q: "roof" }), ["omar"]);
  assert.deepEqual(shown({ q: "oak st" }), ["free"]);
  assert.deepEqual(shown({ q: "omar zillow" }), []);
});

test("the search finds an address of a fitting home, a phone by any part of it, and names without their accents", () => {
  assert.deepEqual(shown({ q: "44 pecan st" }), ["maria"]);
  for (const q of ["0142", "555-0142", "(512) 555 0142", "+15125550142"]) assert.deepEqual(shown({ q }), ["maria"], q);
  assert.deepEqual(shown({ q: "555-0143" }), []);
  assert.deepEqual(shown({ q: "gomez" }), ["maria"]);
});

test("whose leads are shown is no filter that one clears", () => {
  const filter = new LeadFilter({ facetOf: () => nothing, isMine: () => true });
  const told = (values) => (filter.set(values), [filter.active, filter.narrowed]);
  assert.deepEqual(told({}), [false, false]);
  assert.deepEqual(told({ who: "mine" }), [true, false]);
  assert.deepEqual(told({ who: "team", q: " " }), [false, false]);
  assert.deepEqual(told({ q: "elm" }), [true, true]);
});

test("a lead is looked at once per change and choice", () => {
  let looks = 0;
  const facet = { ...nothing, get stage() { looks += 1; return "new"; } };
  const filter = new LeadFilter({ facetOf: () => facet, isMine: () => true });
  filter.set({ stage: "new" });
  for (let i = 0; i < 5; i += 1) assert.ok(filter.passes("a"));
  assert.equal(looks, 1);
  filter.set({ stage: "won" });
  assert.ok(!filter.passes("a"));
});

test("2,000 leads are filtered anew by each key press", () => {
  const many = new Map(Array.from({ length: 2_000 }, (_, i) => [`l${i}`, { ...nothing, name: `Lead ${i}`, said: ["a message of some length ".repeat(8)] }]));
  const filter = new LeadFilter({ facetOf: (leadId) => many.get(leadId), isMine: () => true });
  const rows = [...many.keys()].map((lead) => ({ key: lead, lead_id: lead }));
  for (const q of ["l", "le", "lead", "lead 1", "lead 19"]) {
    filter.set({ q });
    assert.ok(filter.of(rows).length > 0);
  }
  assert.equal(filter.of(rows).length, [...many.keys()].filter((lead) => lead.includes("19")).length);
});

test("the address says what is shown, and foreign parameters stay", () => {
  const search = "?page=now&who=team&stage=new&risk=2,3&source=zillow&q=elm+st&lead=l%2F1&tab=churn_risk&put_off=1";
  const state = stateOfUrl(search);
  assert.deepEqual(state, { who: "team", agent: "", stage: "new", risk: [2, 3], source: "zillow", q: "elm st", lead: "l/1", tab: "churn_risk", put_off: "1" });
  assert.equal(urlOfState("?page=now", state), search);
  assert.equal(urlOfState(search, { risk: [] }), "?page=now");
  assert.deepEqual(stateOfUrl("?who=everybody&risk=7,x,2,2&put_off=yes"), { who: "", agent: "", stage: "", risk: [2], source: "", q: "", lead: "", tab: "", put_off: "" });
  assert.equal(stateOfUrl(`?q=${"x".repeat(900)}`).q.length, 200);
});

class Page extends EventTarget {
  constructor(search) {
    super();
    this.steps = [search];
    const put = (how) => (state, title, url) => {
      if (how === "replace") this.steps.pop();
      this.steps.push(url.replace("/", ""));
    };
    this.history = {
      state: null,
      pushState: put("push"),
      replaceState: put("replace"),
      back: () => (this.steps.pop(), this.dispatchEvent(new Event("popstate"))),
    };
  }

  get location() {
    return { search: this.steps.at(-1), pathname: "/", hash: "" };
  }
}

test("opening a lead is a step that Back undoes; closing it takes that step back", () => {
  const page = new Page("?page=now");
  const seen = [];
  const url = new UrlState({ page, wentBack: (state) => seen.push(state.lead) });
  url.write({ q: "elm" });
  url.push({ lead: "a" });
  url.push({ lead: "b" }); // from one lead to another: one step back leaves both
  assert.deepEqual(page.steps, ["?page=now&q=elm", "?page=now&q=elm&lead=b"]);
  url.leadClosed();
  assert.deepEqual([page.steps, seen], [["?page=now&q=elm"], [""]]);
  url.leadClosed();
  assert.deepEqual(page.steps, ["?page=now&q=elm"]);
});

test("a lead that a link opened is closed without leaving the page; a rerun that lost our part gets it back", () => {
  const page = new Page("?lead=a&page=now");
  const url = new UrlState({ page, wentBack: () => assert.fail("no step was taken back") });
  url.leadClosed();
  assert.deepEqual(page.steps, ["?page=now"]);
  url.write({ q: "elm" });
  page.history.pushState(null, "", "/?page=team");
  url.keep();
  assert.equal(page.steps.at(-1), "?page=team&q=elm");
});

test("a screen that ends takes no step back", () => {
  const page = new Page("?page=now");
  const url = new UrlState({ page, wentBack: () => assert.fail("no step was taken back") });
  url.push({ lead: "a" });
  url.stop();
  url.leadClosed();
  assert.equal(page.steps.length, 2);
});

test("keys mean something, but not while somebody types, with a modifier, or over a dialog", () => {
  const press = (key, more = {}) => meaningOf({ key, ...more })?.name ?? null;
  assert.deepEqual(["/", "j", "k", "a", "s", "n", "z", "?", "3", "7", "x"].map((key) => press(key)), ["search", "next", "previous", "act", "snooze", "decline", "undo", "keys", "panel", null, null]);
  assert.equal(meaningOf({ key: "3" }).panel, 2);
  for (const more of [{ isTyping: true }, { ctrlKey: true }, { metaKey: true }, { altKey: true }]) assert.equal(press("a", more), null);
  assert.deepEqual(["a", "j", "z"].map((key) => press(key, { inDialog: true })), [null, null, "undo"]);
});

test("single keys can be turned off, for good where the browser keeps it", () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  assert.equal(new KeyChoice(storage).on, true);
  new KeyChoice(storage).set(false);
  assert.equal(new KeyChoice(storage).on, false);
  new KeyChoice(storage).set(true);
  assert.equal(new KeyChoice(storage).on, true);
  const none = new KeyChoice({ getItem() { throw new Error("no"); }, setItem() { throw new Error("no"); } });
  none.set(false);
  assert.equal(none.on, false);
});

test("a session is renewed, kept for a reload, and forgotten at its end", async () => {
  const kept = new Map();
  const keep = { setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  const renewed = [];
  const outside = new FakeOutside({ tickets: [answer(201, { access_token: "t2", expires_at: "2030-01-01T00:00:00Z" }), answer(503), answer(401)] });
  const session = new LiveSession({ apiUrl: "http://gateway", token: "t1", outside, keep, renewed: (made) => renewed.push(made.access_token) });
  assert.equal(await session.renew(), "t2");
  assert.equal(outside.requests[0].headers.Authorization, "Bearer t1");
  assert.deepEqual([session.token, renewed], ["t2", ["t2"]]);
  assert.ok(session.had("t1") && session.had("t2") && !session.had("t3"));
  assert.equal(JSON.parse(kept.get("enterprisehub.session")).access_token, "t2");
  await assert.rejects(session.renew(), /HTTP 503/); // may pass: the line tries again
  assert.equal(await session.renew(), null);
  session.forget();
  assert.equal(kept.size, 0);
});

test("the team is asked hourly, sooner after trouble, and unknown agents are told by the end of their id", async () => {
  const api = { replies: [{ ok: false }, { ok: true, body: { me: "crm-1", members: [{ user_id: "crm-1", name: "Alex Rivera" }] } }], get: async () => api.replies.shift() ?? { ok: false } };
  const outside = new FakeOutside();
  let changes = 0;
  const asked = new LiveTeam({ api, outside, userId: "u", changed: () => (changes += 1) });
  await asked.start();
  assert.deepEqual([asked.known, changes, outside.timers[0].ms], [false, 0, 60_000]);
  await outside.pass(60_000);
  assert.deepEqual([asked.known, asked.me, changes, outside.timers[0].ms], [true, "crm-1", 1, 3_600_000]);
  assert.deepEqual(["crm-1", "abcdef99", null].map((id) => asked.nameOf(id)), ["Alex Rivera", "agent ef99", "nobody yet"]);
  asked.stop();
  assert.equal(outside.timers.length, 0);
});
