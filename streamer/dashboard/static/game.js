// Play: the visitor's hand says where the cursor should go; the population and a decoder move it.

import { find, make, number, show } from './dom.js';
import { KIND } from './protocol.js';
import { GameView } from './game_view.js';
import { TASKS, bitrate } from './tasks.js';

const SPEED_PER_CM = 3; // of what the hand is away from the cursor, cm/s
const FASTEST_CM_S = 25;
const AIM_EVERY_MS = 33;
const DEAD_ZONE = 0.15; // of a gamepad's stick
const BEST = 'spikeloop-best';
const KEPT_BEST = 5;

export class Game {
  constructor(send) {
    this.send = send;
    this.view = new GameView(find('#game'));
    this.state = { state: 'none', extent_cm: 24 };
    this.hand = null; // cm, where the visitor points; null outside
    this.run = null;
    this.last = null; // the latest game that was finished
    this.wants = false; // to begin as soon as the decoder is ready
    this.cursor = [0, 0];
    this.aimedAt = 0;
    this.stream = null;
    this.listen();
    this.showBest();
  }

  setStream(about) {
    this.stream = about;
    if (this.run) this.stop('the stream began anew');
  }

  update(state) {
    this.state = state;
    find('#play-panel').hidden = false;
    find('#go-play').hidden = false;
    const select = find('#decoder');
    if (!select.children.length) select.append(...state.decoders.map((name) => make('option', { value: name }, name.replace('_', ' '))));
    const words = {
      none: 'Press Play: the decoder first learns from the population, which takes some seconds.',
      calibrating: `The decoder ${state.decoder} learns: the population imagines to follow a moving cursor …`,
      ready: `The decoder ${state.decoder} moves the cursor. Point into the field to practise.`,
      failed: `The decoder can't be had: ${state.why}`,
    };
    show(find('#game-state'), words[state.state]);
    if (state.state === 'ready' && this.wants) this.begin();
    this.draw();
  }

  listen() {
    const field = find('#game');
    const point = (event) => {
      const box = field.getBoundingClientRect();
      const half = this.state.extent_cm / 2;
      this.hand = [((2 * (event.clientX - box.left)) / box.width - 1) * half, (1 - (2 * (event.clientY - box.top)) / box.height) * half];
      this.aim();
    };
    field.onpointermove = point;
    field.onpointerdown = (event) => {
      if (event.pointerType !== 'mouse') field.setPointerCapture(event.pointerId);
      point(event);
      if (event.pointerType === 'mouse') this.click();
    };
    field.onpointerup = (event) => { if (event.pointerType !== 'mouse') this.click(); };
    field.onpointerleave = () => {
      this.hand = null;
      this.send(KIND.RELEASE);
    };
    field.onkeydown = (event) => {
      if (event.key === ' ' || event.key === 'Enter') {
        event.preventDefault();
        this.click();
      }
    };
    find('#play').onclick = () => (this.run ? this.stop('stopped') : this.start());
    find('#task').onchange = () => this.draw();
    find('#save-game').onclick = () => this.save();
    find('#lose').onclick = () => this.send(KIND.LOSE, { units: 10 });
    find('#find-again').onclick = () => this.send(KIND.LOSE, { units: 0 });
    new ResizeObserver(() => this.draw()).observe(field);
  }

  start() {
    if (this.state.state === 'ready' && this.state.decoder === find('#decoder').value) {
      this.begin();
      return;
    }
    this.wants = true;
    this.send(KIND.PLAY, { decoder: find('#decoder').value });
  }

  begin() {
    this.wants = false;
    this.send(KIND.CENTRE);
    const task = TASKS[find('#task').value](this.state.extent_cm);
    this.run = {
      task, target: task.next(null), firstBin: null, bins: 0, inside: 0, over: null, selections: [], cursor: [], aims: [],
      correct: 0, incorrect: 0, decoder: this.state.decoder, kind: find('#task').value, dwells: task.dwells || find('#dwell').checked, lastsS: Number(find('#length').value),
    };
    show(find('#play'), 'Stop');
    find('#game').focus();
    this.draw();
  }

  stop(why) {
    const { run } = this;
    this.run = null;
    show(find('#play'), 'Play');
    this.send(KIND.RELEASE);
    if (run && why === '') {
      this.last = run;
      find('#save-game').hidden = false;
      this.keepBest(run);
    }
    if (why) show(find('#game-state'), `The game was ended: ${why}.`);
    this.draw();
  }

  /** Positions of the cursor, bin after bin, from the server. */
  move(message) {
    const { values, bins, firstBin } = message;
    this.cursor = [values[2 * bins - 2], values[2 * bins - 1]];
    if (this.run) {
      for (let bin = 0; bin < bins && this.run; bin += 1) this.step(firstBin + bin, [values[2 * bin], values[2 * bin + 1]]);
    }
    this.aim();
    this.draw();
  }

  step(bin, cursor) {
    const { run } = this;
    const binS = this.stream.bin_size_s;
    if (run.firstBin === null) run.firstBin = bin;
    run.bins = bin - run.firstBin + 1;
    run.cursor.push(cursor.map((part) => Number(part.toFixed(3))));
    const over = run.task.at(cursor, run.target);
    run.inside = over !== null && over === run.over ? run.inside + 1 : 1;
    run.over = over;
    if (run.dwells && over !== null && run.inside * binS >= run.task.holdS) this.choose(bin);
    if (run.bins * binS >= run.lastsS) this.stop('');
  }

