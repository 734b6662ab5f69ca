// The scrolling raster: a strip of pixels, drawn once for each bin, of which each frame of the screen shows a part.

import { colour } from './dom.js';

export const GUTTER = 64; // CSS pixels at the left, as wide as the axis of the rate below
const LANE = 26; // height of a condition
const AXIS = 20;
const AHEAD_S = 1; // room in the strip for bins that are not shown yet
const DELAY_S = 0.12; // the newest bins that are shown are so old, so that they move evenly
const CATCH_UP = 0.05; // share of the difference that a frame makes good
const FADE = 0.55; // of a spike where a dot stands for several units or bins

export class Raster {
  constructor(canvas, history, names) {
    this.canvas = canvas;
    this.history = history;
    this.names = names; // of the conditions
    this.strip = document.createElement('canvas');
    this.spanS = 10;
    this.order = Array.from({ length: history.units }, (_, unit) => unit);
    this.rank = Float64Array.from(this.order);
    this.turns = null;
    this.selected = null;
    this.frozen = false;
    this.overlay = null; // draws over the spikes
    this.shownBin = null; // right edge, in bins
    this.ranges = [];
    this.frames = 0;
    this.resize();
  }

  setOrder(units, turns) {
    this.order = units;
    units.forEach((unit, place) => { this.rank[unit] = place; });
    this.turns = turns ?? null;
    this.redraw();
  }

  setSpan(seconds) {
    this.spanS = seconds;
    this.resize();
  }

  setConditions(names, ranges) {
    this.names = names;
    this.ranges = ranges;
    this.canvas.style.setProperty('--lanes', names.length);
    this.resize();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.left = Math.round(GUTTER * ratio);
    this.width = Math.max(16, this.canvas.width - this.left);
    this.lanes = this.names.length;
    this.height = Math.max(16, Math.round(this.canvas.height - ratio * (AXIS + LANE * this.lanes + (this.lanes ? 4 : 0))));
    this.pixelsPerBin = (this.width * this.history.binSizeS) / this.spanS;
    this.strip.width = Math.ceil(this.width * (1 + AHEAD_S / this.spanS)) + 4;
    this.strip.height = this.height;
    this.rowPixels = this.height / this.history.units;
    this.context = this.canvas.getContext('2d');
    this.pen = this.strip.getContext('2d');
    this.redraw();
  }

  /** Whether a dot may stand for several units or bins, in words; empty where each has its own. */
  get decimation() {
    const units = 1 / this.rowPixels;
    const bins = 1 / this.pixelsPerBin;
    const words = [];
    if (units > 1) words.push(`${this.history.units.toLocaleString('en')} units on ${this.height} rows of pixels`);
    if (bins > 1) words.push(`${bins.toFixed(1)} bins a pixel`);
    return words.length ? `${words.join(', ')}: spikes that share a pixel make it stronger` : '';
  }

  redraw() {
    this.pen.clearRect(0, 0, this.strip.width, this.strip.height);
    this.ink = colour('spike');
    this.drawnTo = this.history.nextBin;
    if (this.drawnTo === null) return;
    const right = this.frozen ? this.shownBin : this.drawnTo;
    const first = right - Math.ceil(this.width / this.pixelsPerBin) - 1;
    this.plot(this.history.indexOf(first), this.history.indexOf(this.frozen ? right : this.drawnTo));
  }

  /** Draw the bins that came since, over the oldest ones of the strip. */
  advance() {
    const { nextBin } = this.history;
    if (this.frozen || nextBin === null || nextBin === this.drawnTo) return;
    if (this.drawnTo === null || nextBin - this.drawnTo > this.strip.width / this.pixelsPerBin) {
      this.redraw();
      return;
    }
    const from = Math.floor(this.drawnTo * this.pixelsPerBin);
    const clear = Math.floor(nextBin * this.pixelsPerBin) - from + 1;
    const at = from % this.strip.width;
    const fits = Math.min(clear, this.strip.width - at);
    const overlap = this.pixelsPerBin < 1 ? 1 : 0; // the first pixel has earlier bins too
    this.pen.clearRect(at + overlap, 0, fits - overlap, this.strip.height);
    if (clear > fits) this.pen.clearRect(0, 0, clear - fits, this.strip.height);
    this.plot(this.history.indexOf(this.drawnTo), this.history.end);
    this.drawnTo = nextBin;
  }

