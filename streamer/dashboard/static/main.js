// Puts the page together: what comes from the server goes to the panels, what the visitor does goes back.

import { Checksum } from './checksum.js';
import { Connection } from './connection.js';
import { find, make, named, number, show } from './dom.js';
import { HealthLine } from './health.js';
import { History } from './history.js';
import { ImportanceMap } from './importance.js';
import { Lines } from './lines.js';
import { ORDERS, orderOf } from './ordering.js';
import { checked, wordsOf } from './marks.js';
import { notify } from './notice.js';
import { Perturb } from './perturb.js';
import { PerturbedStretches } from './perturbed.js';
import { Game } from './play/game.js';
import { KIND, PROTOCOL } from './protocol.js';
import { GUTTER, Raster } from './raster.js';
import { Replay } from './replay.js';
import { Statistics } from './statistics.js';
import { Steer } from './steer.js';
import { firstTheme, otherTheme, setTheme } from './theme.js';
import { UnitPanel } from './unit.js';

const SLOW_EVERY_MS = 100; // what need not be drawn with each frame of the screen
const RATE_SLOT_S = 0.1;
const REORDER_MS = 5000;

const page = {
  health: new HealthLine(find('#health')), statistics: new Statistics(), tuning: null, frozen: false, run: null, view: null,
};

const connection = new Connection({ message: receive, state: connected });
const game = new Game((kind, document) => connection.send(kind, document));
const replay = new Replay((kind, document) => connection.send(kind, document), { begun: () => { game.watching = true; } });

function connected(state, reason = '') {
  const words = { connecting: 'connecting …', open: 'connected', lost: 'connection lost – trying again …' };
  const pill = find('#connection');
  show(pill, state === 'open' && connection?.opened > 1 ? 'connected again' : words[state]);
  pill.className = `pill ${state}`;
  pill.dataset.opened = connection?.opened ?? 0;
  document.body.classList.toggle('offline', state !== 'open');
  find('#offline').hidden = state !== 'lost';
  find('#offline-why').replaceChildren(reason ? named(`The server has shown this page out: ${reason}.`, 200) : 'The server can’t be reached; if you ended spikeloop web, start it again.');
}

function receive(message) {
  const { kind } = message;
  if (kind === KIND.DESCRIPTION) return describe(message.document);
  if (kind === KIND.REFUSED) return notify(message.document.reason);
  if (kind === KIND.STATISTICS) return page.statistics.update(message.document);
  if (kind === KIND.COURSE) return page.statistics.setCourse(message.document);
  if (kind === KIND.TUNING) return setTuning(message.document);
  if (kind === KIND.GAME) return game.update(message.document);
  if (kind === KIND.LATENCY) return game.latency.receive(message.document);
  if (kind === KIND.REPLAY) return replay.update(message.document);
  const { view } = page;
  if (kind === KIND.STATE) {
    page.health.update(message.document, view?.history.missing ?? 0);
    if (view !== null && message.document.health !== null) obeyed(view, message.document.health);
  }
  if (view === null) return undefined;
  if (kind === KIND.BINS) {
    view.history.add(message);
    view.checksum.add(message);
  } else if (kind === KIND.CURSOR) game.move(message);
  else if (kind === KIND.CONDITIONS) view.history.addConditions(message);
  else if (kind === KIND.MARKER) mark(message.document);
  else if (kind === KIND.IMPORTANCE && message.units === view.history.units) view.importance.update(message);
  return undefined;
}

/** Begin with a stream, or with another run of it. */
function describe(about) {
  if (about.protocol !== PROTOCOL) notify('This page is older than the server; reload it.');
  find('#stream-name').replaceChildren(named(about.name));
  document.title = `${about.name} – spikeloop`;
  const facts = [`${about.units.length.toLocaleString('en')} units`, `bins of ${number(1000 * about.bin_size_s)} ms`];
  if (about.bundle) facts.unshift(`model ${about.bundle}`);
  if (about.seed !== null) facts.push(`seed ${about.seed}`);
  facts.push(`on ${about.host}`);
  find('#facts').replaceChildren(named(facts.join(', '), 300));
  const again = page.run !== null && page.run === about.run;
  page.run = about.run;
  if (!again) build(about);
  page.view.perturbed.joined = false; // markers may have been missed meanwhile
  game.setStream(about);
  const ranges = about.channels.map((name) => {
    const condition = about.conditions.find((known) => known.name === name);
    return condition ? [condition.low, condition.high] : name === 'stimulus' ? [0, 200] : [-1, 1];
  });
  page.view.raster.setConditions(about.channels, ranges);
  find('#driven-note').hidden = about.conditions.length === 0 || about.conditions.some(({ cyclic }) => cyclic);
  find('#drive-legend').hidden = about.channels.length === 0;
}

