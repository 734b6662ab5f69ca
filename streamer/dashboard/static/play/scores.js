// Scores in words, their course, and the best games, which stay in this browser.

import { find, make, number, show } from '../dom.js';
import { Lines } from '../lines.js';

const BEST = 'spikeloop-best';
const SHOWN_BEST = 5;
const KEPT_BEST = 50;

/** A game's score in a line. */
export function words({ score, choices, length_s: lengthS }, running) {
  const { correct, incorrect, timeouts, seconds, bits_per_s: bits } = score;
  const rate = choices === null ? `${number(seconds ? (60 * correct) / seconds : 0, 2)} targets a minute` : `${number(bits, 3)} bits a second`;
  const late = timeouts ? `, ${timeouts} too late` : '';
  const left = Math.ceil(lengthS - seconds);
  return `${rate} – ${correct} right, ${incorrect} wrong${late}, ${running && left > 0 ? `${left} s left` : `in ${Math.round(seconds)} s`}`;
}

/** What a score means, for someone who sees one for the first time. */
export function meaning({ score, choices, by_click: byClick }) {
  const { correct, incorrect } = score;
  if (choices === null) return `You reached ${correct} targets and stayed on each. More in the same time is better.`;
  const bits = Math.log2(choices - 1);
  const selections = byClick ? 'clicks' : 'stays';
  return `Each right cell counts ${number(bits, 3)} bits (log₂ of the ${(choices - 1).toLocaleString('en')} other cells), and each wrong one takes one right one away: `
    + `(${correct} − ${incorrect}${incorrect > correct ? ', not below 0' : ''}) × ${number(bits, 3)} bits / ${Math.round(score.seconds)} s. ${incorrect > correct ? `More of the ${selections} were wrong than right, so it is 0.` : ''}`;
}

export class Course {
  constructor() {
    this.chart = null;
  }

  /** The score after each selection of a game that is over. */
  set(result) {
    find('#course-figure').hidden = result === null;
    if (result === null) return;
    const { course, choices, score } = result;
    const bits = choices === null ? 60 : Math.log2(choices - 1);
    const at = [0];
    const value = [0];
    let net = 0;
    for (const [seconds, outcome] of [...course, [score.seconds, '']]) {
      net += outcome === 'success' ? 1 : outcome === 'wrong' ? -1 : 0;
      at.push(seconds);
      value.push((Math.max(0, net) * bits) / seconds);
    }
    show(find('#score-course-title'), choices === null ? 'Targets a minute, up to each moment of the game' : 'Bits a second, up to each moment of the game');
    this.chart ??= new Lines(find('#score-course'), {
      series: [{}, { colour: 'line', width: 2 }], padding: [8, 20, 0, 0],
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, high > 0 ? 1.1 * high : 1] } }, axes: [{ size: 24, values: (_, ticks) => ticks.map((tick) => `${tick} s`) }, { size: 40 }],
    });
    this.chart.set([at, value]);
  }

  draw() {
    this.chart?.draw();
  }
}

export class Best {
  constructor() {
    this.show();
  }

  all() {
    try {
      const kept = JSON.parse(localStorage.getItem(BEST) ?? '[]');
      return Array.isArray(kept) ? kept.filter((game) => game !== null && typeof game === 'object') : [];
    } catch {
      return [];
    }
  }

  add({ task, cells, decoder, choices, score }) {
    const name = cells === null ? task : `${task} ${cells} × ${cells}`;
    const value = choices === null ? (60 * score.correct) / score.seconds : score.bits_per_s;
    const games = [...this.all(), { task: name, decoder, value, bits: choices !== null, at: Date.now() }];
    games.sort((one, other) => Number(other.bits) - Number(one.bits) || other.value - one.value);
    try {
      localStorage.setItem(BEST, JSON.stringify(games.slice(0, KEPT_BEST)));
    } catch { /* where nothing may be kept */ }
    this.show();
  }

  show() {
    const rows = this.all().slice(0, SHOWN_BEST).map(({ task, decoder, value, bits, at }) => make('li', {},
      `${number(Number(value), 3)} ${bits ? 'bits/s' : 'targets/min'} – ${task}, ${decoder}${Number.isFinite(at) ? `, ${new Date(at).toLocaleDateString()}` : ''}`));
    find('#best').replaceChildren(...(rows.length ? rows : [make('li', { class: 'faint' }, 'no game yet')]));
  }
}
