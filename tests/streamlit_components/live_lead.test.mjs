import assert from "node:assert/strict";
import test from "node:test";
import * as words from "../../ghl_real_estate_ai/streamlit_components/assets/live_lead_words.js";
import { curveInWords, curveShape, probabilityAt } from "../../ghl_real_estate_ai/streamlit_components/assets/live_lead_curve.js";
import { strongest } from "../../ghl_real_estate_ai/streamlit_components/assets/live_lead_numbers.js";
import { offeredWishes, refusalInWords, sameWish, statedWishes } from "../../ghl_real_estate_ai/streamlit_components/assets/live_lead_wishes.js";
import { quotedPieces } from "../../ghl_real_estate_ai/streamlit_components/assets/live_lead_talk.js";
import { waysWithText } from "../../ghl_real_estate_ai/streamlit_components/assets/live_reply.js";
import { dayAndTime, dialled } from "../../ghl_real_estate_ai/streamlit_components/assets/live_words.js";
import { reasonsToAct } from "../../ghl_real_estate_ai/streamlit_components/assets/live_lead_action.js";
import { headFacts } from "../../ghl_real_estate_ai/streamlit_components/assets/live_lead_head.js";

const NOON = Date.UTC(2026, 10, 26, 12);
const HOUR = 3_600_000;
const at = (hours) => new Date(NOON + hours * HOUR).toISOString();
const inbound = (hours, ...facts) => ({ direction: "inbound", at: at(hours), facts });

test("an interval is told with its certainty, and a prior as what it is", () => {
  assert.equal(words.intervalInWords({ low: 0.07, high: 0.19, level: 0.8 }), "between 7\u00a0% and 19\u00a0%, 80\u00a0% sure");
  assert.equal(words.intervalInWords({ low: 0.1, high: 0.102, level: 0.8 }), "about 10\u00a0%, 80\u00a0% sure");
  assert.equal(words.intervalInWords(null), "");
  const own = { simulated: false };
  assert.match(words.priorInWords(0.9, own), /too few leads of your own/);
  assert.equal(words.priorInWords(0, own), "From your own leads.");
  assert.equal(words.priorInWords(0, { simulated: true }), "As fitted on simulated leads, not on your own.");
  assert.equal(words.priorInWords(0.01, { simulated: true }), "From your own leads.");
  assert.equal(words.priorInWords(null), "");
});

test("the bars of one lead share an axis that holds the widest of them", () => {
  assert.equal(words.sharedScale([{ probability: 0.02, interval: { low: 0.01, high: 0.04 } }, null]), 0.05);
  assert.equal(words.sharedScale([{ probability: 0.02 }, { probability: 0.3, interval: { low: 0.2, high: 0.51 } }]), 1);
  assert.equal(words.sharedScale([null, undefined]), 0.05);
});

test("an input of a model is told in words, an unknown one by its name", () => {
  assert.equal(words.featureInWords("messages_in_7d"), "messages from the lead, this week");
  assert.equal(words.featureInWords("silence_days"), "how long the lead has been silent");
  assert.equal(words.featureInWords("of_tomorrow"), "of tomorrow");
});

test("reasons: the strongest of either direction first, without what the model says of anybody", () => {
  assert.deepEqual(strongest({ base: -3, a: 0.2, b: -0.9, c: 0 }), [["b", -0.9], ["a", 0.2]]);
});

test("a crossing says when, and that it holds only if nothing comes", () => {
  assert.match(words.crossingInWords({ stage: 2, at: at(48) }, NOON), /^Active in 2 d.*, if nothing comes$/);
  const over = (hours, from) => words.crossingInWords({ stage: 3, at: at(hours) }, NOON, from);
  assert.equal(over(-1), `Critical since ${dayAndTime(at(-1))} by the numbers; the stage begins ${dayAndTime(at(11))} if it lasts`);
  assert.equal(over(-1, at(5)), over(-1)); // old enough before the number has lasted
  assert.match(over(-20), /by the numbers; the stage begins if it lasts$/);
  assert.equal(over(-20, at(30)), `Critical since ${dayAndTime(at(-20))} by the numbers; the lead is too new for a stage until ${dayAndTime(at(30))}`);
});

