// The field of the game: targets, the cursor, and the hand.

import { colour } from '../dom.js';

const FLASH_MS = 350;

export class GameView {
  constructor(canvas) {
    this.canvas = canvas;
    this.flashed = null;
  }

  /** Show for a moment what was selected, [x, y], and whether that was right. */
  flash(place, correct) {
    this.flashed = { place, correct, until: performance.now() + FLASH_MS };
  }

  get flashes() {
    return this.flashed !== null && this.flashed.until > performance.now() - 100;
  }

  /** Draw; `target` is [x, y, width], `cells` the number along a side of a grid, 0 without one, `words` lie over it. */
  draw({ extent, cells, target, cursor, hand, words }) {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const size = Math.max(1, Math.round(canvas.clientWidth * ratio));
    if (canvas.width !== size || canvas.height !== size) Object.assign(canvas, { width: size, height: size });
    const pen = canvas.getContext('2d');
    this.pen = pen;
    this.scale = { x: (cm) => (cm / extent + 0.5) * size, y: (cm) => (0.5 - cm / extent) * size, size, extent, ratio };
    pen.fillStyle = colour('lane');
    pen.fillRect(0, 0, size, size);
    if (cells) this.lines(cells);
    if (target !== null) this.mark(target, target[2], cells, colour('accent'));
    if (this.flashed && this.flashed.until > performance.now()) this.drawFlash(cells, target);
    if (hand !== null) this.cross(hand);
    if (cursor !== null) this.dot(cursor);
    if (words) this.write(words);
  }

  drawFlash(cells, target) {
    const { place, correct } = this.flashed;
    const { extent } = this.scale;
    const side = cells ? extent / cells : target?.[2] ?? 3;
    const snap = (part) => (cells ? (Math.min(cells - 1, Math.max(0, Math.floor((part + extent / 2) / side))) + 0.5) * side - extent / 2 : part);
    this.pen.globalAlpha = 0.75;
    this.mark(place.map(snap), side, cells, colour(correct ? 'good' : 'far'));
    this.pen.globalAlpha = 1;
  }

  mark([x, y], width, cells, fill) {
    const { pen, scale } = this;
    const side = (width / scale.extent) * scale.size;
    pen.fillStyle = fill;
    pen.beginPath();
    if (cells) pen.rect(scale.x(x) - side / 2 + 1, scale.y(y) - side / 2 + 1, side - 2, side - 2);
    else pen.arc(scale.x(x), scale.y(y), side / 2, 0, 2 * Math.PI);
    pen.fill();
  }

  lines(cells) {
    const { pen, scale: { size } } = this;
    pen.strokeStyle = colour('edge');
    pen.lineWidth = 1;
    pen.beginPath();
    for (let line = 0; line <= cells; line += 1) {
      const at = Math.round((line * size) / cells);
      pen.moveTo(at, 0);
      pen.lineTo(at, size);
      pen.moveTo(0, at);
      pen.lineTo(size, at);
    }
    pen.stroke();
  }

  dot([cmX, cmY]) {
    const { pen, scale: { x, y, ratio } } = this;
    pen.fillStyle = colour('line');
    pen.strokeStyle = colour('ground');
    pen.lineWidth = 2 * ratio;
    pen.beginPath();
    pen.arc(x(cmX), y(cmY), 7 * ratio, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }

  cross([cmX, cmY]) {
    const { pen, scale: { x, y, ratio } } = this;
    const [at, up, long] = [x(cmX), y(cmY), 9 * ratio];
    pen.strokeStyle = colour('faint');
    pen.lineWidth = 2 * ratio;
    pen.beginPath();
    pen.moveTo(at - long, up);
    pen.lineTo(at + long, up);
    pen.moveTo(at, up - long);
    pen.lineTo(at, up + long);
    pen.stroke();
  }

  write(words) {
    const { pen, scale: { size, ratio } } = this;
    pen.font = `600 ${16 * ratio}px system-ui, sans-serif`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    const width = Math.min(size, pen.measureText(words).width + 28 * ratio);
    pen.globalAlpha = 0.9;
    pen.fillStyle = colour('ground');
    pen.fillRect((size - width) / 2, size * 0.1, width, 34 * ratio);
    pen.globalAlpha = 1;
    pen.fillStyle = colour('ink');
    pen.fillText(words, size / 2, size * 0.1 + 17 * ratio, size - 8 * ratio);
  }
}
