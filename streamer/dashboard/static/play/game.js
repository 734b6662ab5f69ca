// Play: the visitor's hand says where the cursor should go; the population and a decoder move it. The server plays the
// trials and keeps the score; the page shows them.

import { find, make, named, number, show } from '../dom.js';
import { KIND } from '../protocol.js';
import { Hand } from './hand.js';
import { Latency } from './latency.js';
import { Best, Course, meaning, words } from './scores.js';
import { GameView } from './view.js';
import { overlay, what } from './what.js';

const AIM_EVERY_MS = 33;
const GRIDS = ['webgrid', 'grid'];
const FOLLOW_S = 60;
const FOLLOWING = 'following';
const FORMATS = { npz: 'Save this game', nwb: 'Save as NWB' };
const NOTHING = { state: 'none', decoder: '', decoders: [], extent_cm: 24, run: null, following: null, result: null, blind: null, saved: [], why: '', note: '' };

export class Game {
  constructor(send) {
    this.send = send;
    this.view = new GameView(find('#game'));
    this.state = NOTHING;
    this.cursor = [0, 0];
    this.bin = null; // the newest one, whose cursor is drawn
    this.drawnBin = null;
    this.dirty = true;
    this.aims = 0;
    this.aimedAt = 0;
    this.driving = false; // what the hand intended last still drives the population
    this.watching = false; // a replay
    this.begun = new Set(); // what this page asked for: the seeds of games, and FOLLOWING
    this.paused = false; // the stream
    this.saving = null; // the button that was clicked, until its file is there
    this.latency = new Latency((kind, document) => send(kind, document));
    this.best = new Best();
    this.course = new Course();
    this.hand = new Hand(find('#game'), () => this.state.extent_cm, {
      moved: () => this.aim(),
      clicked: () => this.click(),
      left: () => {
        this.driving = false;
        if (!this.watching) send(KIND.RELEASE);
      },
    });
    this.listen();
  }

  setStream(about) {
    this.stream = about;
  }

  /** Show a replay from now on. */
  watch() {
    this.watching = true;
    show(find('#play-title'), 'The cursor, and what it was to reach');
    find('#back-to-stream').hidden = location.search === ''; // the server has no stream
  }

  listen() {
    find('#play').onclick = () => (this.state.run || this.state.following ? this.send(KIND.STOP) : this.begin({ decoder: find('#decoder').value }));
    find('#follow').onclick = () => {
      this.begun.add(FOLLOWING);
      this.send(KIND.FOLLOW, { length_s: Number(find('#follow-length').value || FOLLOW_S), decoder: find('#decoder').value });
    };
    find('#compare').onclick = () => this.begin(this.state.blind?.stage === 'between' ? { next: true } : { compare: [find('#decoder').value, find('#against').value] });
    find('#decoder').onchange = () => {
      this.offerAgainst();
      this.send(KIND.PLAY, { decoder: find('#decoder').value });
    };
    find('#task').onchange = () => this.chooseTask();
    find('#cells').onchange = () => { this.dirty = true; };
    for (const format of Object.keys(FORMATS)) find(`#save-${format}`).onclick = () => this.save(format);
    find('#hide-units').onclick = () => this.send(KIND.HIDE, { units: 10 });
    find('#show-units').onclick = () => this.send(KIND.HIDE, { units: 0 });
    new ResizeObserver(() => { this.dirty = true; }).observe(find('#game'));
    this.chooseTask();
  }

  chooseTask() {
    const grid = GRIDS.includes(find('#task').value);
    find('#cells-line').hidden = !grid;
    find('#select-line').hidden = !grid;
    if (grid) {
      find('#cells').value = find('#task').value === 'webgrid' ? '30' : '6';
      find('#select').value = find('#task').value === 'webgrid' ? 'click' : 'dwell';
    }
    this.dirty = true;
  }

  begin(how) {
    const task = find('#task').value;
    const grid = GRIDS.includes(task);
    const asked = { task, length_s: Number(find('#length').value), seed: Math.floor(Math.random() * 2 ** 31), ...how };
    if (grid) Object.assign(asked, { cells: Number(find('#cells').value), select: find('#select').value });
    this.begun.add(how.next ? this.state.result?.seed : asked.seed);
    this.send(KIND.BEGIN, asked);
    find('#game').focus({ preventScroll: true });
    find('#game').scrollIntoView({ block: 'nearest' });
  }