  click() {
    const { run } = this;
    if (run && !run.dwells && run.over !== null && run.firstBin !== null) this.choose(run.firstBin + run.bins - 1);
  }

  /** Select what is under the cursor. */
  choose(bin) {
    const { run } = this;
    const correct = run.over === run.target;
    run.selections.push({ bin, target: run.target, selected: run.over, correct });
    if (correct) run.correct += 1;
    else run.incorrect += 1;
    this.view.flash(run.over, correct);
    run.inside = 0;
    if (correct) {
      run.target = run.task.next(run.target);
      run.over = null;
    }
  }

  aim() {
    if (this.state.state !== 'ready') return;
    const velocity = this.stick() ?? (this.hand === null ? null : this.hand.map((place, axis) => SPEED_PER_CM * (place - this.cursor[axis])));
    const now = performance.now();
    if (velocity === null || now - this.aimedAt < AIM_EVERY_MS) return;
    this.aimedAt = now;
    const slower = Math.min(1, FASTEST_CM_S / (Math.hypot(...velocity) || 1));
    const aimed = velocity.map((part) => part * slower);
    this.send(KIND.AIM, { velocity_cm_s: aimed });
    this.run?.aims.push([this.run.bins, ...aimed.map((part) => Number(part.toFixed(2)))]);
  }

  /** What a gamepad's stick says, cm/s; null without one, or where it rests. */
  stick() {
    const pad = [...(navigator.getGamepads?.() ?? [])].find((found) => found !== null);
    if (!pad) return null;
    if (pad.buttons[0]?.pressed && !this.pressed) this.click();
    this.pressed = pad.buttons[0]?.pressed;
    const [x, y] = pad.axes;
    return Math.hypot(x, y) < DEAD_ZONE ? null : [x * FASTEST_CM_S, -y * FASTEST_CM_S];
  }

  score(run) {
    const seconds = run.bins * (this.stream?.bin_size_s ?? 0);
    return { correct: run.correct, incorrect: run.incorrect, seconds, bps: run.task.targets ? bitrate(run.task.targets, run.correct, run.incorrect, seconds) : null };
  }

  words(run) {
    const { correct, incorrect, seconds, bps } = this.score(run);
    const left = Math.max(0, run.lastsS - seconds);
    const rate = bps === null ? `${number((60 * correct) / (seconds || 1), 2)} targets a minute` : `${number(bps, 3)} bits a second`;
    return `${rate} – ${correct} right, ${incorrect} wrong, ${this.run === run ? `${Math.ceil(left)} s left` : `in ${Math.round(seconds)} s`}`;
  }

  draw() {
    const run = this.run ?? this.last;
    if (run) {
      show(find('#score'), this.words(run));
      const { correct, incorrect, bps } = this.score(run);
      Object.assign(find('#score').dataset, { correct, incorrect, bps: bps ?? '', running: this.run !== null });
    }
    const task = this.run?.task ?? TASKS[find('#task').value](this.state.extent_cm);
    const shown = this.run ? task.place(this.run.target) : null;
    this.view.draw({ extent: this.state.extent_cm, task, target: this.run?.target ?? null, cursor: this.state.state === 'ready' ? this.cursor : null, hand: this.hand });
    Object.assign(find('#game').dataset, { target: shown ? shown.join(',') : '', cursor: this.cursor.join(',') });
  }

  session(run) {
    const { name, bundle, seed, run: uid, bin_size_s: binSizeS } = this.stream;
    return {
      format: 'spikeloop-game', version: 1, stream: { name, bundle, seed, run: uid }, decoder: run.decoder, task: run.kind,
      targets: run.task.targets, selected_by: run.dwells ? 'dwell' : 'click', extent_cm: this.state.extent_cm, bin_size_s: binSizeS,
      first_bin: run.firstBin, bins: run.bins, selections: run.selections, cursor_cm: run.cursor, aims_cm_s: run.aims, score: this.score(run),
    };
  }

  save() {
    const file = new Blob([JSON.stringify(this.session(this.last))], { type: 'application/json' });
    const link = make('a', { href: URL.createObjectURL(file), download: `spikeloop-game-${this.last.kind}-${this.last.decoder}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  best() {
    try {
      const kept = JSON.parse(localStorage.getItem(BEST) ?? '[]');
      return Array.isArray(kept) ? kept : [];
    } catch {
      return [];
    }
  }

  keepBest(run) {
    const { bps, correct } = this.score(run);
    const games = [...this.best(), { task: run.kind, decoder: run.decoder, value: bps ?? correct, bits: bps !== null }];
    games.sort((one, other) => Number(other.bits) - Number(one.bits) || other.value - one.value);
    try {
      localStorage.setItem(BEST, JSON.stringify(games.slice(0, 4 * KEPT_BEST)));
    } catch { /* where nothing may be kept */ }
    this.showBest();
  }

  showBest() {
    const rows = this.best().slice(0, KEPT_BEST).map(({ task, decoder, value, bits }) => make('li', {}, `${number(Number(value), 3)} ${bits ? 'bits/s' : 'targets'} – ${task}, ${decoder}`));
    find('#best').replaceChildren(...(rows.length ? rows : [make('li', { class: 'faint' }, 'no game yet')]));
  }
}
