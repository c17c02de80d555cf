import assert from "node:assert/strict";
import test from "node:test";
import { UrlState } from "../../ghl_real_estate_ai/streamlit_components/assets/live_url.js";

/** A window whose history goes back only when the test says so, as a browser's does. */
class FakePage extends EventTarget {
  constructor() {
    super();
    this.steps = ["?who=team"];
    this.location = { pathname: "/", hash: "", search: this.steps[0] };
    const arrive = (search) => (this.location.search = search);
    this.history = {
      state: null,
      back: () => (this.asked = true),
      pushState: (state, title, url) => this.steps.push(arrive(url.slice(1))),
      replaceState: (state, title, url) => (this.steps[this.steps.length - 1] = arrive(url.slice(1))),
    };
  }

  goBack() {
    this.steps.pop();
    this.location.search = this.steps.at(-1);
    this.dispatchEvent(new Event("popstate"));
  }
}

test("a lead opened while the last one is still being closed stays open, one step from the queue", () => {
  const page = new FakePage();
  const opened = [];
  const url = new UrlState({ wentBack: ({ lead }) => opened.push(lead), page });
  url.push({ lead: "a" });
  url.leadClosed();
  url.push({ lead: "b" }); // before the browser has gone back
  page.goBack();
  assert.deepEqual(opened, ["b"]);
  assert.deepEqual(page.steps, ["?who=team", "?who=team&lead=b"]);
  url.leadClosed();
  page.goBack();
  assert.deepEqual([opened, page.steps], [["b", ""], ["?who=team"]]);
});

test("a lead that is closed again before the step back came is not opened by it", () => {
  const page = new FakePage();
  const opened = [];
  const url = new UrlState({ wentBack: ({ lead }) => opened.push(lead), page });
  url.push({ lead: "a" });
  url.leadClosed();
  url.push({ lead: "b" });
  url.leadClosed();
  page.goBack();
  assert.deepEqual(opened, [""]);
});