test("the curve: higher risk stands higher, and a crossing is marked where the line meets it", () => {
  const points = Array.from({ length: 57 }, (_, i) => ({ at: at(6 * i), probability: 0.2 + 0.01 * i }));
  const shape = curveShape(points, [{ stage: 1, at: at(60) }, { stage: 3, at: at(5_000) }], 560);
  const heights = shape.line.split(" ").map((pair) => Number(pair.split(",")[1]));
  assert.ok(heights[0] > heights.at(-1));
  assert.equal(shape.marks.length, 1); // what lies beyond the two weeks is not drawn
  assert.ok(Math.abs(shape.marks[0].y - shape.levels[0].y) < 1);
  assert.deepEqual(shape.ticks.map((tick) => tick.text), ["now", "+2 d", "+4 d", "+6 d", "+8 d", "+10 d", "+12 d", "+14 d"]);
  assert.equal(probabilityAt(points, NOON - HOUR), 0.2);
  assert.ok(Math.abs(probabilityAt(points, NOON + 3 * HOUR) - 0.205) < 1e-9);
  assert.equal(curveInWords(points, [], NOON)[0], "Now 20\u00a0%, in 14 days 76\u00a0% if the lead stays silent.");
});

const contact = { phone: "+1 (555) 010-2030", email: "maria+home@example.com", dnd: false };

test("a lead is reached by what the CRM has; what is missing or forbidden says why", () => {
  const open = words.waysToReach({ contact, messages: [] });
  assert.deepEqual(open.map((way) => way.href), ["tel:+15550102030", "sms:+15550102030", "mailto:maria%2Bhome@example.com"]);
  const [call, , email] = words.waysToReach({ contact: { dnd: null }, messages: [] });
  assert.deepEqual([call.href, call.why, email.why], [null, "no phone in the CRM", "no email in the CRM"]);
});

test("an extension is not dialled as part of the number", () => {
  for (const phone of ["+1 512 555 0100 x12", "+1 (512) 555-0100 ext. 12", "+1 512 555 0100 #12", "+1 512 555 0100;ext=12", "+1.512.555.0100"]) assert.equal(dialled(phone), "+15125550100");
  assert.equal(dialled(undefined), "");
  assert.equal(words.waysToReach({ contact: { ...contact, phone: "+1 512 555 0100 x12" }, messages: [] })[0].href, "tel:+15125550100");
});

test("a suggested text is taken along only by the ways that are open and take a text", () => {
  const ways = words.waysToReach({ contact, messages: [] });
  assert.deepEqual(waysWithText(ways, "Hi & you?").map(({ label, href }) => [label, href]), [
    ["Text with this", "sms:+15550102030?body=Hi%20%26%20you%3F"],
    ["Email with this", "mailto:maria%2Bhome@example.com?body=Hi%20%26%20you%3F"],
  ]);
  assert.deepEqual(waysWithText(words.waysToReach({ contact: { ...contact, dnd: true }, messages: [] }), "Hi"), []);
});

test("a refused wish names what the page calls it, not the field", () => {
  assert.equal(refusalInWords("wishes.max_list_price: $805,000 is below the minimum of $900,000; change both, or take one out"), "Highest price: $805,000 is below the minimum of $900,000; change both, or take one out");
  assert.equal(refusalInWords("the gateway does not answer: try again"), "the gateway does not answer: try again");
});

test("the timeline folds what repeats and names homes by address", () => {
  const seen = (home) => ({ type: "PropertyActivityRecorded", summary: "viewed a home", home });
  const changed = { type: "LeadUpserted", summary: "contact changed: email" };
  const rows = words.foldedEntries([seen("1 Oak"), seen("2 Oak"), seen("1 Oak"), changed, { ...changed, summary: "contact changed" }, seen("3 Oak"), seen("3 Oak"), { type: "LeadUpserted", summary: "new lead: name" }]);
  assert.deepEqual(rows.map((row) => words.timelineInWords(row)), ["viewed 2 homes: 1 Oak, 2 Oak", "contact changed 2 times", "viewed 3 Oak, 2 times", "new lead: name"]);
  const many = words.foldedEntries(["1", "2", "3", "4", "5"].map(seen));
  assert.equal(words.timelineInWords(many[0]), "viewed 5 homes: 1, 2, 3 and 2 more");
});

