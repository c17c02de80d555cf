// What the page says while its own server is away. Run by test_live_modules.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { awayWords } from "../../ghl_real_estate_ai/streamlit_components/assets/page_server.js";

const since = new Date(2026, 10, 26, 14, 3).getTime();

test("the live screen goes on without the page's server, and only fresh data are called so", () => {
  const live = awayWords({ since, now: since + 2_000, page: "now", live: true });
  assert.match(live.words, /since .*03.*\. Live data goes on; other pages and signing out wait\.$/);
  assert.equal(live.age, "");
  assert.doesNotMatch(awayWords({ since, now: since, page: "now", live: false }).words, /Live data/);
});

test("another page says from when it is; its age is told in minutes", () => {
  const { words, age } = awayWords({ since, now: since + 150_000, page: "team", live: true });
  assert.match(words, /What you see is from then; it goes on by itself\.$/);
  assert.equal(age, " (2 min)");
});
