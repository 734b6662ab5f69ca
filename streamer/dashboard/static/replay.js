// The bar of a replay: play, pause, seek, speed, which session; and the list of what can be played.

import { find, make, named, number, show } from './dom.js';
import { KIND } from './protocol.js';

const parameters = new URLSearchParams(location.search);
const LARGEST_BYTES = 2 ** 30; // as in replay/library.py
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];

/** The file that this page replays; null where it shows a stream. */
export const replayed = parameters.get('replay');

/** The address of the page's WebSocket. */
export function socketPath() {
  if (replayed === null) return '/stream';
  const asked = new URLSearchParams({ replay: replayed, session: parameters.get('session') ?? '' });
  return `/stream?${asked}`;
}

export class Replay {
  /** `on.begun()` is called once the server says that it plays a file. */
  constructor(send, on) {
    this.send = send;
    this.on = on;
    this.state = null;
    this.seeking = false;
    if (replayed !== null) {
      find('#stream-name').replaceChildren(named(replayed, 80));
      show(find('#facts'), 'The file is being read.');
    }
    this.listen();
    this.list();
  }

  /** Times faster than recorded; 0 where it stands still, 1 of a stream. */
  get speed() {
    return this.state === null ? 1 : this.state.paused ? 0 : this.state.speed;
  }

  listen() {
    find('#replay-speed').append(...SPEEDS.map((speed) => make('option', { value: speed, selected: speed === 1 }, `×${speed}`)));
    find('#replay-speed').onchange = () => this.send(KIND.MOVE, { speed: Number(find('#replay-speed').value) });
    find('#replay-pause').onclick = () => this.toggle();
    const time = find('#replay-time');
    time.oninput = () => {
      this.seeking = true;
      show(find('#replay-at'), this.clock(Number(time.value)));
    };
    time.onchange = () => {
      this.seeking = false;
      this.send(KIND.MOVE, { at_s: Number(time.value) });
    };
    find('#replay-session').onchange = () => {
      location.search = new URLSearchParams({ replay: this.state.file, session: find('#replay-session').value });
    };
    find('#open-file').onchange = () => this.bring(find('#open-file').files[0]);
    find('#open-replays').ontoggle = () => this.list();
  }

  toggle() {
    this.send(KIND.MOVE, { paused: !this.state?.paused });
  }

  update(state) {
    const first = this.state === null;
    if (state.failure) {
      show(find('#failure'), `The file can't be played: ${state.failure}`);
      find('#failure').hidden = false;
      this.on.begun();
      if (first) this.offerOthers();
      return;
    }
    this.state = state;
    if (first) this.begin(state);
    if (!this.seeking) {
      find('#replay-time').value = state.at_s;
      show(find('#replay-at'), this.clock(state.at_s));
    }
    find('#replay-speed').value = String(state.speed);
    const over = state.paused && state.at_s >= state.lasts_s - 0.05;
    show(find('#replay-pause'), state.paused ? (over ? '↻ Again' : '▶ Play') : '❚❚ Pause');
    Object.assign(find('#replay').dataset, { at: state.at_s, paused: state.paused, speed: state.speed });
  }

  begin(state) {
    this.on.begun();
    document.body.classList.add('replay');
    find('#replay').hidden = false;
    const time = find('#replay-time');
    Object.assign(time, { max: state.lasts_s, step: Math.min(0.01, state.lasts_s / 100) });
    find('#replay-name').replaceChildren(named(state.file, 80), state.decoder ? ` – decoder ${state.decoder}` : '');
    const sessions = find('#replay-session');
    sessions.replaceChildren(...state.sessions.map((name) => make('option', { value: name, selected: name === parameters.get('session') }, name)));
    find('#replay-sessions').hidden = state.sessions.length < 2;
    const right = state.trials.filter(([, outcome]) => outcome === 'success').length;
    show(find('#replay-trials'), state.trials.length ? `${state.trials.length} trials, ${right} right` : '');
    const marks = state.trials.map(([at, outcome]) => make('option', { value: at, label: outcome }));
    find('#replay-marks').replaceChildren(...marks.slice(0, 200));
  }

  /** In place of a file that can't be played: the way back, and what else there is. */
  offerOthers() {
    show(find('#facts'), '');
    document.body.classList.add('unplayable');
    find('#replay-name').replaceChildren(named(replayed ?? '', 80));
    find('#replay').hidden = false;
    find('#open-replays').open = true;
  }

  clock(seconds) {
    const all = this.state?.lasts_s ?? 0;
    return `${number(seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds), 5)} of ${number(Math.round(10 * all) / 10, 5)} s`;
  }

  /** Send a file to the server, and play it. */
  async bring(file) {
    if (!file) return;
    const size = `${number(file.size / 2 ** 20)} MiB`;
    if (file.size > LARGEST_BYTES) { // or else a connection that the server ends would be all that there is to see
      show(find('#open-said'), `${file.name}: expected at most 1 GiB, found ${size}; start spikeloop web --replay with its path`);
      return;
    }
    show(find('#open-said'), `Opening ${file.name}, ${size} …`);
    try {
      const answer = await fetch(`replays/${encodeURIComponent(file.name)}`, { method: 'PUT', body: file });
      const said = await answer.json();
      if (said.name) location.search = new URLSearchParams({ replay: said.name });
      else show(find('#open-said'), said.reason);
    } catch {
      show(find('#open-said'), 'The server could not be reached; is it still there?');
    }
  }

  async list() {
    try {
      const files = await (await fetch('replays')).json();
      const rows = files.map(({ name, from }) => make('li', {}, make('a', { href: `?${new URLSearchParams({ replay: name })}` }, named(name, 80)), ' ', make('span', { class: 'faint' }, from)));
      find('#replays').replaceChildren(...(rows.length ? rows : [make('li', { class: 'faint' }, 'no session is saved yet')]));
    } catch { /* the list stays as it is */ }
  }
}
