import assert from "node:assert/strict";
import test from "node:test";
import { PaintLog } from "../../ghl_real_estate_ai/streamlit_components/assets/live_paints.js";
import { outOfOrder, sparkPoints } from "../../ghl_real_estate_ai/streamlit_components/assets/live_dom.js";
import * as words from "../../ghl_real_estate_ai/streamlit_components/assets/live_words.js";

test("a probability never reads as a certainty", () => {
  assert.deepEqual([0.874, 0.999, 0.001, 0, 1, null].map(words.percent), ["87\u00a0%", ">99\u00a0%", "<1\u00a0%", "0\u00a0%", "100\u00a0%", "–"]);
});

test("the cause names the event when it moved the number, else the time, else says that nothing moved", () => {
  const base = { summary: "replied", score_by_event: 0.12, score_by_time: -0.3, churn_by_event: 0, churn_by_time: 0.05 };
  assert.deepEqual(words.causeInWords(base, "score"), { change: "+12", text: "replied", direction: 1 });
  assert.deepEqual(words.causeInWords(base, "churn"), { change: "+5", text: "time passing", direction: 1 });
  const silent = { ...base, event_type: "LeadWentQuiet", summary: "silent for 5 days", churn_by_event: 0 };
  assert.deepEqual(words.causeInWords(silent, "churn"), { change: "+5", text: "silent for 5 days", direction: 1 });
  const quiet = { summary: "replied", score_by_event: 0.001, score_by_time: null };
  assert.deepEqual(words.causeInWords(quiet, "score"), { change: "", text: "replied", direction: 0 });
});

test("a risk that rises by the clock is bad, whatever the event itself moved", () => {
  const cause = { event_type: "MessageSent", summary: "our sms message", churn_by_event: -0.001, churn_by_time: 0.09 };
  assert.deepEqual(words.riskReason(cause), { change: "+9", text: "time passing", direction: 1 });
});

test("the log's line is said as people say it", () => {
  const said = ["lead's sms message", "our call", "automated email message", "lead's social message", "viewed a home"];
  assert.deepEqual(said.map(words.eventInWords), ["the lead texted", "we called", "automation emailed", "the lead wrote", "viewed a home"]);
});

test("a score's reason is what the lead did, else the next action's evidence, never an agent's click", () => {
  const deed = { event_type: "MessageReceived", summary: "lead's sms message", score_by_event: 0.05, score_by_time: 0 };
  assert.deepEqual(words.scoreReason(deed, null), { change: "+5", text: "the lead texted", direction: 1 });
  assert.deepEqual(words.scoreReason({ ...deed, score_by_event: 0, score_by_time: -0.1 }, null), { change: "", text: "the lead texted", direction: 0 });
  const evidence = [{ text: "84% chance of an appointment within 14 days" }, { text: "looked at 12 Oak St twice" }];
  for (const event_type of ["ActionSnoozed", "ActionAcknowledged", "LeadUpserted", "MessageSent"]) {
    const click = { event_type, summary: "action put off", score_by_event: 0, score_by_time: -0.1, churn_by_event: 0, churn_by_time: null };
    assert.equal(words.scoreReason(click, { action: { evidence } }).text, "looked at 12 Oak St twice");
    assert.equal(words.scoreReason(click, null).text, "");
    if (event_type !== "MessageSent") assert.equal(words.riskReason(click).text, "");
  }
});

test("ages", () => {
  assert.equal(words.ago("2026-01-01T00:00:00Z", Date.UTC(2026, 0, 1) + 3_000), "now");
  assert.equal(words.ago("2026-01-01T00:00:00Z", Date.UTC(2026, 0, 1) + 90_000), "1 min");
});

test("a home says only what its listing states", () => {
  assert.equal(words.homeFacts({ BedroomsTotal: 3, LivingArea: 1840.4 }), "3 bd · 1,840 sq ft");
  assert.equal(words.homeName({ City: "Elm Harbor", ListingKey: "K1" }), "Elm Harbor, K1");
  assert.equal(words.money("425000.00"), "$425,000");
  assert.equal(words.money(null), "price unknown");
  assert.equal(words.wishName("feature:new_construction"), "new construction");
});

test("a call without text is told by its length; a channel of tomorrow is a message", () => {
  assert.equal(words.messageText({ text: null, channel: "call", call_seconds: 130 }), "Call of 2 min");
  assert.equal(words.messageText({ text: null, channel: "telepathy" }), "Message without text");
});

test("a model that was fitted on simulated data says so", () => {
  const stamp = { name: "lead_score", version: "1", fitted_on: "the city", simulated: true };
  assert.match(words.stampInWords(stamp), /simulated data, not real leads/);
  assert.doesNotMatch(words.stampInWords({ ...stamp, simulated: false }), /simulated/);
});

