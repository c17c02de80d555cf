// What an empty panel says: nothing is there yet, or filters hide it. Called by live_view.js.

import { el } from "./live_dom.js";

export const NOTHING_YET = {
  next_actions: "Nothing waits for you. The next lead that needs a person appears here.",
  lead_scores: "No scores yet. They appear with a lead's first event.",
  churn_risk: "No churn risks yet. They appear with a lead's first event.",
  property_matches: "No matches yet. They need listings, and a lead that says what it wishes for.",
  conversation_feed: "Nobody has written yet. Messages and calls appear here.",
  system_performance: "No measurement yet. The first comes within seconds.",
};

export const UNTOLD = "Waiting for the gateway…";
const NOTHING_PASSES = "Nothing here passes the filters above. Clear them to see all.";
const ELSEWHERE = "Nothing in yours; ";

/** The words of a panel whose rows are all hidden; `items`: what it holds. Others' leads are counted: one tap shows them. */
export function hiddenWords(stream, filter, items) {
  const elsewhere = filter.elsewhere(items);
  if (elsewhere) return `${ELSEWHERE}${elsewhere} in the team.`;
  if (filter.narrowed) return NOTHING_PASSES;
  return stream === "next_actions" ? NOTHING_YET.next_actions : "Nothing in yours, and nothing in the team's.";
}

/** Write them; with a button where others' leads can be shown. One that is there stays: it may have the focus. */
export function sayEmpty(node, words, showOthers) {
  if (node.firstChild?.textContent === words) return;
  const show = words.startsWith(ELSEWHERE) ? el("button.quiet", { type: "button", onclick: showOthers }, "Show") : null;
  node.replaceChildren(...[el("span", {}, words), show].filter(Boolean));
}
