// When what went wrong, as the raster marks it: stretches of time, of one unit or of all.

import { colour } from './dom.js';

const BAR = 4; // CSS pixels, for each kind that concerns all units
const BARS = ['noise', 'drift', 'latency'];

export class PerturbedStretches {
  constructor() {
    this.stretches = []; // {kind, unit: or null, from, to: bins; null where it goes on}
    this.joined = false;
  }

  get open() {
    return this.stretches.filter(({ to }) => to === null);
  }

  /** Something began or ended at a bin; `units` are those that are silent from then on. */
  mark({ kind, value, units }, bin) {
    if (kind === 'drop') this.silent(units === 'all' ? [] : units, bin);
    else if (BARS.includes(kind)) this.acts(kind, value > 0, bin);
  }

  /** What goes wrong, from the server, from this bin on, when a page joins; what happens later is marked. */
  join(wrong, bin) {
    if (this.joined) return;
    this.joined = true;
    this.silent(wrong.units ?? [], bin);
    for (const kind of BARS) this.acts(kind, wrong[kind] > 0, bin);
  }

  silent(units, bin) {
    const lost = new Set(units);
    const known = new Set();
    for (const stretch of this.open) {
      if (stretch.kind !== 'drop') continue;
      known.add(stretch.unit);
      if (!lost.has(stretch.unit)) stretch.to = bin;
    }
    for (const unit of units) if (!known.has(unit)) this.stretches.push({ kind: 'drop', unit, from: bin, to: null });
  }

  acts(kind, now, bin) {
    const open = this.open.find((stretch) => stretch.kind === kind);
    if (open && !now) open.to = bin;
    else if (now && !open) this.stretches.push({ kind, unit: null, from: bin, to: null });
  }

  /** Draw over a raster whose right edge is at this pixel; forgets what has left it on the other side. */
  draw(raster, right) {
    const { context, ratio, left, rowPixels, rank } = raster;
    const end = left + raster.width;
    context.fillStyle = colour('mark');
    for (const { kind, unit, from, to } of this.stretches) {
      const begin = Math.max(left, raster.x(from, right));
      const stop = to === null ? end : Math.min(end, raster.x(to, right));
      if (stop <= begin) continue;
      context.globalAlpha = kind === 'drop' ? 0.16 : 0.85;
      if (kind === 'drop') {
        const top = Math.floor(rank[unit] * rowPixels);
        context.fillRect(begin, top, stop - begin, Math.max(ratio, Math.ceil(rowPixels)));
      } else {
        context.fillRect(begin, raster.height - (BARS.indexOf(kind) + 1) * BAR * ratio, stop - begin, (BAR - 1) * ratio);
      }
      context.globalAlpha = 1;
    }
    this.stretches = this.stretches.filter(({ to }) => to === null || to > raster.history.nextBin - raster.history.keptBins);
  }
}