  save(format) {
    if (!this.send(KIND.SAVE, { format })) return;
    this.saving = find(`#save-${format}`);
    this.controls();
  }

  /** The server has refused what this page asked for. */
  refused() {
    this.saving = null;
    this.controls();
  }

  /** The stream stands still, or goes on. */
  setPaused(paused) {
    if (paused === this.paused) return;
    this.paused = paused;
    show(find('#game-state'), what(this.state, this));
    this.dirty = true;
  }

  /** Whether another page began what is under way. */
  get anothers() {
    const { run, following } = this.state;
    return !this.watching && (run ? !this.begun.has(run.seed) : following !== null && !this.begun.has(FOLLOWING));
  }

  /** How the game stands, from the server. */
  update(state) {
    const before = this.state;
    this.state = { ...NOTHING, ...state };
    if (before.following && !this.state.following) this.begun.delete(FOLLOWING);
    if (this.state.saved.length !== before.saved.length) this.saving = null;
    find('#play-panel').hidden = false;
    find('#go-play').hidden = this.watching;
    this.offer(before);
    this.follow(before);
    this.controls();
    show(find('#game-state'), what(this.state, this));
    this.showScore();
    this.showBlind();
    this.showSaved();
    this.dirty = true;
  }

  offer(before) {
    const { decoders, decoder } = this.state;
    const select = find('#decoder');
    if (decoders.join() !== before.decoders.join()) select.replaceChildren(...decoders.map((name) => make('option', { value: name }, name.replace('_', ' '))));
    if (decoder && decoder !== before.decoder) select.value = decoder;
    if (decoders.join() !== before.decoders.join()) this.offerAgainst();
  }

  offerAgainst() {
    const others = this.state.decoders.filter((name) => name !== find('#decoder').value);
    find('#against').replaceChildren(...others.map((name) => make('option', { value: name }, name.replace('_', ' '))));
  }

  /** Show for a moment how a trial ended, and remember a game that is over. */
  follow(before) {
    const { run, result } = this.state;
    const now = run ?? result;
    const same = before.run !== null && before.run.seed === now?.seed;
    if (same && now.selections > before.run.selections && now.latest.outcome !== 'timeout') {
      this.view.flash([now.latest.x_cm, now.latest.y_cm], now.latest.outcome === 'success');
    }
    const finished = before.run !== null && run === null && result !== null && result.seed === before.run.seed;
    if (finished && this.state.note === '' && !this.watching) {
      if (this.state.blind === null) this.best.add(result);
    }
    this.course.set(run === null ? result : null);
  }

  controls() {
    const { run, following, state, blind, result } = this.state;
    const busy = run !== null || following !== null;
    const between = blind?.stage === 'between';
    show(find('#play'), busy ? 'Stop' : 'Play');
    find('#play').disabled = busy ? this.anothers : state === 'calibrating';
    for (const selector of ['#task', '#cells', '#select', '#length', '#follow', '#follow-length']) find(selector).disabled = busy || between;
    find('#follow').disabled = busy || between || state === 'calibrating';
    find('#decoder').disabled = blind !== null && blind.stage !== 'revealed';
    find('#compare').disabled = busy || state === 'calibrating';
    show(find('#compare'), between ? `Play game ${blind.label}` : 'Compare two, blind');
    find('#save-line').hidden = busy || result === null;
    find('#save-nwb').hidden = (result?.games ?? 1) > 1;
    for (const [format, label] of Object.entries(FORMATS)) {
      const button = find(`#save-${format}`);
      show(button, button === this.saving ? 'Saving …' : label);
      button.disabled = this.saving !== null;
    }
  }

  showScore() {
    const { run, result } = this.state;
    const game = run ?? result;
    find('#score-lines').hidden = game === null;
    if (game === null) return;
    show(find('#score'), words(game, run !== null));
    show(find('#score-about'), run === null ? meaning(game) : '');
    const { correct, incorrect, bits_per_s: bits } = game.score;
    Object.assign(find('#score').dataset, { correct, incorrect, bps: bits ?? '', running: run !== null, seed: game.seed });
  }