test("the timeline tells a message by its first line, and times in the reader's zone", () => {
  const entry = { type: "MessageReceived", summary: "lead's sms message" };
  assert.equal(words.timelineInWords(entry, { direction: "inbound", channel: "sms", text: "Hello there\nand more" }), "Text: “Hello there”");
  assert.match(words.timelineInWords(entry, { direction: "inbound", channel: "sms", text: "long ".repeat(60) }), /^Text: “.{100,112}…”$/);
  assert.equal(words.timelineInWords(entry, { direction: "outbound", human: false, channel: "email", text: "Hi" }), "Automation · Email: “Hi”");
  assert.equal(words.timelineInWords({ type: "MessageSent", summary: "our call: 4 min 39 s" }, { direction: "outbound", human: true, channel: "call", text: null }), "our call: 4 min 39 s");
  assert.equal(words.timelineInWords({ type: "AppointmentChanged", summary: "appointment booked", about_at: at(2) }), `appointment booked: ${dayAndTime(at(2))}`);
  assert.equal(words.timelineInWords({ type: "ActionSnoozed", summary: "action put off", about_at: at(2) }), `action put off until ${dayAndTime(at(2))}`);
  assert.equal(words.timelineInWords(entry), "lead's sms message");
});

test("do not disturb closes all ways but the one by which the lead waits for an answer", () => {
  const dnd = { ...contact, dnd: true };
  assert.deepEqual(words.waysToReach({ contact: dnd, messages: [] }).map((way) => way.href), [null, null, null]);
  const answering = words.waysToReach({ contact: dnd, reach: { channel: "sms", to: contact.phone }, messages: [] });
  assert.deepEqual(answering.map((way) => way.href), [null, "sms:+15550102030", null]);
});

test("a lead that asked to stop is reached by nothing until it writes again", () => {
  const stop = { direction: "inbound", facts: [{ kind: "stop" }] };
  assert.deepEqual(words.waysToReach({ contact, messages: [stop] }).map((way) => way.why), Array(3).fill("the lead asked to stop"));
  assert.ok(words.waysToReach({ contact, messages: [stop, { direction: "inbound", facts: [] }] })[0].href);
});

const budget = (value, quote) => ({ kind: "budget", wish: "max_list_price", wish_value: value, quote });

test("wishes are told as chips, only those that are stated", () => {
  const wishes = { city: "Elm Harbor", max_list_price: "450000", min_bedrooms: 0, min_bathrooms: null, features: [] };
  assert.deepEqual(statedWishes(wishes).map(([field, value]) => words.wishInWords(field, value)), ["in Elm Harbor", "up to $450,000"]);
  assert.equal(words.wishInWords("property_sub_type", "SingleFamilyResidence"), "Single family residence");
});

test("two values that say the same are the same wish", () => {
  assert.ok(sameWish("450000.00", 450000));
  assert.ok(sameWish("austin ", "Austin"));
  assert.ok(sameWish(["pool", "garage"], ["garage", "pool"]));
  assert.ok(sameWish(null, undefined));
  assert.ok(!sameWish(null, 0));
});

test("a wish that a message states is offered until it is held, by the newest word", () => {
  const messages = [inbound(-3, budget(400_000, "under 400")), inbound(-1, budget(450_000, "up to 450k"))];
  assert.deepEqual(offeredWishes(messages, {}, -Infinity).map((offer) => [offer.field, offer.value, offer.quote]), [["max_list_price", 450_000, "up to 450k"]]);
  assert.deepEqual(offeredWishes(messages, { max_list_price: "450000" }, -Infinity), []);
  assert.equal(offeredWishes(messages, { max_list_price: "300000" }, -Infinity).length, 1);
});

