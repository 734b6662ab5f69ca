// Statistics of the stream: how far they are from the reference, and how that went.

import { find, make, named, number, show } from './dom.js';
import { Lines } from './lines.js';

const WORDS = {
  'at the floor': ['no more than chance would give', 'good', '●'], near: ['near', 'near', '◕'], off: ['off', 'off', '◑'],
  'far off': ['far off', 'far', '○'], 'nothing to compare': ['–', '', '·'],
};
const MOST_POINTS = 3600;
const WIDEST = 10; // E/F at the end of a bar

export class Statistics {
  constructor() {
    this.rows = new Map();
    this.course = { at: [], ratios: new Map() };
    this.chosen = null;
    this.colour = 'line';
    this.chart = new Lines(find('#course'), {
      series: [{}, { colour: 'line', width: 2 }, { colour: 'faint', width: 1, dash: [4, 4] }],
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(2, Number.isFinite(high) ? 1.1 * high : 2)] } },
      axes: [{ label: 'seconds since the monitor began', size: 26 }, { label: 'E/F', size: 44 }],
    });
  }

  setCourse({ at_s: at, ratios }) {
    this.course = { at: [...at], ratios: new Map(Object.entries(ratios).map(([key, values]) => [key, [...values]])) };
    this.draw();
  }

  update(document) {
    if (document.point) this.append(document.point);
    show(find('#reference'), document.reference || 'none yet');
    find('#notices').replaceChildren(...(document.notices ?? []).map((notice) => make('li', {}, notice)));
    if (!document.statistics) return;
    find('#statistics-body').hidden = document.statistics.length === 0;
    find('#no-statistics').hidden = document.statistics.length > 0;
    for (const row of document.statistics) this.showRow(row);
    show(find('#windows'), `${document.windows.toLocaleString('en')} windows of ${number(document.window_s)} s; the latest ${number(document.half_life_s)} s weigh half`);
    this.alarms(document);
    this.draw();
  }

  append({ at_s: at, ratios }) {
    const { course } = this;
    if (course.at.length && at <= course.at.at(-1)) return;
    course.at.push(at);
    for (const [key, ratio] of Object.entries(ratios)) {
      if (!course.ratios.has(key)) course.ratios.set(key, new Array(course.at.length - 1).fill(null));
      course.ratios.get(key).push(ratio);
    }
    for (const values of course.ratios.values()) while (values.length < course.at.length) values.push(null);
    if (course.at.length > MOST_POINTS) {
      course.at.shift();
      for (const values of course.ratios.values()) values.shift();
    }
  }

  showRow(row) {
    let cells = this.rows.get(row.key);
    if (!cells) {
      cells = { value: make('td'), reference: make('td'), ratio: make('td'), verdict: make('td'), bar: make('span', { class: 'bar' }) };
      const button = make('button', { type: 'button', class: 'link', onclick: () => this.choose(row.key) }, row.title);
      cells.row = make('tr', { 'data-key': row.key }, make('th', { scope: 'row' }, button), cells.value, cells.reference, cells.ratio,
        make('td', { class: 'scale' }, cells.bar), cells.verdict);
      find('#statistics tbody').append(cells.row);
      this.rows.set(row.key, cells);
      if (this.chosen === null) this.choose(row.key);
    }
    const [words, kind, sign] = WORDS[row.verdict] ?? [row.verdict, '', '·'];
    const unit = row.unit ? ` ${row.unit}` : '';
    show(cells.value, number(row.value) + unit);
    show(cells.reference, number(row.reference) + unit);
    show(cells.ratio, number(row.ratio, 2));
    show(cells.verdict, `${sign} ${words}`);
    cells.verdict.className = kind;
    cells.bar.className = `bar ${kind}`;
    cells.bar.style.width = `${100 * Math.min(1, Math.log10(1 + (row.ratio ?? 0)) / Math.log10(1 + WIDEST))}%`;
  }

  choose(key) {
    this.chosen = key;
    for (const [other, { row }] of this.rows) row.classList.toggle('chosen', other === key);
    show(find('#course-title'), this.rows.get(key).row.querySelector('button').textContent);
    this.draw();
  }

  draw() {
    const { at, ratios } = this.course;
    const values = ratios.get(this.chosen) ?? at.map(() => null);
    this.chart.set([at, values.map((value) => (Number.isFinite(value) ? value : null)), at.map(() => 1)]);
  }

  alarms(document) {
    const items = [...document.alarms].reverse().map((alarm) => make('li', {}, make('b', { class: 'far' }, '▲ ', alarm.kind),
      alarm.unit ? [': ', named(alarm.unit)] : null, ` ${Math.round(alarm.ago_s)} s ago, began about ${Math.round(alarm.began_before_s)} s before`));
    const nearest = document.nearest_alarm;
    const calm = nearest ? make('li', { class: 'faint' }, `none; nearest is ${nearest.what} at ${Math.round(100 * nearest.score)} % of its threshold`)
      : make('li', { class: 'faint' }, 'none is set yet');
    find('#alarms').replaceChildren(...(items.length ? items : [calm]));
    show(find('#alarm-count'), document.alarms_raised ? `${document.alarms_raised}` : '');
  }
}
