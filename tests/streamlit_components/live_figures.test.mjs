import assert from "node:assert/strict";
import test from "node:test";
import { fitFigure, scoreFigure, speedFigure, stageFigure, talkFigure, waitFigure } from "../../ghl_real_estate_ai/streamlit_components/assets/live_figures.js";

const NOW = Date.UTC(2026, 0, 1, 12);
const ago = (minutes) => new Date(NOW - minutes * 60_000).toISOString();
const waiting = (minutes, more = {}) => ({ action: { waiting_since: ago(minutes) }, ...more });
const scored = (probability) => ({ score: { value: probability === null ? null : { probability } } });
const risky = (stage, crossings = []) => ({ churn: { value: { stage, crossings } } });
const fitting = (overall_score) => ({ matches: { value: overall_score === null ? [] : [{ overall_score }] } });
const said = (minutes, direction, human = true) => ({ at: ago(minutes), direction, human });

test("leads that wait are counted by how long, and taken ones are not", () => {
  const figure = waitFigure([waiting(1), waiting(5), waiting(59), waiting(300), waiting(9, { acknowledged_by: "u" }), { action: null }, { action: {} }], NOW);
  assert.deepEqual(figure.values, [1, 1, 1, 0, 1]);
  assert.equal(figure.caption, "4 leads wait for a person, longest 5 h 00");
  assert.match(figure.words, /^4 leads wait for a person: 1 <5 min, 1 <15 min, 1 <1 h, 1 longer\./);
  assert.equal(waitFigure([], NOW).words, "Nobody waits for a person.");
  assert.equal(waitFigure([], NOW, "yours").caption, "Nobody of yours waits for a person");
  assert.equal(waitFigure([], NOW, "shown").caption, ""); // a search found nobody who waits: others may
});

test("chances fall into tenths; one lead without a score falls into none", () => {
  const figure = scoreFigure([scored(0), scored(0.05), scored(0.55), scored(1), scored(null)]);
  assert.deepEqual(figure.values, [2, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
  assert.equal(figure.badge, 2);
  assert.match(figure.words, /^4 leads by chance of an appointment: 2 at 0 to 10\u00a0%, 1 at 50 to 60\u00a0%, 1 at 90 to 100\u00a0%/);
});

test("who slips within a day stands on the stage that it will have reached", () => {
  const inHours = (hours) => new Date(NOW + hours * 3_600_000).toISOString();
  const figure = stageFigure(
    [risky(0, [{ stage: 1, at: inHours(3) }, { stage: 2, at: inHours(20) }]), risky(1, [{ stage: 2, at: inHours(30) }]), risky(3), { churn: { value: null } }],
    NOW,
  );
  assert.deepEqual(figure.values, [1, 1, 0, 1]);
  assert.deepEqual(figure.ahead, [0, 0, 1, 0]);
  assert.equal(figure.badge, 1);
  assert.match(figure.words, /Within 24 h, if nothing comes: 1 active\./);
});

test("fits are those of the best home", () => {
  const figure = fitFigure([fitting(0.83), fitting(0.2), fitting(null)]);
  assert.equal(figure.values[8], 1);
  assert.match(figure.words, /1 at 80\u00a0% or closer\./);
});

test("fits that are all alike are a sentence, no chart", () => {
  const figure = fitFigure([...Array(19).fill(fitting(1)), fitting(0.2)]);
  assert.deepEqual([figure.empty, figure.caption], [true, "The best homes of 19 leads fit alike: at 90\u00a0% or closer"]);
  assert.equal(fitFigure([...Array(9).fill(fitting(1)), fitting(0.2)]).empty, false);
  assert.equal(fitFigure([]).caption, "");
});

test("messages are counted in steps of five minutes, in above and out below, over two hours", () => {
  const figure = talkFigure([said(0, "inbound"), said(4, "outbound"), said(6, "outbound", false), said(130, "inbound")], NOW);
  assert.equal(figure.values.length, 24);
  assert.equal(figure.values.at(-1), 1);
  assert.deepEqual(figure.below.slice(-2), [-1, -1]);
  assert.equal(figure.words, "In the newest 2 h 00: 1 messages in, 2 out, 1 of them by automation.");
});

test("a feed that is full tells only the time that it covers", () => {
  const figure = talkFigure([said(0, "inbound"), said(22, "inbound")], NOW, { full: true });
  assert.equal(figure.values.length, 5);
  assert.match(figure.words, /^In the newest 25 min: 2 messages in/);
});

test("the speed is told by its newest sample, and lag only where there is one", () => {
  const figure = speedFigure([{ at: 1_000, p50: 5, p95: 20, lag: 0 }, { at: 6_000, p50: 8, p95: 30, lag: 0 }]);
  assert.deepEqual(figure.lines, [[5, 8], [20, 30]]);
  assert.deepEqual(figure.lag, [null, null]);
  assert.match(figure.words, /half within 8\.0 ms, 95\u00a0% within 30 ms\.$/);
  assert.deepEqual([figure.empty, speedFigure([{ at: 1, p50: 1, p95: 2, lag: 0 }]).empty], [false, true]);
  assert.match(speedFigure([{ at: 1, p50: 1, p95: 2, lag: 40 }]).words, /40 events behind/);
  assert.equal(speedFigure([]).words, "Nothing measured on this screen yet.");
});

test("two thousand leads are all counted", () => {
  const leads = Array.from({ length: 2_000 }, (_, i) => ({
    ...waiting(i), ...scored((i % 100) / 100), ...risky(i % 4, [{ stage: 3, at: ago(-i) }, { stage: 3, at: ago(-i - 1) }]), ...fitting((i % 100) / 100),
  }));
  const count = () => [waitFigure(leads, NOW), scoreFigure(leads), stageFigure(leads, NOW), fitFigure(leads)];

  const figures = count();
  assert.equal(figures[1].values.reduce((all, n) => all + n), 2_000);
});
