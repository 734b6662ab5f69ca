// What a visitor does to the stream: drive it, stimulate units, scale and pause it.

import { byTouch, find, make, named, number, show } from './dom.js';
import { KIND } from './protocol.js';

const SEND_EVERY_MS = 33;
const SETTLES_MS = 1000; // after a request, until the stream surely obeys
const REACH = 0.9; // of a channel's range at the rim of the pad
const KEYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** A value with its unit, to about a thousandth of the channel's range: what is less can't be meant. */
function inWords(value, { low, high, unit }) {
  const digit = 10 ** Math.floor(Math.log10((high - low) / 1000));
  return `${number(Math.round(value / digit) * digit + 0)} ${unit}`;
}

export class Steer {
  constructor(send, description) {
    this.send = send;
    this.conditions = description.conditions;
    this.direction = description.direction;
    this.units = description.units.length;
    this.values = this.conditions.map((condition) => condition.rest);
    this.held = new Set();
    this.sentAt = 0;
    this.cyclic = this.conditions.length === 1 && this.conditions[0].cyclic;
    find('#steer').hidden = !description.steerable;
    find('#not-steerable').hidden = description.steerable;
    if (description.steerable) this.build();
  }

  build() {
    this.buildPad();
    this.buildSliders();
    find('#gain').oninput = () => {
      show(find('#gain-value'), `×${number(Number(find('#gain').value), 2)}`);
      this.soon(() => this.send(KIND.CONTROL, { command: 'gain', value: Number(find('#gain').value) }));
    };
    find('#gain-reset').onclick = () => {
      find('#gain').value = '1';
      find('#gain').oninput();
    };
    find('#pause-stream').onclick = () => this.send(KIND.CONTROL, { command: this.paused ? 'resume' : 'pause' });
    for (const name of ['amplitude', 'pulses', 'pulse-rate']) {
      const input = find(`#${name}`);
      input.oninput = () => show(find(`#${name}-value`), `${input.value} ${input.dataset.unit}`);
      input.oninput();
    }
  }

  /** The state of the stream, from the server, whoever changed it. */
  update(paused, gain) {
    this.paused = paused;
    if (!find('#gain').matches(':active') && performance.now() - this.sentAt > SETTLES_MS) {
      find('#gain').value = String(gain);
      show(find('#gain-value'), `×${number(gain, 2)}`);
    }
    show(find('#pause-stream'), paused ? 'Resume the stream' : 'Pause the stream');
    find('#pause-stream').setAttribute('aria-pressed', String(paused));
  }

  stimulate(units) {
    const train = { amplitude_ua: Number(find('#amplitude').value), pulses: Number(find('#pulses').value), rate_hz: Number(find('#pulse-rate').value) };
    this.send(KIND.STIMULATE, { units, ...train });
  }

  buildPad() {
    const pad = find('#pad');
    find('#pad-figure').hidden = this.direction === null;
    if (this.direction === null) return;
    const [x, y] = this.direction.map((channel) => this.conditions[channel]);
    show(find('#pad-caption'), `Drag${byTouch() ? '' : ', or click in it and use the arrow keys'}: ${x.name} and ${y.name}, ${x.unit || 'no unit'}. Let go, and it rests.`);
    const drag = (event) => {
      const box = pad.getBoundingClientRect();
      const place = [(2 * (event.clientX - box.left)) / box.width - 1, 1 - (2 * (event.clientY - box.top)) / box.height];
      const length = Math.hypot(...place);
      this.drive(place.map((part) => part / Math.max(1, length)));
    };
    pad.onpointerdown = (event) => {
      pad.setPointerCapture(event.pointerId);
      drag(event);
    };
    pad.onpointermove = (event) => { if (pad.hasPointerCapture(event.pointerId)) drag(event); };
    pad.onlostpointercapture = () => this.letGo();
    pad.onkeydown = (event) => {
      if (!KEYS[event.key]) return;
      event.preventDefault();
      this.held.add(event.key);
      this.byKeys();
    };
    pad.onkeyup = (event) => {
      if (this.held.delete(event.key)) this.byKeys();
    };
    pad.onblur = () => {
      if (this.held.size) {
        this.held.clear();
        this.letGo();
      }
    };
    this.drawPad([0, 0]);
  }