function build(about) {
  const history = new History(about.units.length, about.bin_size_s);
  const send = (kind, document) => connection.send(kind, document);
  page.view?.rate.destroy();
  page.view = {
    about, history, checksum: new Checksum(about.units.length), raster: new Raster(find('#raster'), history, []),
    unit: page.view?.unit ?? new UnitPanel(history, about.units), importance: new ImportanceMap(about.bin_size_s),
    steer: new Steer(send, about), perturb: new Perturb(send, about.units), perturbed: new PerturbedStretches(), rate: rateChart(),
  };
  page.view.raster.overlay = page.view.perturbed;
  const phase = about.conditions.length === 1 && about.conditions[0].cyclic ? about.conditions[0] : null;
  Object.assign(page.view.unit, { history, names: about.units, tuning: page.tuning, phase });
  page.view.unit.select(null);
  page.view.raster.setSpan(Number(find('#span').value));
  reorder();
}

/** How the stream stands that this page can steer. */
function obeyed(view, { paused, gain, perturbations }) {
  view.steer.update(paused, gain);
  view.perturb.update(perturbations);
  view.perturbed.join(perturbations, view.history.nextBin ?? 0);
}

function rateChart() {
  return new Lines(find('#rate'), {
    series: [{}, { colour: 'line', width: 1.5 }], padding: [8, 0, 8, 0],
    scales: { x: { time: false, range: () => [-Number(find('#span').value), 0] }, y: { range: (_, low, high) => [0, high > 0 ? 1.15 * high : 1] } },
    axes: [{ show: false }, { size: GUTTER - 16, label: 'Hz a unit' }],
  });
}

function setTuning(tuning) {
  page.tuning = tuning;
  if (page.view === null) return;
  page.view.unit.tuning = tuning;
  if (!page.frozen) reorder();
}

function reorder() {
  const { view } = page;
  if (view === null) return;
  if (!find('#order').dataset.chosen) find('#order').value = page.tuning === null ? 'rate' : 'direction';
  const found = orderOf(find('#order').value, view.history, page.tuning);
  view.raster.setOrder(found.units, found.turns);
  view.importance.order = found.units;
  view.importance.draw();
  show(find('#order-about'), found.why ? `${ORDERS[find('#order').value].label}: ${found.why}` : ORDERS[find('#order').value].about);
}

function mark(marker) {
  const { view } = page;
  const marked = checked(marker, view.about.units.length);
  const words = wordsOf(marked, view.about.units);
  const { event, bin, units } = marked;
  if (event === 'perturb' && bin !== null) view.perturbed.mark(marked, bin);
  view.history.addMarker({ bin, words, rows: units === 'all' ? [] : units.slice(0, 200) });
  find('#events .faint')?.remove();
  find('#events').prepend(make('li', {}, named(words, 80)));
  while (find('#events').children.length > 8) find('#events').lastChild.remove();
}

function freeze(frozen) {
  page.frozen = frozen;
  find('#freeze').setAttribute('aria-pressed', String(frozen));
  show(find('#freeze'), frozen ? '▶ Let the view run' : '❄ Freeze the view');
  if (page.view) {
    page.view.raster.frozen = frozen;
    if (!frozen) reorder();
  }
}

/** What changes more slowly than the screen. */
function slow() {
  const { view } = page;
  if (view === null) return;
  show(find('#decimation'), view.raster.decimation);
  find('#raster').dataset.frames = view.raster.frames;
  const { checksum } = view;
  const proof = find('#checksum');
  Object.assign(proof.dataset, { first: checksum.firstBin ?? '', bins: checksum.bins, value: checksum.text });
  show(proof, checksum.bins ? `bins ${checksum.firstBin.toLocaleString('en')} to ${(checksum.firstBin + checksum.bins - 1).toLocaleString('en')}: ${checksum.text}` : '–');
  const known = view.history.conditions;
  if (known !== null) view.steer.follow(view.about.conditions.map((_, channel) => view.history.condition(known.nextBin - 1, channel)));
  if (!page.frozen) drawRate(view);
}

