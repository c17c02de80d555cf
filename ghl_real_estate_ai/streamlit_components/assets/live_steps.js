// The keyboard's way through the rows of the panels, and to their buttons. Made by live_view.js.

import { headOf } from "./live_dom.js";

export class RowSteps {
  /** `panels`: stream -> {node, list}; `putOff`: live_put_off.PutOff, whose rows follow the queue's; `choseTab(stream)`. */
  constructor({ root, panels, putOff, choseTab }) {
    Object.assign(this, { root, panels, putOff, choseTab });
    this.queue = panels.get("next_actions");
  }

  /** To the next (1) or previous (-1) row of the panel that has the focus; the first step is to its first row. */
  step(by) {
    const { panel, row } = this.#focused();
    const nodes = this.#rowsOf(panel.list ? panel : this.queue);
    const at = nodes.indexOf(row);
    focusRow(nodes[at < 0 ? 0 : Math.min(nodes.length - 1, Math.max(0, at + by))]);
  }

  /** Press a button of the lead that has the focus: act, snooze, answered or decline. Without one the first row gets the focus. */
  press(what) {
    const { row } = this.#focused();
    if (!row) return this.step(1);
    const queued = this.queue.list.rows.get(row.dataset.key);
    queued?.node.querySelector(`[data-do=${what}]:not([inert], [hidden])`)?.click();
  }

  goTo(stream) {
    this.choseTab(stream);
    const panel = this.panels.get(stream);
    panel.node.scrollIntoView({ block: "nearest" });
    if (panel.list?.nodes.length) focusRow(panel.list.nodes[0]);
    else headOf(panel.node).focus();
  }

  /** An answer was taken back by somebody who stood among the open rows: the next key means the row that is back. */
  followBack(key) {
    const focused = this.root.getRootNode().activeElement;
    const isInQueue = focused && this.queue.node.contains(focused) && !this.putOff.node.contains(focused);
    if (isInQueue) focusRow(this.queue.list.rows.get(key)?.node);
  }

  /** Also what was put off, where it is shown. */
  #rowsOf({ list }) {
    if (!list) return [];
    return list === this.queue.list ? [...list.nodes, ...this.putOff.list.nodes] : list.nodes;
  }

  #focused() {
    const focused = this.root.getRootNode().activeElement;
    const panel = [...this.panels.values()].find(({ node }) => focused && node.contains(focused)) ?? this.panels.get(this.root.dataset.tab);
    return { panel, row: this.#rowsOf(panel).find((node) => node.contains(focused)) };
  }
}

function focusRow(node) {
  node?.querySelector("button.lead")?.focus({ preventScroll: true });
  node?.scrollIntoView({ block: "nearest" });
}