test("a spark line is as high as its values moved, a ripple stays a ripple, and what did not move has none", () => {
  assert.equal(sparkPoints([0.5]), "");
  assert.equal(sparkPoints([0.5, 0.5, 0.501]), "");
  assert.equal(sparkPoints([0, 1]), "0.0,16.0 64.0,2.0");
  assert.equal(sparkPoints([0.4, 0.3]), "0.0,2.0 64.0,16.0");
  assert.equal(sparkPoints([0.4, 0.41]), "0.0,10.4 64.0,7.6"); // one point of the five that the box holds
});

test("of rows in a new order the fewest move: one that rose or fell, one that is new, none when one left", () => {
  const moved = (present, wanted) => [...outOfOrder([...wanted], [...present])].join("");
  assert.equal(moved("abcde", "abcde"), "");
  assert.equal(moved("abcde", "eabcd"), "e");
  assert.equal(moved("abcde", "bcdea"), "a");
  assert.equal(moved("abcde", "xabcd"), "x");
  assert.equal(moved("abcde", "abde"), "");
  assert.equal(moved("", "ab"), "ab");
});

test("moving only those gives the order that was wanted, whatever it was before", () => {
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 500; round += 1) {
    const shuffled = () => [..."abcdefghij"].filter(() => random() < 0.8).sort(() => random() - 0.5);
    const [present, wanted] = [shuffled(), shuffled()];
    const moving = outOfOrder(wanted, present.filter((name) => wanted.includes(name)));
    const staying = present.filter((name) => wanted.includes(name) && !moving.has(name));
    assert.deepEqual(wanted.filter((name) => !moving.has(name)), staying);
  }
});

test("a paint is stamped after the frame, and a hidden tab forgets what it did not paint", () => {
  let time = 100;
  const frames = [];
  const log = new PaintLog({ now: () => time, after: (then) => frames.push(then) });
  const message = (key) => ({ c: "lead_scores", o: 1, p: 90, e: { key, received_at: null, stage_ms: {} } });
  log.arrived(message("a"), 95);
  log.frame(() => true);
  assert.equal(log.paints.length, 0);
  time = 112;
  frames.shift()();
  assert.deepEqual([log.paints[0].painted_ms, log.paints[0].received_ms, log.paints[0].shown], [112, 95, true]);
  assert.equal(log.quantile(0.95, 0), 22);
  log.arrived(message("b"), 120);
  log.hidden();
  log.frame(() => true);
  assert.equal(frames.length, 0);
  for (let i = 0; i < 2_500; i += 1) log.arrived(message(`n${i}`), 1);
  log.frame(() => true);
  frames.shift()();
  assert.equal(log.paints.length, 2_000);
});

test("a paint never seems to come before its publication, whatever the two clocks say", () => {
  let time = 0;
  const log = new PaintLog({ now: () => time, after: (then) => then() });
  const paint = (sent, took, ahead) => {
    log.arrived({ c: "lead_scores", o: 1, p: sent + ahead, e: { key: "k" } }, sent + took);
    time = sent + took + 8;
    log.frame(() => true);
  };
  assert.equal(log.quantile(0.5, 0), null);
  paint(0, 30, 5_000); // the gateway's clock is 5 s ahead; the greeting took 90 ms, so it said 4,910
  assert.equal(log.quantile(0.95, 4_910), 8); // the greeting alone would have said -52
  paint(100, 3, 5_000);
  assert.deepEqual([0.5, 0.95].map((q) => log.quantile(q, 4_910)), [8, 35]); // 38 in truth: the quickest way is not seen
  assert.equal(log.quantile(0.95, 4_999), 37); // a quick greeting knows more
  for (let i = 0; i < 200; i += 1) paint(1_000 + i, 4, 2_000); // this machine's clock was put right
  assert.deepEqual([0.5, 0.95].map((q) => log.quantile(q, 4_999)), [8, 8]);
});

test("the clock of a waiting lead: fine for five minutes, slipping within the hour, then late", () => {
  const clock = (seconds) => Object.values(words.speedClock(seconds * 1_000)).join(" ");
  assert.equal(clock(-3), "00:00 fine");
  assert.equal(clock(252), "04:12 fine");
  assert.equal(clock(300), "05:00 slipping");
  assert.equal(clock(3_599), "59:59 slipping");
  assert.equal(clock(3_600), "1 h 00 late");
  assert.equal(clock(100_000), "1 d 3 h late");
});

test("the wait as of the last event is not told beside the clock, the lead's own words are", () => {
  const lines = ["waiting 20 h for a human answer", "waiting 20 h for a human answer, after 3 messages", "“waiting 42 min for a human answer”", "wrote 20 h ago"];
  assert.deepEqual(lines.map(words.saysWait), [true, true, false, false]);
});

