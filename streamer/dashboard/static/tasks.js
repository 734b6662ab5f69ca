// Tasks of the game, and their score.

const RADIUS_CM = 1.5;
const REACH_CM = 8;
const DIRECTIONS = 8;

/**
 * Achieved bitrate, bits/s: (right - wrong, not below 0) x log2(targets - 1) / seconds
 * (Nuyujukian et al. 2015, IEEE Trans Biomed Eng 62:21; Neuralink's Webgrid has the same).
 */
export function bitrate(targets, correct, incorrect, seconds) {
  return seconds > 0 ? (Math.max(0, correct - incorrect) * Math.log2(targets - 1)) / seconds : 0;
}

function other(number, not) {
  let found = not;
  while (found === not) found = Math.floor(Math.random() * number);
  return found;
}

function grid(cells) {
  return (extent) => {
    const side = extent / cells;
    const index = (part) => Math.min(cells - 1, Math.max(0, Math.floor((part + extent / 2) / side)));
    return {
      cells, targets: cells * cells, holdS: 0.5, dwells: false,
      next: (before) => other(cells * cells, before),
      at: ([x, y]) => index(x) + cells * index(y),
      place: (cell) => [(cell % cells + 0.5) * side - extent / 2, (Math.floor(cell / cells) + 0.5) * side - extent / 2],
    };
  };
}

function discs(make) {
  return () => {
    const { at, add } = make();
    return {
      cells: 0, targets: null, holdS: 0.4, dwells: true, radius: RADIUS_CM, next: add, place: at,
      at: ([x, y], target) => (Math.hypot(x - at(target)[0], y - at(target)[1]) < RADIUS_CM ? target : null),
    };
  };
}

/** Out to one of eight places on a circle, and back to the centre, which is target 0. */
function centreOut() {
  const part = (target, wave) => (target === 0 ? 0 : REACH_CM * wave((2 * Math.PI * target) / DIRECTIONS));
  let out = 0;
  return {
    at: (target) => [part(target, Math.cos), part(target, Math.sin)],
    add: (before) => {
      if (before !== null && before !== 0) return 0;
      out = 1 + other(DIRECTIONS, out - 1);
      return out;
    },
  };
}

function anywhere() {
  const places = [];
  const part = () => (Math.random() - 0.5) * 19;
  return { at: (target) => places[target], add: () => places.push([part(), part()]) - 1 };
}

export const TASKS = {
  'webgrid-30': grid(30), 'webgrid-12': grid(12), 'webgrid-6': grid(6), 'center-out': discs(centreOut), random: discs(anywhere),
};
