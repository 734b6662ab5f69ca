// Plays recorded trials: the data are in #replay-data, the controls in #replay-controls.
const data = JSON.parse(document.getElementById('replay-data').textContent);
const root = document.getElementById('replay-controls');
const find = (name) => root.querySelector(`[data-${name}]`);
const [play, next, decoder, trial, speed, time, said, keys] =
  ['play', 'next', 'decoder', 'trial', 'speed', 'time', 'said', 'legend'].map(find);
const canvas = root.querySelector('canvas');
const colours = ['line', 'accent', 'mark', 'drive', 'violet', 'ink', 'rose', 'olive'];
const shown = { bin: 0, playing: false, last: 0, trials: [] };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const seconds = (bins) => `${(bins * data.bin_s).toFixed(2)} s`;

for (const each of data.decoders) {
  each.trials.forEach((one) => { one.places = places(one.path); });
}

// Positions of a path of differences.
function places(path) {
  const found = [];
  for (let k = 0, x = 0, y = 0; k < path.length; k += 2) found.push([x += path[k], y += path[k + 1]]);
  return found;
}

function option(text, value) {
  const made = document.createElement('option');
  [made.textContent, made.value] = [text, value];
  return made;
}

// The decoders that are chosen, each with its place.
const chosen = () => data.decoders.map((each, place) => ({ each, place }))
  .filter(({ place }) => decoder.value === 'all' || Number(decoder.value) === place);

const describe = (one) => `${one.outcome}${one.acquired === null ? '' : ` in ${seconds(one.acquired)}`}`;

function listTrials() {
  const before = trial.value;
  const indices = new Map();
  for (const { each } of chosen()) for (const one of each.trials) indices.set(one.index, one);
  const several = chosen().length > 1;
  trial.replaceChildren(...[...indices].sort(([a], [b]) => a - b)
    .map(([index, one]) => option(`${index}${several ? '' : `: ${describe(one)}`}`, index)));
  if ([...trial.options].some(({ value }) => value === before)) trial.value = before;
  keys.replaceChildren(...chosen().map(({ each, place }) => {
    const [item, key] = [document.createElement('li'), document.createElement('span')];
    key.className = 'key';
    key.style.background = `var(--${colours[place % colours.length]})`;
    item.append(key, each.name);
    return item;
  }));
  choose();
}

function choose() {
  shown.trials = chosen().map(({ each, place }) => ({
    name: each.name, place, trial: each.trials.find(({ index }) => index === Number(trial.value)),
  })).filter((one) => one.trial);
  time.max = Math.max(0, ...shown.trials.map((one) => one.trial.places.length - 1));
  show(0);
}

function show(bin) {
  shown.bin = Math.max(0, Math.min(bin, Number(time.max))); // a frame may be dated before the click
  time.value = Math.round(shown.bin);
  const over = shown.trials.filter((one) => shown.bin >= one.trial.places.length - 1);
  said.textContent = [seconds(Math.round(shown.bin)),
    ...over.map((one) => `${one.name}: ${describe(one.trial)}`)].join(' · ');
  draw();
}

function draw() {
  const pen = canvas.getContext('2d');
  const scale = canvas.width / (data.extent * 1.06);
  const at = ([x, y]) => [canvas.width / 2 + x * scale, canvas.height / 2 - y * scale];
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.lineWidth = 2;
  pen.strokeStyle = colour('grid');
  for (let k = 1; k < data.cells; k += 1) {
    const place = (k / data.cells - 0.5) * data.extent;
    const half = data.extent / 2;
    for (const [from, to] of [[[place, -half], [place, half]], [[-half, place], [half, place]]]) line(pen, [from, to].map(at));
  }
  const now = shown.trials.map((one) => one.trial.places[Math.min(Math.round(shown.bin), one.trial.places.length - 1)]);
  if (shown.trials.length) target(pen, shown.trials[0].trial.target, now, at, scale);
  shown.trials.forEach((one, k) => {
    pen.strokeStyle = pen.fillStyle = colour(colours[one.place % colours.length]);
    pen.lineWidth = 3;
    line(pen, one.trial.places.slice(0, Math.round(shown.bin) + 1).map(at));
    pen.beginPath();
    pen.arc(...at(now[k]), 9, 0, 2 * Math.PI);
    pen.fill();
  });
}

function line(pen, points) {
  pen.beginPath();
  points.forEach((point) => pen.lineTo(...point));
  pen.stroke();
}

function target(pen, [x, y, width], cursors, at, scale) {
  const [left, top] = at([x, y]);
  const half = width / 2;
  const inside = cursors.some(([a, b]) => (data.square
    ? Math.max(Math.abs(a - x), Math.abs(b - y)) : Math.hypot(a - x, b - y)) <= half);
  pen.strokeStyle = pen.fillStyle = colour('faint');
  pen.beginPath();
  if (data.square) pen.rect(left - half * scale, top - half * scale, width * scale, width * scale);
  else pen.arc(left, top, half * scale, 0, 2 * Math.PI);
  pen.stroke();
  pen.globalAlpha = inside ? 0.45 : 0.1;
  pen.fill();
  pen.globalAlpha = 1;
}

function setPlaying(playing) {
  Object.assign(shown, { playing, last: performance.now() });
  play.textContent = playing ? 'Pause' : 'Play';
  if (playing) requestAnimationFrame(step);
}

function step(now) {
  if (!shown.playing) return;
  const bin = shown.bin + (now - shown.last) / 1000 / data.bin_s * Number(speed.value);
  shown.last = now;
  show(bin);
  if (bin < Number(time.max)) requestAnimationFrame(step);
  else if (trial.selectedIndex < trial.length - 1) setTimeout(onward, 600);
  else setPlaying(false);
}

function onward() {
  if (!shown.playing) return;
  advance();
  setPlaying(true);
}

function advance() {
  trial.selectedIndex = (trial.selectedIndex + 1) % trial.length;
  choose();
}

play.onclick = () => {
  if (!shown.playing && shown.bin >= Number(time.max)) show(0);
  setPlaying(!shown.playing);
};
next.onclick = advance;
decoder.onchange = listTrials;
trial.onchange = choose;
time.oninput = () => show(Number(time.value));
matchMedia('(prefers-color-scheme: dark)').onchange = draw;
if (data.decoders.length > 1) decoder.append(option('all', 'all'));
data.decoders.forEach((each, place) => decoder.append(option(each.name, place)));
listTrials();
