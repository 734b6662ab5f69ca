// The rate of the whole population, below the raster and along its time.

import { find } from './dom.js';
import { Lines } from './lines.js';
import { GUTTER } from './raster.js';

const RATE_SLOT_S = 0.1;

/** A chart of rates over the time that the raster shows. */
export function rateChart() {
  return new Lines(find('#rate'), {
    series: [{}, { colour: 'line', width: 1.5 }], padding: [8, 0, 8, 0],
    scales: { x: { time: false, range: () => [-Number(find('#span').value), 0] }, y: { range: (_, low, high) => [0, high > 0 ? 1.15 * high : 1] } },
    axes: [{ show: false }, { size: GUTTER - 16, label: 'Hz a unit' }],
  });
}

/** Draw the rates of what the raster shows. */
export function drawRate({ history, rate, raster }) {
  if (history.nextBin === null || raster.shownBin === null) return;
  const slotBins = Math.max(1, Math.round(RATE_SLOT_S / history.binSizeS));
  const slotS = slotBins * history.binSizeS;
  const last = Math.floor(raster.shownBin / slotBins);
  const number = Math.ceil(raster.spanS / slotS);
  const at = [];
  const rates = [];
  for (let slot = last - number; slot < last; slot += 1) {
    let spikes = 0;
    for (let bin = slot * slotBins; bin < (slot + 1) * slotBins; bin += 1) spikes += history.total(bin);
    at.push(((slot + 1) * slotBins - raster.shownBin) * history.binSizeS);
    rates.push(Number.isNaN(spikes) ? null : spikes / slotS / history.units);
  }
  rate.set([at, rates]);
}
