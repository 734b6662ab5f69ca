// What a visitor lets go wrong with the stream: units fall silent, rates drift, noise joins, steps come later.

import { find, make, number, show } from './dom.js';
import { KIND } from './protocol.js';

const SEND_AFTER_MS = 60;
const SETTLES_MS = 1000; // after a request, until the stream surely obeys
const SLIDERS = {
  drop: { label: 'silenced', most: 1, step: 1 },
  noise: { label: 'noise', most: 50, step: 1, words: (value) => (value ? `+${number(value)} Hz each` : 'none') },
  drift: { label: 'drift', most: 5, step: 0.1, words: (value) => (value ? `${number(value)} a minute` : 'none') },
  latency: { label: 'added delay', most: 500, step: 20, words: (value) => (value ? `+${number(value)} ms` : 'none') },
};
const TITLES = {
  drop: 'so many units, which the seed chooses, fall silent',
  noise: 'independent spikes of this rate join those of every unit',
  drift: 'the logarithm of each rate changes by a normal number of this standard deviation in a minute',
  latency: 'spikes are sent by so much later, with their own times',
};

/** A marker of something that went wrong, in words. */
export function wordsOfPerturbation({ kind, value, units }, names) {
  if (!Object.hasOwn(SLIDERS, kind)) return `perturbation: ${kind}`;
  if (kind === 'drop') {
    if (!units.length) return 'all units fire again';
    return units.length === 1 ? `${names[units[0]]} silenced` : `${units.length} units silenced`;
  }
  return value ? `${SLIDERS[kind].label} ${SLIDERS[kind].words(value)}` : `${SLIDERS[kind].label} over`;
}

/** The sliders of what goes wrong. */
export class Perturb {
  constructor(send, names) {
    this.send = send;
    this.names = names;
    this.silenced = [];
    this.wrong = {}; // what the server has in force
    this.touchedAt = 0;
    this.toggledAt = -SETTLES_MS;
    this.timers = new Map();
    this.chosen = null; // unit
    this.rows = Object.entries(SLIDERS).map(([kind, { label, most, step }]) => {
      const value = make('output', {});
      const high = kind === 'drop' ? names.length : most;
      const input = make('input', { id: `perturb-${kind}`, type: 'range', min: 0, max: high, step, value: 0 });
      input.oninput = () => {
        this.show(kind, Number(input.value));
        this.soon(kind, Number(input.value));
      };
      return { kind, input, value, row: make('label', { class: 'slider', title: TITLES[kind] }, label, input, value) };
    });
    find('#perturb').replaceChildren(...this.rows.map(({ row }) => row));
    find('#all-well').onclick = () => this.rows.forEach(({ kind, input }) => {
      if (Number(input.value) || this.wrong[kind]) this.ask(kind, 0);
    });
    find('#silence-10').onclick = () => this.ask('drop', Math.min(10, names.length));
    find('#unit-silence').onclick = () => this.toggle(this.chosen);
    this.rows.forEach(({ kind }) => this.show(kind, 0));
    this.choose(null);
  }

  ask(kind, value) {
    clearTimeout(this.timers.get(kind));
    this.timers.delete(kind);
    this.touchedAt = performance.now();
    this.rows.find((row) => row.kind === kind).input.value = String(value);
    this.show(kind, value);
    this.send(KIND.PERTURB, { kind, value: kind === 'drop' ? value / this.names.length : value });
  }

  /** Silence a unit, or let it fire again. */
  toggle(unit) {
    if (unit === null) return;
    this.touchedAt = performance.now();
    this.toggledAt = this.touchedAt;
    this.silenced = this.silenced.includes(unit) ? this.silenced.filter((other) => other !== unit) : [...this.silenced, unit];
    this.choose(this.chosen);
    this.send(KIND.PERTURB, { kind: 'drop', units: this.silenced });
  }

  /** Ask after a moment, for the last of several values. */
  soon(kind, value) {
    this.touchedAt = performance.now();
    clearTimeout(this.timers.get(kind));
    this.timers.set(kind, setTimeout(() => this.ask(kind, value), SEND_AFTER_MS));
  }

  /** The unit that the visitor chose; null for none. */
  choose(unit) {
    this.chosen = unit;
    const silenced = unit !== null && this.silenced.includes(unit);
    show(find('#unit-silence'), silenced ? 'Let it fire again' : 'Silence this unit');
  }

  /** What goes wrong, from the server, whoever asked for it. */
  update(wrong) {
    this.wrong = wrong;
    if (performance.now() - this.toggledAt >= SETTLES_MS) this.silenced = wrong.units ?? [];
    this.choose(this.chosen);
    const any = this.rows.some(({ kind }) => wrong[kind]);
    find('#all-well').disabled = !any;
    if (performance.now() - this.touchedAt < SETTLES_MS) return;
    for (const { kind, input } of this.rows) {
      if (input.matches(':active')) continue;
      const value = kind === 'drop' ? this.silenced.length : wrong[kind] ?? 0;
      input.value = String(value);
      this.show(kind, value);
    }
  }

  show(kind, value) {
    const { value: output } = this.rows.find((row) => row.kind === kind);
    show(output, kind === 'drop' ? `${value} of ${this.names.length.toLocaleString('en')}` : SLIDERS[kind].words(value));
  }
}