  showBlind() {
    const { blind } = this.state;
    const revealed = blind?.stage === 'revealed';
    find('#blind').hidden = !revealed;
    if (!revealed) return;
    const { results, difference } = blind;
    const rows = results.map(({ label, decoder, score }) => make('tr', {}, make('th', { scope: 'row' }, `${label}: ${decoder.replace('_', ' ')}`),
      make('td', {}, score.bits_per_s === null ? '–' : `${number(score.bits_per_s, 3)} bits/s`), make('td', {}, `${score.correct}`), make('td', {}, `${score.incorrect}`)));
    find('#blind tbody').replaceChildren(...rows);
    const { value, low, high } = difference.time_s;
    const [a, b] = results.map(({ decoder }) => decoder.replace('_', ' '));
    const sure = low === null ? '' : ` (95 % interval ${number(low, 2)} to ${number(high, 2)} s${low <= 0 && high >= 0 ? ': no difference found' : ''})`;
    show(find('#blind-difference'), `${a} less ${b}, over the first ${difference.trials} targets, which were the same: ${number(value, 2)} s to a target${sure}`
      + `${difference.bits_per_s === null ? '' : `; ${number(difference.bits_per_s, 3)} bits/s`}. Below 0 s, ${a} was faster; a target that was missed counts its time-out.`);
  }

  showSaved() {
    const rows = this.state.saved.map((path) => {
      const file = path.split(/[/\\]/).pop();
      return make('li', {}, named(path, 120), ' ', make('a', { href: `sessions/${encodeURIComponent(file)}`, download: file }, 'download'), ' ',
        make('a', { href: `?replay=${encodeURIComponent(file)}`, class: 'watch' }, 'watch it'));
    });
    find('#saved').replaceChildren(...rows);
    find('#saved-title').hidden = rows.length === 0;
  }

  /** Positions of the cursor, bin after bin, from the server. */
  move({ values, bins, firstBin }) {
    const now = performance.now();
    this.cursor = [values[2 * bins - 2], values[2 * bins - 1]];
    this.bin = firstBin + bins - 1;
    this.latency.cursorCame(firstBin, bins, now);
    const { run } = this.state;
    if (run && run.first_bin !== null && this.stream && !this.watching) {
      run.score.seconds = (this.bin + 1 - run.first_bin) * this.stream.bin_size_s;
      if (run.choices !== null) run.score.bits_per_s = (Math.max(0, run.score.correct - run.score.incorrect) * Math.log2(run.choices - 1)) / run.score.seconds;
    }
    this.aim();
    this.dirty = true;
  }

  aim() {
    const { state, run, following } = this.state;
    if (this.watching || (state !== 'ready' && !run && !following)) return;
    const now = performance.now();
    if (now - this.aimedAt < AIM_EVERY_MS) return;
    const velocity = following ? this.hand.itself(now) : this.hand.towards(this.cursor);
    if (velocity === null) {
      this.rest(run !== null || following !== null);
      return;
    }
    this.aimedAt = now;
    this.driving = true;
    const asked = { velocity_cm_s: velocity };
    if (this.hand.eventAt !== null) {
      this.aims += 1;
      asked.number = this.aims;
      this.latency.aimed(this.aims, this.hand.eventAt);
      this.hand.eventAt = null;
    }
    this.send(KIND.AIM, asked);
  }

  /** The hand rests, such as a gamepad's stick: let go, once. */
  rest(playing) {
    if (!this.driving) return;
    this.driving = false;
    if (playing) this.send(KIND.AIM, { velocity_cm_s: [0, 0] });
    else this.send(KIND.RELEASE);
  }

  click() {
    if (this.state.run?.by_click && !this.watching) this.send(KIND.CLICK, { bin: this.drawnBin });
  }

  /** A frame of the screen. */
  frame(now) {
    this.latency.frame(this.drawnBin, now, this.hand.place !== null);
    if (!this.dirty && !this.view.flashes) return;
    this.dirty = false;
    this.draw();
  }

  draw() {
    const { run, extent_cm: extent, state, following } = this.state;
    if (run) show(find('#score'), words(run, true));
    const cells = run ? run.cells ?? 0 : GRIDS.includes(find('#task').value) ? Number(find('#cells').value) : 0;
    const shows = state === 'ready' || following || this.watching || run;
    this.view.draw({
      extent, cells: following ? 0 : cells, target: run?.target ?? null, cursor: shows ? this.cursor : null,
      hand: this.watching ? null : this.hand.place, words: overlay(this.state, this),
    });
    this.drawnBin = this.bin;
    Object.assign(find('#game').dataset, {
      target: run?.target ? run.target.slice(0, 2).join(',') : '', width: run?.target?.[2] ?? '', cursor: this.cursor.join(','), extent,
      clicks: run?.by_click === true, mode: following ? 'following' : run ? 'playing' : state,
    });
  }
}