  plot(begin, end) {
    const { pen, history, rank, rowPixels, pixelsPerBin } = this;
    const width = Math.max(1, Math.round(pixelsPerBin * 0.9));
    const gap = rowPixels >= 4 ? 1 : 0;
    const height = Math.max(1, Math.floor(rowPixels) - gap);
    pen.fillStyle = this.ink;
    const crowded = pixelsPerBin < 1 || rowPixels < 1;
    for (let index = begin; index < end; index += 1) {
      const x = Math.floor(history.bin[index] * pixelsPerBin) % this.strip.width;
      const y = Math.floor(rank[history.unit[index]] * rowPixels);
      pen.globalAlpha = crowded ? 1 - (1 - FADE) ** history.count[index] : Math.min(1, 0.72 + 0.14 * history.count[index]);
      pen.fillRect(x, y, width, height);
    }
    pen.globalAlpha = 1;
  }

  /** Draw a frame of the screen; `passedS` since the one before. */
  frame(passedS) {
    this.frames += 1;
    this.advance();
    const { history, context, canvas, left, width, height, strip } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (history.nextBin === null) return;
    const target = history.nextBin - DELAY_S / history.binSizeS;
    if (!this.frozen) {
      const next = (this.shownBin ?? target) + passedS / history.binSizeS;
      const off = target - next;
      const far = Math.abs(off) * history.binSizeS > 0.5;
      this.shownBin = Math.min(far ? target : next + CATCH_UP * off, history.nextBin);
    }
    const right = Math.floor(this.shownBin * this.pixelsPerBin);
    const begin = ((right - width) % strip.width + strip.width) % strip.width;
    const first = Math.min(width, strip.width - begin);
    context.drawImage(strip, begin, 0, first, height, left, 0, first, height);
    if (first < width) context.drawImage(strip, 0, 0, width - first, height, left + first, 0, width - first, height);
    this.annotate(right);
  }

  annotate(right) {
    this.overlay?.draw(this, right);
    this.emphasise();
    this.drawMarkers(right);
    this.drawConditions(right);
    this.drawAxes();
  }

  x(bin, right) {
    return this.left + this.width - (right - bin * this.pixelsPerBin);
  }

  emphasise() {
    if (this.selected === null) return;
    const y = Math.floor(this.rank[this.selected] * this.rowPixels);
    const height = Math.max(3 * this.ratio, Math.ceil(this.rowPixels));
    this.context.fillStyle = colour('accent');
    this.context.globalAlpha = 0.28;
    this.context.fillRect(this.left, y, this.width, height);
    this.context.globalAlpha = 1;
    this.context.fillRect(this.left - 6 * this.ratio, y, 6 * this.ratio, height);
  }

  drawMarkers(right) {
    const { context, ratio } = this;
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    context.textBaseline = 'top';
    context.textAlign = 'left';
    const ends = [0, 0, 0]; // of the words in each line
    for (const marker of this.history.markers) {
      if (marker.bin === null) continue;
      const x = this.x(marker.bin, right);
      if (x < this.left || x > this.canvas.width) continue;
      context.fillStyle = colour('mark');
      context.fillRect(Math.round(x), 0, Math.max(1, ratio), this.height);
      for (const unit of marker.rows ?? []) {
        const y = (this.rank[unit] + 0.5) * this.rowPixels;
        context.beginPath();
        context.arc(x, y, 3.5 * ratio, 0, 2 * Math.PI);
        context.fill();
      }
      const words = marker.words;
      const width = context.measureText(words).width + 8 * ratio;
      const at = Math.min(x + 3 * ratio, this.canvas.width - width);
      const line = ends.findIndex((end) => end <= at);
      if (line >= 0) {
        const top = (2 + 17 * line) * ratio;
        context.globalAlpha = 0.92;
        context.fillStyle = colour('ground');
        context.fillRect(at, top, width, 16 * ratio);
        context.globalAlpha = 1;
        context.fillStyle = colour('mark');
        context.fillText(words, at + 4 * ratio, top + 2 * ratio);
        ends[line] = at + width + 4 * ratio;
      }
    }
  }

