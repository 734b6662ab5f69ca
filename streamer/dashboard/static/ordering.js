// In which order units stand in the raster.

const PC_SLOT_S = 0.1;
const PC_SLOTS = 300;
const LEAST_SLOTS = 30;
const ITERATIONS = 30;

export const ORDERS = {
  sent: { label: 'as sent', about: 'units in the order of the stream' },
  rate: { label: 'firing rate', about: 'units by rate, the busiest on top' },
  direction: { label: 'preferred direction', about: 'units by the direction they prefer: → at the bottom, then ↑ ← ↓' },
  component: { label: 'first principal component', about: 'units by their part in what the population does together' },
};

/** Return units from top to bottom, or null where the order can't be had yet, and why. */
export function orderOf(kind, history, tuning) {
  const units = Array.from({ length: history.units }, (_, unit) => unit);
  if (kind === 'rate') return { units: sorted(units, history.rates(30)).reverse() };
  if (kind === 'direction') {
    if (!tuning) return { units, why: 'the preferred directions are not known' };
    const turns = tuning.preferred.map((angle) => (angle < 0 ? angle + 2 * Math.PI : angle));
    return { units: sorted(units, turns).reverse(), turns };
  }
  if (kind === 'component') {
    const slotBins = Math.max(1, Math.round(PC_SLOT_S / history.binSizeS));
    const counts = history.nextBin === null ? [] : history.slots(slotBins, PC_SLOTS);
    if (!counts.length || counts[0].length < LEAST_SLOTS) return { units, why: 'it needs a few seconds of spikes' };
    return { units: sorted(units, firstComponent(counts)).reverse() };
  }
  return { units };
}

function sorted(units, values) {
  return [...units].sort((one, other) => values[one] - values[other] || one - other);
}

/** Weights of units on the first principal component of standardised counts, by power iteration. */
export function firstComponent(counts) {
  const slots = counts[0].length;
  const scores = counts.map((row) => {
    const mean = row.reduce((sum, value) => sum + value, 0) / slots;
    const centred = row.map((value) => value - mean);
    const norm = Math.hypot(...centred) || 1;
    return centred.map((value) => value / norm);
  });
  let weights = scores.map((_, unit) => 1 + 0.01 * Math.sin(unit + 1));
  for (let iteration = 0; iteration < ITERATIONS; iteration += 1) {
    const course = new Float64Array(slots);
    scores.forEach((row, unit) => row.forEach((value, slot) => { course[slot] += weights[unit] * value; }));
    weights = scores.map((row) => row.reduce((sum, value, slot) => sum + value * course[slot], 0));
    const norm = Math.hypot(...weights) || 1;
    weights = weights.map((weight) => weight / norm);
  }
  return weights;
}
