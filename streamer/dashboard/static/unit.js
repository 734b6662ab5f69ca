// The unit that was clicked: its rate, autocorrelation, intervals and tuning.

import { find, named, number, show } from './dom.js';
import { Lines, bars } from './lines.js';

const LAGS = 50;
const INTERVALS = 40;
const EMPTY = 'Click a row of the raster, or press ↓, to see how a unit fires. “Busiest unit” finds the one that fires most.';
const PHASES = 100; // slots of the stimulus
export const RECENT_S = 30; // of which rates are

const axes = (x, y, along) => [{ label: x, size: 26, ...along }, { label: y, size: 46 }];

export class UnitPanel {
  constructor(history, names) {
    this.history = history;
    this.names = names;
    this.unit = null;
    this.tuning = null;
    this.phase = null; // the condition, where a repeated stimulus drives the model
    this.charts = null;
  }

  open() {
    const linear = { x: { time: false }, y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? 1.08 * high : 1] } };
    const chart = (id, x, y, line = {}, along = {}) => new Lines(find(id), {
      series: [{}, { colour: 'line', width: 1.5, ...line }], scales: linear, axes: axes(x, y, along),
    });
    this.charts = {
      correlation: chart('#unit-autocorrelation', 'lag, ms', 'correlation'),
      intervals: chart('#unit-intervals', 'interval, ms', 'share', { paths: bars(), fill: 'rgba(90, 140, 200, .35)' }),
      tuning: chart('#unit-tuning', this.phase === null ? 'direction, °' : 'time in the stimulus, s', 'rate, Hz', {}, this.phase === null ? { splits: [0, 90, 180, 270, 360] } : {}),
    };
  }

  select(unit) {
    this.unit = unit;
    for (const part of ['#unit-details', '#unit-acts', '#unit-close']) find(part).hidden = unit === null;
    if (unit === null) {
      show(find('#unit-name'), 'One unit');
      show(find('#unit-rate'), EMPTY);
      show(find('#chosen'), 'the chosen unit: none yet, click one');
      return;
    }
    if (this.charts === null) this.open();
    find('#unit-name').replaceChildren(named(this.names[unit]));
    this.update();
  }

  update() {
    if (this.unit === null || this.history.nextBin === null) return;
    const { history, unit } = this;
    const binMs = 1000 * history.binSizeS;
    const rates = history.rates(RECENT_S);
    const recent = rates[unit];
    const place = 1 + rates.filter((rate) => rate > recent).length;
    const seconds = history.binsSeen * history.binSizeS;
    const since = seconds > RECENT_S ? `; ${number(history.unitTotals[unit] / seconds)} Hz since the page opened` : '';
    const time = Math.round(history.recentBins(RECENT_S) * history.binSizeS);
    show(find('#unit-rate'), `${number(recent)} Hz in the last ${time} s, number ${place} of ${history.units} by rate in that time${since}`);
    const train = history.train(unit);
    const first = Math.max(history.firstBin, history.nextBin - history.keptBins);
    find('#chosen').replaceChildren('the chosen unit: ', named(this.names[unit]), `, ${number(recent)} Hz, number ${place} by rate; more below`);
    this.charts.correlation.set(autocorrelation(train, first, history.nextBin, binMs));
    this.charts.intervals.set(intervals(train, binMs));
    find('#unit-tuning-figure').hidden = this.tuning === null && this.phase === null;
    if (this.tuning !== null) this.charts.tuning.set(this.tuningCurve());
    else if (this.phase !== null) this.charts.tuning.set(this.phaseCurve(train, first));
  }

  /** Rate by the phase of the stimulus, from what the last minute showed of it. */
  phaseCurve({ bins, counts }, first) {
    const { history } = this;
    const period = this.phase.high + 1;
    const spikes = new Array(PHASES).fill(0);
    const seen = new Array(PHASES).fill(0);
    const slot = (bin) => {
      const value = history.condition(bin, 0);
      return Number.isNaN(value) ? -1 : Math.min(PHASES - 1, Math.floor((value / period) * PHASES));
    };
    for (let bin = first; bin < history.nextBin; bin += 1) if (slot(bin) >= 0) seen[slot(bin)] += 1;
    bins.forEach((bin, index) => { if (slot(bin) >= 0) spikes[slot(bin)] += counts[index]; });
    show(find('#unit-preferred'), 'mean over the repeats of the stimulus in the last minute');
    return [
      spikes.map((_, place) => ((place + 0.5) * period * history.binSizeS) / PHASES),
      spikes.map((sum, place) => (seen[place] ? sum / (seen[place] * history.binSizeS) : null)),
    ];
  }

  tuningCurve() {
    const { directions, rates_hz: rates } = this.tuning;
    const degrees = [...directions.map((angle) => (angle * 180) / Math.PI), 360];
    const curve = rates.map((row) => row[this.unit]);
    const preferred = ((this.tuning.preferred[this.unit] * 180) / Math.PI + 360) % 360;
    show(find('#unit-preferred'), `prefers ${Math.round(preferred)}° (0° is right, 90° up); measured on the bundle, driven in eight directions`);
    return [degrees, [...curve, curve[0]]];
  }
}

/** Correlation coefficient of a unit's counts with themselves, by lag in ms, from lag 1 on. */
export function autocorrelation({ bins, counts }, first, end, binMs) {
  const number = end - first;
  const mean = counts.reduce((sum, count) => sum + count, 0) / number;
  const variance = counts.reduce((sum, count) => sum + count * count, 0) / number - mean * mean;
  const lags = Array.from({ length: LAGS }, (_, lag) => lag + 1);
  const products = new Float64Array(LAGS + 1);
  for (let later = 0; later < bins.length; later += 1) {
    for (let earlier = later - 1; earlier >= 0 && bins[later] - bins[earlier] <= LAGS; earlier -= 1) {
      products[bins[later] - bins[earlier]] += counts[later] * counts[earlier];
    }
  }
  const values = lags.map((lag) => (variance > 0 && number > lag ? (products[lag] / (number - lag) - mean * mean) / variance : 0));
  return [lags.map((lag) => lag * binMs), values];
}

/** Share of intervals between bins with spikes, by length in ms. */
export function intervals({ bins }, binMs) {
  const shares = new Array(INTERVALS).fill(0);
  for (let index = 1; index < bins.length; index += 1) {
    shares[Math.min(INTERVALS, bins[index] - bins[index - 1]) - 1] += 1 / (bins.length - 1);
  }
  return [shares.map((_, index) => (index + 1) * binMs), shares];
}