test("an agent's correction outlives what was said before it, not what is said after it", () => {
  const messages = [inbound(-2, budget(400_000, "under 400"))];
  assert.deepEqual(offeredWishes(messages, { max_list_price: "300000" }, NOON), []);
  assert.equal(offeredWishes(messages, { max_list_price: "300000" }, NOON - 3 * HOUR).length, 1);
});

test("a feature joins the features that are held; what the team wrote is no wish of the lead", () => {
  const pool = { kind: "feature", wish: "features", wish_value: "pool", quote: "a pool" };
  assert.deepEqual(offeredWishes([inbound(-1, pool)], { features: ["garage"] }, -Infinity)[0].value, ["garage", "pool"]);
  assert.deepEqual(offeredWishes([inbound(-1, pool)], { features: ["pool"] }, -Infinity), []);
  assert.deepEqual(offeredWishes([{ ...inbound(-1, pool), direction: "outbound" }], {}, -Infinity), []);
});

test("a message in pieces is the same message, with its quotes apart and none twice", () => {
  const facts = [{ quote: "2 baths" }, { quote: "baths at least" }, { quote: "not in it" }, { quote: "" }];
  const pieces = quotedPieces("We need 2 baths at least", facts);
  assert.equal(pieces.map((piece) => piece.text).join(""), "We need 2 baths at least");
  assert.deepEqual(pieces.filter((piece) => piece.fact !== null).map((piece) => piece.text), ["2 baths"]);
  assert.deepEqual(quotedPieces("plain", []), [{ text: "plain", fact: null }]);
});

test("the timeline is told by day, on the lead's own time line", () => {
  const noon = new Date(2026, 10, 26, 12).getTime();
  const entry = (hours) => ({ at: new Date(noon + hours * HOUR).toISOString() });
  const days = words.byDay([entry(-1), entry(-3), entry(-24), entry(-72)], noon);
  assert.deepEqual(days.map(([day, entries]) => [day.split(",")[0], entries.length]), [["Today", 2], ["Yesterday", 1], ["Monday", 1]]);
  assert.deepEqual(words.timelineKind("OfTomorrow"), ["·", "Event"]);
});

test("who wrote: the lead, a colleague by name, the team, or an automation", () => {
  const nameOf = (id) => (id ? "Alex Rivera" : "");
  const sent = { direction: "outbound", human: true, user_id: "u" };
  assert.deepEqual(
    [{ direction: "inbound" }, sent, { ...sent, user_id: null }, { ...sent, human: false }].map((message) => words.senderInWords(message, nameOf)),
    ["Lead", "Alex Rivera", "Team", "Automation"],
  );
});

test("the head tells what is known and names what is not", () => {
  const lead = { stage: "new", assigned_to: null, contact: { source: null } };
  assert.deepEqual(headFacts(lead, null, String), ["Stage new", "source not known", "not assigned", "nothing concluded yet"]);
});

test("an action that nobody may be reached for says why; a snoozed one says until when", () => {
  const lines = reasonsToAct({ evidence: [{ text: "waiting 7 h for a human answer" }, { text: "wrote" }], no_reach: "the lead asked to stop", snoozed_until: at(2) }, Date.parse(at(0)));
  assert.deepEqual(lines.map(([kind]) => kind), ["evidence", "no-reach", "meta"]);
  assert.match(lines[1][1], /the lead asked to stop/);
  assert.match(lines[2][1], /^Snoozed until .*; it comes back by itself\.$/);
  assert.deepEqual(reasonsToAct({ evidence: [], snoozed_until: at(-1) }, Date.parse(at(0))), []); // it is back
  const [[, taken]] = reasonsToAct({ evidence: [], snoozed_until: at(2), taken_on: true }, Date.parse(at(0)));
  assert.match(taken, /^Taken on: comes back at .* if no call or message is seen\.$/);
});

test("what would give more is told with its number of homes", () => {
  assert.equal(words.relaxationInWords({ change: "raise the maximum by $15,000 to $415,000", more: 6 }), "Raise the maximum by $15,000 to $415,000: 6 more homes");
  assert.equal(words.relaxationInWords({ change: "drop the pool", more: 1 }), "Drop the pool: 1 more home");
});
