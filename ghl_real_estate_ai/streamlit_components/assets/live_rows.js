// One row of each panel: made once, written again when its item changes. Called by live_view.js.

import { homeFacts, homeName, money, percent, riskReason, scoreReason, stageToCome, wishName, OUTCOME_SIGNS, STAGE_WORDS } from "./live_words.js";
import { answerButtons } from "./live_now.js";
import { el, setClass, setText, simulatedTag, sparkline, staleTag } from "./live_dom.js";

const CHIPS_SHOWN = 4;

// A row is laid out as a grid, so that it can be contained; said aloud it stays a row of a table.
const ROW = { role: "row" };
const CELL = { role: "cell" };

/** The name of a lead: a button that opens it. */
export function leadButton(item, openLead) {
  return el("button.lead", { type: "button", onclick: () => openLead(item.lead_id) });
}

/** Tags after a name: SIM, and stale with its reason. Most items say what the one before them said. */
export function writeTags(holder, item, staleReason = null) {
  const said = `${item.simulated} ${staleReason}`;
  if (holder.said === said) return;
  holder.said = said;
  holder.replaceChildren(
    ...(item.simulated ? [simulatedTag()] : []),
    ...(staleReason ? [staleTag(staleReason)] : []),
  );
}

/** "+12 Replied to a text", nothing where nothing is known: the sign says it without the colour. `good` is the direction that pleases. */
function writeCause(change, text, words, good) {
  setText(change, words.change);
  setClass(change, "good", words.direction === good);
  setClass(change, "bad", words.direction === -good);
  setText(text, words.text);
  text.parentNode.title = words.text; // the line is cut where it is too long
  text.parentNode.hidden = !words.text && !words.change;
}

export function scoreRow(item, { openLead, trendOf, facetOf }) {
  const name = leadButton(item, openLead);
  const tags = el("span.tags");
  const stage = el("span.meta");
  const score = el("td.number.strong", CELL);
  const spark = sparkline();
  const change = el("span.change");
  const cause = el("span.cause");
  const node = el(
    "tr",
    ROW,
    el("td", CELL, name, tags, stage),
    score,
    el("td.trend", CELL, spark.svg),
    el("td.why", CELL, change, cause),
  );
  const update = (next) => {
    setText(name, next.lead_name);
    writeTags(tags, next, next.score.stale_reason);
    setText(stage, next.stage);
    setText(score, percent(next.score.value?.probability));
    spark.draw(trendOf(next.lead_id));
    writeCause(change, cause, scoreReason(next.cause, facetOf(next.lead_id).next), 1);
  };
  return { node, update };
}

/** With the button of the lead's next action, where it has one. */
export function riskRow(item, { openLead, answers, menu, facetOf }) {
  const name = leadButton(item, openLead);
  const tags = el("span.tags");
  const risk = el("td.number.strong", CELL);
  const stage = el("span");
  const buttons = answerButtons({ answers, menu });
  const change = el("span.change");
  const cause = el("span.cause");
  const node = el("tr", ROW, el("td", CELL, name, tags), risk, el("td.level", CELL, stage), el("td.why", CELL, change, cause), el("td.do", CELL, buttons.node));
  const update = (next) => {
    const todo = facetOf(next.lead_id).next;
    const isOpen = Boolean(todo?.action) && !todo.acknowledged_by;
    buttons.node.hidden = !isOpen;
    if (isOpen) buttons.update(todo);
    const value = next.churn.value;
    setText(name, next.lead_name);
    writeTags(tags, next, next.churn.stale_reason);
    setText(risk, percent(value?.probability));
    stage.className = value ? `stage stage-${value.stage}` : "meta";
    stage.title = value ? stageToCome(value) : "";
    setText(stage, value ? STAGE_WORDS[value.stage] : "not known");
    writeCause(change, cause, riskReason(next.cause), -1);
  };
  return { node, update };
}

/** One wish against one home: sign, name, and the whole sentence on hover and for screen readers. */
export function wishChip(result) {
  return el(
    `span.chip.chip-${result.outcome}`,
    { title: result.detail },
    el("span.sign", { "aria-hidden": "true" }, OUTCOME_SIGNS[result.outcome]),
    wishName(result.wish),
    el("span.hidden", {}, ` ${result.outcome}`),
  );
}

/** Why there is no home: nothing fits, or nobody looked. */
export function noHomes(matches) {
  if (matches.value) return "No home on the market meets the stated wishes.";
  return `Not known: ${matches.stale_reason ?? "nobody has looked yet"}`;
}

export function matchRow(item, { openLead }) {
  const name = leadButton(item, openLead);
  const tags = el("span.tags");
  const fit = el("span.number.strong");
  const home = el("p.home");
  const chips = el("p.chips");
  const node = el("li", {}, el("div.line", {}, name, tags, el("span.push", {}, fit)), home, chips);
  const update = (next) => {
    const homes = next.matches.value ?? [];
    const best = homes[0];
    setText(name, next.lead_name);
    writeTags(tags, next, next.matches.stale_reason);
    setText(fit, best ? `${percent(best.overall_score)} fit` : "");
    if (!best) {
      setText(home, noHomes(next.matches));
      return chips.replaceChildren();
    }
    const facts = [homeName(best.listing), money(best.listing.ListPrice), homeFacts(best.listing)];
    setText(home, facts.filter(Boolean).join(" · "));
    const others = homes.length - 1;
    const further = others ? el("span.meta", {}, others === 1 ? "and 1 more home" : `and ${others} more homes`) : null;
    const hidden = best.wishes.length - CHIPS_SHOWN;
    const rest = hidden > 0 ? el("span.meta", { title: "further wishes" }, `+${hidden}`) : null;
    chips.replaceChildren(...[...best.wishes.slice(0, CHIPS_SHOWN).map(wishChip), rest, further].filter(Boolean));
  };
  return { node, update };
}
