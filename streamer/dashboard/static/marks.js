// What was done to the stream, in words. Markers may come from any program: nothing in them is taken for granted.

import { number } from './dom.js';
import { wordsOfPerturbation } from './perturb.js';

const WORDS = {
  gain: ({ value }) => `gain ×${number(value, 2)}`,
  stimulate: ({ units }, names) => `stimulus: ${units === 'all' ? 'all units' : some(units, names)}`,
  'hidden units': ({ units }) => (units.length ? `${units.length} units hidden from the decoder` : 'the decoder gets all units'),
  perturb: wordsOfPerturbation,
};
WORDS['lost units'] = WORDS['hidden units']; // as recordings of earlier versions have it

/** A marker with nothing as its units but "all" or numbers of units of the stream, and no value but a number. */
export function checked(marker, numberOfUnits) {
  const known = (unit) => Number.isInteger(unit) && unit >= 0 && unit < numberOfUnits;
  const units = marker.units === 'all' ? 'all' : Array.isArray(marker.units) ? marker.units.filter(known) : [];
  return { ...marker, units, value: Number.isFinite(marker.value) ? marker.value : 0 };
}

/** A marker that was checked, in words. */
export function wordsOf(marker, names) {
  const words = Object.hasOwn(WORDS, marker.event) ? WORDS[marker.event](marker, names) : marker.event;
  return String(words).slice(0, 80);
}

function some(units, names) {
  return units.length === 1 ? names[units[0]] : `${units.length} units`;
}