  byKeys() {
    const sum = [...this.held].reduce(([x, y], key) => [x + KEYS[key][0], y + KEYS[key][1]], [0, 0]);
    const length = Math.hypot(...sum);
    if (length) this.drive(sum.map((part) => (0.8 * part) / length));
    else this.letGo();
  }

  /** Drive the population in a direction; both parts from -1 to 1. */
  drive(place) {
    this.drawPad(place);
    this.direction.forEach((channel, axis) => {
      const { low, high, rest } = this.conditions[channel];
      this.values[channel] = rest + REACH * place[axis] * Math.min(high - rest, rest - low);
    });
    this.soon(() => this.sendValues());
  }

  letGo() {
    clearTimeout(this.timer);
    this.sentAt = performance.now();
    if (this.direction !== null) this.drawPad([0, 0]);
    this.direction?.forEach((channel) => { this.values[channel] = this.conditions[channel].rest; });
    this.showValues();
    if (this.holds()) this.sendValues();
    else this.send(KIND.RELEASE);
  }

  /** Whether a slider is away from rest. */
  holds() {
    return this.conditions.some((condition, channel) => this.values[channel] !== condition.rest && !condition.cyclic);
  }

  sendValues() {
    this.showValues();
    this.send(KIND.CONDITION, { values: this.values });
  }

  /** Do it now, or after a moment where something was just sent; of several, the last. */
  soon(act) {
    clearTimeout(this.timer);
    const wait = this.sentAt + SEND_EVERY_MS - performance.now();
    const go = () => {
      this.sentAt = performance.now();
      act();
    };
    if (wait <= 0) go();
    else this.timer = setTimeout(go, wait);
  }

  drawPad([x, y]) {
    const stick = find('#stick');
    stick.setAttribute('x2', 100 + 90 * x);
    stick.setAttribute('y2', 100 - 90 * y);
    find('#knob').setAttribute('cx', 100 + 90 * x);
    find('#knob').setAttribute('cy', 100 - 90 * y);
  }

  buildSliders() {
    const rows = this.conditions.map((condition, channel) => {
      const { low, high, rest, cyclic } = condition;
      const value = make('output', {});
      const input = make('input', {
        type: 'range', min: low, max: high, step: cyclic ? 1 : (high - low) / 200, value: rest, 'aria-label': condition.name,
      });
      input.oninput = () => {
        this.values[channel] = cyclic ? Math.round(Number(input.value)) : Number(input.value);
        this.soon(() => this.sendValues());
      };
      const words = cyclic ? `${condition.name} (set it, and it runs on)` : condition.name;
      return { channel, input, value, row: make('label', { class: 'slider' }, named(words, 60), input, value) };
    });
    this.sliders = rows;
    find('#sliders').replaceChildren(...rows.map(({ row }) => row));
    find('#rest').hidden = rows.length === 0;
    find('#undriven').hidden = rows.length > 0;
    show(find('#rest'), this.cyclic ? 'Back to its own course' : 'Let go of all');
    find('#rest').onclick = () => {
      this.values = this.conditions.map((condition) => condition.rest);
      this.letGo();
    };
    this.showValues();
  }

  /** Show what drives the stream now, whoever set it; not while somebody moves something here. */
  follow(values) {
    if (!this.sliders || performance.now() - this.sentAt < SETTLES_MS || values.some(Number.isNaN)) return;
    for (const { channel, input, value } of this.sliders) {
      if (input.matches(':active')) continue;
      this.values[channel] = values[channel];
      input.value = String(values[channel]);
      show(value, inWords(values[channel], this.conditions[channel]));
    }
  }

  showValues() {
    for (const { channel, input, value } of this.sliders ?? []) {
      input.value = String(this.values[channel]);
      show(value, inWords(this.values[channel], this.conditions[channel]));
    }
  }
}
