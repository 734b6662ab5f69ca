// The field of the game: targets, the cursor, and the hand.

import { colour } from './dom.js';

const FLASH_MS = 350;

export class GameView {
  constructor(canvas) {
    this.canvas = canvas;
    this.flashed = null;
  }

  /** Show for a moment what was selected, and whether that was right. */
  flash(target, correct) {
    this.flashed = { target, correct, until: performance.now() + FLASH_MS };
  }

  draw({ extent, task, target, cursor, hand }) {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const size = Math.max(1, Math.round(canvas.clientWidth * ratio));
    if (canvas.width !== size || canvas.height !== size) Object.assign(canvas, { width: size, height: size });
    const pen = canvas.getContext('2d');
    const x = (cm) => (cm / extent + 0.5) * size;
    const y = (cm) => (0.5 - cm / extent) * size;
    pen.fillStyle = colour('lane');
    pen.fillRect(0, 0, size, size);
    const mark = (place, fill) => {
      pen.fillStyle = fill;
      pen.beginPath();
      if (task.cells) {
        const side = size / task.cells;
        pen.rect(x(place[0]) - side / 2 + 1, y(place[1]) - side / 2 + 1, side - 2, side - 2);
      } else pen.arc(x(place[0]), y(place[1]), (task.radius / extent) * size, 0, 2 * Math.PI);
      pen.fill();
    };
    if (task.cells) this.lines(pen, size, task.cells);
    if (target !== null) mark(task.place(target), colour('accent'));
    if (this.flashed && this.flashed.until > performance.now() && this.flashed.target !== null) {
      const { correct } = this.flashed;
      pen.globalAlpha = 0.75;
      mark(task.place(this.flashed.target), colour(correct ? 'good' : 'far'));
      pen.globalAlpha = 1;
    }
    if (hand !== null) this.cross(pen, x(hand[0]), y(hand[1]), 9 * ratio, ratio);
    if (cursor !== null) {
      pen.fillStyle = colour('line');
      pen.strokeStyle = colour('ground');
      pen.lineWidth = 2 * ratio;
      pen.beginPath();
      pen.arc(x(cursor[0]), y(cursor[1]), 7 * ratio, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    }
  }

  lines(pen, size, cells) {
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

  cross(pen, x, y, size, ratio) {
    pen.strokeStyle = colour('faint');
    pen.lineWidth = 2 * ratio;
    pen.beginPath();
    pen.moveTo(x - size, y);
    pen.lineTo(x + size, y);
    pen.moveTo(x, y - size);
    pen.lineTo(x, y + size);
    pen.stroke();
  }
}
