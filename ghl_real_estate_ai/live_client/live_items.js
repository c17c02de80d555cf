// @ts-check
// What a page holds of the streams: the newest item per key. For pages that keep no store of their own.
// Called with each message that LiveConnection's `hear` gets.

/** @typedef {import("./enterprisehub_live.js").Item} Item */
/** @typedef {import("./enterprisehub_live.js").Message} Message */

const ITEMS_HELD = 500; // per stream, as in the gateway's snapshot

/** The state of each stream, made from what `hear` gets: after every message the same as a fresh snapshot. */
export class LiveItems {
  constructor() {
    /** @type {Map<string, Map<string, Item>>} */
    this.streams = new Map(); // by stream: key -> newest item, the newest last
  }

  /** Take a message in; the name of the stream that changed, null for none. @param {Message} message */
  apply({ subscribed, snapshot, c: stream, e: item }) {
    if (subscribed && snapshot) {
      this.streams.set(subscribed.stream, new Map([...snapshot].reverse().map((each) => [each.key, each])));
      return subscribed.stream;
    }
    const items = stream && item && this.streams.get(stream);
    if (!items) return null;
    items.delete(item.key);
    if (!item.removed) items.set(item.key, item);
    if (items.size > ITEMS_HELD) items.delete(/** @type {string} */ (items.keys().next().value));
    return stream;
  }

  /** Newest first. @param {string} stream */
  of(stream) {
    return [...(this.streams.get(stream)?.values() ?? [])].reverse();
  }
}
