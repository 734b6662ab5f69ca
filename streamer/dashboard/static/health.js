// The line that says how the stream and the page do.

import { find, make, number, show } from './dom.js';

const STATES = { live: 'live', silent: 'silent: no spikes come', absent: 'waiting for the stream' };

export class HealthLine {
  constructor(element) {
    this.parts = {};
    for (const [key, about] of [
      ['stream', 'whether spikes come'],
      ['speed', 'time streamed over time passed; 1 is real time'],
      ['lateness', 'how long after its deadline a step is sent; 99 of 100 are earlier than this'],
      ['late steps', 'steps that were sent after the next one was due'],
      ['rate', 'mean over all units since the stream began'],
      ['consumers', 'whether programs receive the stream over LSL; this page is one'],
      ['lost', 'bins that never came, by the time stamps of those around them, without those that a pause kept back'],
      ['delay', 'from the end of the newest bin to this server'],
      ['pages', 'browsers that look on'],
      ['skipped', 'messages that slow browsers did not get, so that nobody waits for them'],
    ]) {
      const value = make('b', {}, '–');
      find('#health-words').append(make('dt', {}, key), make('dd', {}, about));
      element.append(make('span', { class: 'fact', title: about, id: `health-${key.replace(' ', '-')}` }, `${key} `, value));
      this.parts[key] = value;
    }
  }

  update(state, missing) {
    const { reception, health } = state;
    const set = (key, text, bad = false) => {
      show(this.parts[key], text);
      this.parts[key].classList.toggle('bad', bad);
      this.parts[key].parentElement.hidden = text === '';
    };
    const failed = state.failure !== '';
    const paused = health?.paused;
    set('stream', failed ? 'failed' : paused ? 'paused' : STATES[reception.state], failed || (!paused && reception.state !== 'live'));
    set('speed', health ? `${number(health.ratio, 4)}×` : '', health !== null && Math.abs(health.ratio - 1) > 0.02);
    set('lateness', health ? `${number(health.lateness_ms.p99)} ms` : '', (health?.lateness_ms.p99 ?? 0) > 50);
    set('late steps', health ? `${health.late_steps.toLocaleString('en')}` : '');
    set('rate', health ? `${number(health.mean_rate_hz)} Hz` : '');
    set('consumers', health ? (health.has_consumers ? 'yes' : 'none') : '');
    const lost = Math.max(0, reception.lost_bins - state.withheld_bins) + reception.invalid_bins;
    set('lost', `${lost.toLocaleString('en')} bins`, lost > 0);
    set('delay', reception.delay_ms === null ? '' : `${number(reception.delay_ms, 2)} ms`);
    set('pages', `${state.viewers}`);
    set('skipped', `${state.dropped_frames.toLocaleString('en')}${missing ? `, here ${missing} bins` : ''}`, missing > 0);
    const notice = find('#failure');
    show(notice, failed ? `The stream ended: ${state.failure}` : reception.refused && reception.state === 'absent' ? reception.refused : '');
    notice.hidden = notice.textContent === '';
  }
}
