// What is to be done in a game now, in words.

import { byTouch, number } from '../dom.js';

/** In a sentence or two, of how the game stands; `watching` a replay, or `anothers` game; `paused` is the stream. */
export function what({ state, run, following, blind, result, note, why, decoder, calibration }, { watching, anothers, paused }) {
  if (watching) return 'This is a replay: the cursor and the targets as they were.';
  if (anothers) return `Another page ${run ? 'plays' : 'calibrates the decoder'}: look on. You can play when it has ended.`;
  if (paused) return 'The stream is paused, so the cursor stands still. “Resume the stream” is in “Steer it”.';
  if (following) return 'Calibration: follow the blue dot with your hand, as closely as you can. The decoder learns from how your hand moved.';
  if (run) {
    const label = blind ? `Game ${blind.label} of two. ` : '';
    const select = run.by_click ? `${byTouch() ? 'lift your finger' : 'click'} when the dot is in it` : `stay in it for ${number(run.hold_s, 2)} s`;
    return `${label}Point to the orange ${run.cells ? 'cell' : 'disc'}: the blue dot follows your hand. To select, ${select}.`;
  }
  if (state === 'calibrating') return 'A moment: the decoder learns from what the population fires while it imagines to follow a cursor.';
  if (state === 'failed') return `This decoder can't be had: ${why}`;
  if (note) return note;
  if (blind?.stage === 'between') return 'That was game A. Now play game B, with the other decoder and the same targets.';
  if (blind?.stage === 'revealed') return 'Both games are over. Below is which decoder was which.';
  if (result) return 'The game is over. Save it, watch it again, or play another one.';
  if (state === 'ready') return `Ready: ${decoder.replace('_', ' ')} moves the blue dot${calibration === 'followed' ? ', calibrated by you' : ''}. Try it with your hand in the field, then press Play.`;
  return 'Press Play: the decoder first learns from the population, which takes some seconds.';
}

/** Words over the field, where something is to be done first. */
export function overlay({ state, run, following, blind }, { watching, anothers, paused }) {
  if (watching || anothers) return '';
  if (paused) return 'The stream is paused';
  if (run) return '';
  if (following) return 'Follow the blue dot';
  if (state === 'calibrating') return 'The decoder learns …';
  if (blind?.stage === 'between') return 'Press “Play game B”';
  return state === 'ready' ? 'Press Play' : '';
}