function drawRate({ history, rate, raster }) {
  if (history.nextBin === null || raster.shownBin === null) return;
  const slotBins = Math.max(1, Math.round(RATE_SLOT_S / history.binSizeS));
  const slotS = slotBins * history.binSizeS;
  const last = Math.floor(raster.shownBin / slotBins);
  const number = Math.ceil(raster.spanS / slotS);
  const at = [];
  const rates = [];
  for (let slot = last - number; slot < last; slot += 1) {
    let spikes = 0;
    for (let bin = slot * slotBins; bin < (slot + 1) * slotBins; bin += 1) spikes += history.total(bin);
    at.push(((slot + 1) * slotBins - raster.shownBin) * history.binSizeS);
    rates.push(Number.isNaN(spikes) ? null : spikes / slotS / history.units);
  }
  rate.set([at, rates]);
}

let before = performance.now();
let slowAt = 0;
function animate(now) {
  page.view?.raster.frame(replay.speed * Math.min(0.25, (now - before) / 1000));
  before = now;
  game.frame(performance.now());
  if (now - slowAt >= SLOW_EVERY_MS) {
    slowAt = now;
    slow();
  }
  requestAnimationFrame(animate);
}

function listen() {
  find('#order').append(...Object.entries(ORDERS).map(([value, { label }]) => make('option', { value }, label)));
  find('#order').value = 'rate';
  find('#order').onchange = () => {
    find('#order').dataset.chosen = 'yes';
    reorder();
  };
  find('#span').onchange = () => page.view?.raster.setSpan(Number(find('#span').value));
  find('#go-play').onclick = () => find('#play-panel').scrollIntoView({ behavior: 'smooth' });
  find('#freeze').onclick = () => freeze(!page.frozen);
  find('#unit-busiest').onclick = () => busiest();
  find('#unit-close').onclick = () => select(null);
  find('#unit-stimulate').onclick = () => { if (page.view?.unit.unit !== null) page.view.steer.stimulate([page.view.unit.unit]); };
  find('#stimulate-all').onclick = () => page.view?.steer.stimulate('all');
  find('#raster').onclick = (event) => {
    const box = find('#raster').getBoundingClientRect();
    const unit = page.view?.raster.unitAt(event.clientX - box.left, event.clientY - box.top) ?? null;
    if (unit === null) return;
    if (event.shiftKey || find('#click-stimulates').checked) page.view.steer.stimulate([unit]);
    else select(unit);
  };
  document.addEventListener('keydown', byKey);
  find('#theme').onclick = () => dress(otherTheme());
  new ResizeObserver(() => {
    page.view?.raster.resize();
    page.view?.importance.draw();
  }).observe(find('#raster'));
  setInterval(() => { if (!page.frozen && ['rate', 'component'].includes(find('#order').value)) reorder(); }, REORDER_MS);
  setInterval(() => { if (!page.frozen) page.view?.unit.update(); }, 1000);
}

function select(unit) {
  page.view.raster.selected = unit;
  page.view.unit.select(unit);
  page.view.perturb.choose(unit);
}

function byKey(event) {
  if (event.target.closest('input, select, textarea, #pad, #game') || event.ctrlKey || event.metaKey || event.altKey) return;
  const view = page.view;
  const act = {
    f: () => freeze(!page.frozen),
    t: () => find('#theme').click(),
    o: () => {
      const orders = Object.keys(ORDERS);
      find('#order').value = orders[(orders.indexOf(find('#order').value) + 1) % orders.length];
      find('#order').onchange();
    },
    s: () => find('#unit-stimulate').click(),
    p: () => { if (view?.about.steerable) find('#pause-stream').click(); },
    l: () => view.perturb.toggle(view.unit.unit),
    b: () => busiest(),
    Escape: () => select(null),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
  }[event.key];
  if (!act || view === null) return;
  event.preventDefault();
  act();
}

/** Select the next unit in the raster's order. */
function step(by) {
  const { order, rank, selected } = page.view.raster;
  const place = selected === null ? 0 : Math.min(order.length - 1, Math.max(0, rank[selected] + by));
  select(order[place]);
}

/** Select the unit that fired most in the last seconds. */
function busiest() {
  if (page.view === null || page.view.history.nextBin === null) return;
  const rates = page.view.history.rates(30);
  select(rates.indexOf(Math.max(...rates)));
}

function dress(theme) {
  setTheme(theme);
  page.view?.raster.redraw();
  page.view?.importance.draw();
  page.view?.rate.draw();
  game.draw();
  game.course.draw();
  page.statistics.chart.draw();
  for (const chart of Object.values(page.view?.unit.charts ?? {})) chart.draw();
}

listen();
dress(firstTheme());
connection.open();
requestAnimationFrame(animate);
