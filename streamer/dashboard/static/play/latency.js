// How long it takes from the hand to the cursor on the screen: the page's part of the measurement, and its table.

import { find, make, number } from '../dom.js';
import { KIND } from '../protocol.js';

const SYNC_EVERY_MS = 1000;
const SYNCS_KEPT = 20; // of which the one with the shortest round trip says how the clocks differ
const SEND_EVERY_MS = 1000;
const KEPT = 1024;

export class Latency {
  constructor(send) {
    this.send = send;
    this.syncs = []; // {trip, offset}, ms; offset is the server's clock less this one
    this.events = new Map(); // by number of the aim, when the hand moved
    this.arrived = new Map(); // by bin
    this.shown = new Map();
    this.drawn = []; // bins whose cursor came and is not to be seen yet
    this.waiting = []; // {aim, bin} whose frame has not come yet
    this.samples = [];
    this.sentAt = 0;
    this.syncedAt = 0;
  }

  get offset() {
    return this.syncs.length ? this.syncs.reduce((best, one) => (one.trip < best.trip ? one : best)).offset : null;
  }

  aimed(aim, eventAt) {
    keep(this.events, aim, eventAt);
  }

  cursorCame(firstBin, bins, now) {
    for (let bin = firstBin; bin < firstBin + bins; bin += 1) keep(this.arrived, bin, now);
    this.drawn.push(...Array.from({ length: bins }, (_, index) => firstBin + index));
  }

  /** A frame of the screen begins; what was drawn in the one before is to be seen. */
  frame(drawnBefore, now, playing) {
    for (const bin of this.drawn) if (bin <= (drawnBefore ?? -1)) keep(this.shown, bin, now);
    this.drawn = this.drawn.filter((bin) => bin > (drawnBefore ?? -1)).slice(-KEPT);
    this.join();
    if (playing && now - this.syncedAt > SYNC_EVERY_MS) {
      this.syncedAt = now;
      this.send(KIND.CLOCK, { sent_ms: performance.now() });
    }
    if (this.samples.length && now - this.sentAt > SEND_EVERY_MS) {
      this.sentAt = now;
      this.send(KIND.SHOWN, { samples: this.samples.splice(0) });
    }
  }

  receive(document) {
    if (document.server_s !== undefined) {
      const now = performance.now();
      this.syncs.push({ trip: now - document.sent_ms, offset: 1000 * document.server_s - (now + document.sent_ms) / 2 });
      this.syncs = this.syncs.slice(-SYNCS_KEPT);
    } else if (document.aim !== undefined) this.waiting.push(document);
    else this.table(document);
  }

  join() {
    const { offset } = this;
    this.waiting = this.waiting.slice(-KEPT).filter(({ aim, bin }) => {
      if (!this.shown.has(bin)) return true;
      const moments = [this.events.get(aim), this.arrived.get(bin), this.shown.get(bin)];
      if (offset !== null && moments.every((at) => at !== undefined)) {
        this.samples.push([aim, ...moments.map((at) => (at + offset) / 1000)]);
      }
      return false;
    });
  }

  table({ samples, stages }) {
    const rows = Object.entries(stages).map(([name, { about, p50_ms: p50, p99_ms: p99 }]) => make(
      'tr', { title: about, class: name === 'total' ? 'chosen' : null },
      make('th', { scope: 'row' }, name), make('td', {}, `${number(p50, 3)} ms`), make('td', {}, `${number(p99, 3)} ms`), make('td', { class: 'about' }, about),
    ));
    find('#latency tbody').replaceChildren(...rows);
    find('#latency-samples').textContent = samples ? `Measured on ${samples.toLocaleString('en')} movements of the hand.` : 'Nothing was measured yet: move your hand in the field.';
    find('#latency').dataset.samples = samples;
  }
}

function keep(map, key, value) {
  map.set(key, value);
  if (map.size > KEPT) map.delete(map.keys().next().value);
}