test("evidence in a row says nothing that the clock and the score beside it say", () => {
  const shown = (text) => words.proofInRow({ text });
  assert.equal(shown("waiting 42 min for a human answer"), null);
  assert.equal(shown("waiting 2 h 05 for a human answer, after 3 messages"), "3 messages without a human answer");
  assert.equal(shown("new 5 min ago; nobody of the team has been in touch"), "Nobody of the team has been in touch");
  assert.equal(shown("25% chance of an appointment within 14 days"), null);
  assert.deepEqual(["called", "left a voicemail, 2 h ago"].map(shown), ["the lead called", "the lead left a voicemail, 2 h ago"]);
  assert.equal(shown("“waiting 42 min for a human answer”"), "“waiting 42 min for a human answer”"); // the lead's own words
  assert.equal(shown("do not disturb is set: answer what the lead asked, send nothing else"), "do not disturb is set: answer what the lead asked, send nothing else");
});

test("a worth is told with two figures, and what it rests on", () => {
  const worth = (value) => words.worthInWords({ expected_value: value });
  assert.deepEqual([183.4, 1_849, 5.2, 0.3, 0].map(worth), ["worth about $180 now", "worth about $1,800 now", "worth about $5 now", "worth less than $1 now", "worth less than $1 now"]);
  assert.equal(worth(null), null);
  assert.match(words.worthRestsOn({ value_assumed: true }), /Typical deal value assumed/);
});

test("a tap leads to the phone's own app, and an address cannot smuggle anything in", () => {
  const to = (channel, address) => words.reachHref({ channel, to: address });
  assert.equal(to("call", "+1 (555) 010-0100"), "tel:+15550100100");
  assert.equal(to("voicemail", "5550100"), "tel:5550100");
  assert.equal(to("sms", "+15550100"), "sms:+15550100");
  assert.equal(to("email", "a?bcc=x@example.com"), "mailto:a%3Fbcc%3Dx@example.com");
  assert.equal(to("sms", "javascript:alert()"), null);
  assert.equal(to("live_chat", "+15550100"), null);
  assert.equal(words.reachHref(null), null);
  assert.deepEqual([{ channel: "call" }, { channel: "sms" }, { channel: "email" }, null].map(words.reachVerb), ["Call", "Text", "Email", "Done"]);
});

test("what can be chosen to snooze lies ahead, in the browser's own zone", () => {
  const at = (day, hour) => new Date(2026, 10, day, hour).getTime(); // the 23rd of November 2026 is a Monday
  const chosen = (now) => words.snoozeChoices(now).map(([name, until]) => [name, new Date(until).getDate(), new Date(until).getHours()]);
  const named = (word, hour) => `${word}, ${words.hourOf(at(25, hour))}`;
  const [evening, tomorrow, monday] = [named("This evening", 18), named("Tomorrow", 9), named("Monday", 9)];
  assert.deepEqual(chosen(at(25, 14)), [["1 hour", 25, 15], [evening, 25, 18], [tomorrow, 26, 9], [monday, 30, 9]]);
  assert.deepEqual(chosen(at(25, 20)).map(([name]) => name), ["1 hour", tomorrow, monday]);
  assert.deepEqual(chosen(at(29, 14)).map(([name]) => name), ["1 hour", evening, tomorrow]); // tomorrow is Monday
  assert.deepEqual(chosen(at(23, 10)).at(-1), [monday, 30, 9]); // on a Monday: the next one
});

test("a time is told alike everywhere: by its hour today, with the day this week, with the date later", () => {
  const at = (day, hour) => new Date(2026, 10, day, hour).getTime();
  assert.equal(words.timeOfDay(at(25, 14), at(25, 9)), words.hourOf(at(25, 14)));
  assert.match(words.timeOfDay(at(27, 9), at(25, 9)), /^\S+ \S/);
  assert.ok(words.timeOfDay(at(27, 9), at(25, 9)).endsWith(words.hourOf(at(27, 9))));
  assert.equal(words.timeOfDay(at(40, 9), at(25, 9)), words.dayAndTime(at(40, 9)));
  for (const told of [words.hourOf, words.clockTime, words.dayAndTime]) assert.doesNotMatch(told(at(25, 9)), /09/); // no leading nought here and none there
});

test("a meeting lies ahead by the stage or by what is to be confirmed", () => {
  assert.equal(words.hasMeetingAhead("appointment", null), true);
  assert.equal(words.hasMeetingAhead("new", { kind: "confirm_appointment" }), true);
  assert.equal(words.hasMeetingAhead("new", { kind: "reply" }), false);
});

test("a number is told as it is read out, and what is none stays", () => {
  assert.deepEqual(["+15550102030", "+4930123456", "maria@example.com"].map(words.addressInWords), ["+1 555 010 2030", "+4930123456", "maria@example.com"]);
});

test("a stage below what the number says tells why; a stage that was entered says nothing", () => {
  assert.equal(words.stageToCome({ probability: 0.47, stage: 0 }), "Early by the number: a stage begins when that has lasted 12 hours, and not in a lead's first 3 days or after its deal");
  assert.match(words.stageToCome({ probability: 0.9, stage: 1 }), /^Critical by the number/);
  for (const [probability, stage] of [[0.3, 0], [0.47, 1], [0.25, 1]]) assert.equal(words.stageToCome({ probability, stage }), "");
});