  drawConditions(right) {
    const { context, ratio, history } = this;
    const bins = this.width / this.pixelsPerBin;
    const step = Math.max(1, Math.floor(bins / 400));
    const newest = Math.floor(this.shownBin) - 1;
    this.names.forEach((name, channel) => {
      const top = this.height + 4 * ratio + channel * LANE * ratio;
      const height = (LANE - 6) * ratio;
      const [low, high] = this.ranges[channel] ?? [-1, 1];
      context.fillStyle = colour('lane');
      context.fillRect(this.left, top, this.width, height);
      const y = (value) => top + height - 2 * ratio - ((value - low) / (high - low || 1)) * (height - 4 * ratio);
      context.strokeStyle = colour('drive');
      context.lineWidth = 1.5 * ratio;
      context.beginPath();
      let drawing = false;
      const first = Math.ceil((newest - bins) / step) * step; // the same bins in each frame, so that nothing trembles
      for (let bin = first; bin <= newest; bin += step) {
        const value = history.condition(bin, channel);
        if (Number.isNaN(value)) {
          drawing = false;
          continue;
        }
        const place = [Math.max(this.left, this.x(bin + 1, right)), y(value)];
        if (drawing) context.lineTo(...place);
        else context.moveTo(...place);
        drawing = true;
      }
      context.stroke();
      this.label(name, top + height / 2);
    });
  }

  label(text, y, pixels = 10) {
    const { context, ratio } = this;
    context.font = `${pixels * ratio}px system-ui, sans-serif`;
    context.fillStyle = colour('faint');
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    context.fillText(text, this.left - 8 * ratio, y, this.left - 10 * ratio);
  }

  drawAxes() {
    const { context, ratio, canvas } = this;
    const units = this.history.units;
    if (this.turns) {
      for (const [turn, arrow] of [[0, '→'], [0.5, '↑'], [1, '←'], [1.5, '↓']]) {
        const after = this.order.filter((unit) => this.turns[unit] >= turn * Math.PI).length;
        this.label(arrow, Math.min(this.height - 8 * ratio, Math.max(8 * ratio, (after - 0.5) * this.rowPixels)), 16);
      }
    } else {
      this.label('1', 7 * ratio);
      this.label(units.toLocaleString('en'), this.height - 7 * ratio);
      this.label('units', this.height / 2, 11);
    }
    context.fillStyle = colour('faint');
    context.textBaseline = 'bottom';
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    const parts = this.width / ratio > 500 ? 5 : 2;
    for (let part = 0; part <= parts; part += 1) {
      const seconds = this.spanS * (1 - part / parts);
      context.textAlign = part === 0 ? 'left' : part === parts ? 'right' : 'center';
      const words = seconds === 0 ? (this.frozen ? 'frozen' : 'now') : `−${Number(seconds.toPrecision(2))} s`;
      context.fillText(words, this.left + (part / parts) * this.width, canvas.height - 1);
    }
  }

  /** The unit at a place of the canvas, in CSS pixels; null outside. */
  unitAt(x, y) {
    const row = (y * this.ratio) / this.rowPixels;
    return x < 0 || row < 0 || row >= this.history.units ? null : this.order[Math.floor(row)];
  }
}
