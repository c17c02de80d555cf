// The few DOM moves that the views are made of. Text only ever enters as text: nothing here parses HTML.

/** el("p.quote", {title: "..."}, "text", child) -> element. Null children are left out. */
export function el(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Write only what differs: an unchanged text node costs no layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name, on) {
  if (node.classList.contains(name) !== on) node.classList.toggle(name, on);
}

/** A small mark on anything that a simulator made. */
export function simulatedTag() {
  return el("span.tag.tag-sim", { title: "Made by a simulator, not by a real person" }, "SIM");
}

/** "stale" with the reason, for a part that failed or came late. */
export function staleTag(reason) {
  return el("span.tag.tag-stale", { title: reason }, "stale");
}

const SPARK_WIDTH = 64;
const SPARK_HEIGHT = 18;

const SPARK_RANGE = 0.05; // at least so much stands between top and bottom: a ripple must not look like a wave
const SPARK_MOVED = 0.005; // what prints as another percent

/** The points of a line through values of 0-1, newest at the right, as high as they moved; "" where nothing moved. */
export function sparkPoints(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (values.length < 2 || high - low < SPARK_MOVED) return "";
  const step = SPARK_WIDTH / (values.length - 1);
  const inset = 2; // keeps the stroke inside the box at its ends
  const range = Math.max(SPARK_RANGE, high - low);
  const y = (value) => SPARK_HEIGHT / 2 - ((value - (low + high) / 2) / range) * (SPARK_HEIGHT - 2 * inset);
  return values.map((value, i) => `${(i * step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
}

export function sparkline() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`);
  svg.setAttribute("class", "spark");
  svg.setAttribute("aria-hidden", "true"); // the change beside it says the same in words
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  svg.append(line);
  return { svg, draw: (values) => line.setAttribute("points", sparkPoints(values)) };
}

/**
 * Rows by key: made once, written when their item changes. As few as possible are moved: a move costs style, layout and paint.
 * `make(item)` returns {node, update(item)}; `version(item)` tells when a row must be written again.
 */
export class KeyedList {
  constructor(container, make, version = (item) => item) {
    Object.assign(this, { container, make, version });
    this.rows = new Map();
    this.nodes = []; // as they stand in the container
  }

  /** `items` in the order to show. With `hold`, known rows keep their place, so that a click does not miss. */
  show(items, { hold = false } = {}) {
    const wanted = hold ? this.#held(items) : items;
    const keys = new Set(wanted.map((item) => item.key));
    for (const [key, row] of this.rows) if (!keys.has(key)) this.#remove(key, row);
    const nodes = wanted.map((item) => this.#row(item).node);
    const moving = outOfOrder(nodes, this.nodes.filter((node) => node.parentNode === this.container));
    for (let i = nodes.length - 1; i >= 0; i -= 1) {
      if (moving.has(nodes[i])) this.container.insertBefore(nodes[i], nodes[i + 1] ?? null);
    }
    this.nodes = nodes;
  }

  /** Write one row again, for a reason that its item does not hold. */
  refresh(key) {
    const row = this.rows.get(key);
    row?.update(row.item);
  }

  #row(item) {
    let row = this.rows.get(item.key);
    if (!row) {
      this.rows.set(item.key, (row = this.make(item)));
      row.node.dataset.key = item.key;
    }
    const version = this.version(item);
    if (row.version !== version) {
      row.update(item);
      Object.assign(row, { item, version });
    }
    return row;
  }

  #held(items) {
    const byKey = new Map(items.map((item) => [item.key, item]));
    const staying = this.nodes.map((node) => byKey.get(node.dataset.key)).filter(Boolean);
    const known = new Set(staying);
    return [...staying, ...items.filter((item) => !known.has(item))];
  }

  /** A row that leaves with the focus hands it to its neighbour: the keyboard must not fall back to the page's top. */
  #remove(key, row) {
    const focused = row.node.contains(row.node.getRootNode().activeElement);
    const heir = row.node.nextElementSibling ?? row.node.previousElementSibling;
    row.node.remove();
    this.rows.delete(key);
    if (focused) (heir?.querySelector("button") ?? headOf(this.container))?.focus();
  }
}

/** Where the keyboard stands when what had it has gone: on its section's heading, or the section where that is not shown. */
export function headOf(container) {
  const section = container?.closest("section");
  const heading = section?.querySelector("h2, h3");
  const head = heading?.checkVisibility() ? heading : section;
  if (head) head.tabIndex = -1;
  return head;
}

/** The fewest nodes of `wanted` that must be put into place when `present` stand there: the others are in order already. */
export function outOfOrder(wanted, present) {
  let start = 0;
  while (start < wanted.length && wanted[start] === present[start]) start += 1;
  let [end, presentEnd] = [wanted.length, present.length];
  while (end > start && presentEnd > start && wanted[end - 1] === present[presentEnd - 1]) [end, presentEnd] = [end - 1, presentEnd - 1];
  const middle = wanted.slice(start, end);
  const staying = new Set(longestInOrder(middle, new Map(present.slice(start, presentEnd).map((node, place) => [node, place]))));
  return new Set(middle.filter((node) => !staying.has(node)));
}

/** A longest increasing subsequence by place; what has no place is left out. */
function longestInOrder(nodes, places) {
  const ends = []; // by length - 1: the node with the lowest place that ends a chain of that length
  const before = new Map();
  for (const node of nodes) {
    const place = places.get(node);
    if (place === undefined) continue;
    let length = ends.length;
    while (length > 0 && places.get(ends[length - 1]) > place) length -= 1;
    before.set(node, ends[length - 1]);
    ends[length] = node;
  }
  const chain = [];
  for (let node = ends.at(-1); node; node = before.get(node)) chain.push(node);
  return chain;
}
