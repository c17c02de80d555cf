import assert from "node:assert/strict";
import test from "node:test";
import { putOffCounts, reasonPutOff, whyPutOff } from "../../ghl_real_estate_ai/streamlit_components/assets/live_put_off.js";
import { timeOfDay } from "../../ghl_real_estate_ai/streamlit_components/assets/live_words.js";

const NOW = Date.UTC(2026, 10, 26, 12);
const UNTIL = NOW + 2 * 3_600_000;
const until = new Date(UNTIL).toISOString();
const snoozed = { action: { snoozed_until: until, taken_on: false } };
const taken = { action: { snoozed_until: until, taken_on: true } };
const passed = { action: { snoozed_until: null } };

test("only what there is is counted", () => {
  assert.equal(putOffCounts([snoozed, passed, taken, snoozed], NOW), "2 snoozed, 1 taken on, 1 not mine");
  assert.equal(putOffCounts([taken], NOW), "1 taken on");
  assert.equal(putOffCounts([], NOW), "");
  assert.equal(putOffCounts([snoozed], UNTIL), "1 not mine"); // its time has come: only who passed it on does not see it
});

test("each says until when and what brings it back", () => {
  const time = timeOfDay(UNTIL, NOW);
  assert.equal(reasonPutOff(snoozed, NOW), `Snoozed until ${time}`);
  assert.equal(reasonPutOff(taken, NOW), `Taken on: back at ${time} if no call or message is seen`);
  assert.match(reasonPutOff(passed, NOW), /Passed on by you/);
  assert.equal(whyPutOff(passed, NOW), "declined");
});
