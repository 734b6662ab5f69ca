// Line charts, by uPlot, in the colours of the page.

import uPlot from './vendor/uPlot.esm.js';
import { colour } from './dom.js';

/** A chart that fills its element; `options` are uPlot's, with the axes' colours and the size added. */
export class Lines {
  constructor(element, options) {
    this.element = element;
    this.options = options;
    this.data = options.series.map(() => []);
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(element);
    this.draw();
  }

  draw() {
    if (this.plot) this.plot.destroy();
    const axis = {
      stroke: colour('faint'), grid: { stroke: colour('grid'), width: 1 }, ticks: { stroke: colour('grid'), width: 1, size: 4 },
      font: '11px system-ui, sans-serif', labelFont: '11px system-ui, sans-serif', labelSize: 16, gap: 3,
    };
    const series = this.options.series.map((line) => ({ ...line, stroke: colour(line.colour ?? 'line'), points: { show: false } }));
    const axes = this.options.axes.map((own) => ({ ...axis, ...own }));
    this.plot = new uPlot(
      { legend: { show: false }, cursor: { show: false }, ...this.options, ...this.size(), series, axes },
      this.data, this.element,
    );
  }

  size() {
    return { width: Math.max(80, this.element.clientWidth), height: Math.max(60, this.element.clientHeight) };
  }

  fit() {
    const { width, height } = this.size();
    if (width !== this.plot.width || height !== this.plot.height) this.plot.setSize({ width, height });
  }

  set(data) {
    this.data = data;
    this.plot.setData(data);
  }

  destroy() {
    this.observer.disconnect();
    this.plot.destroy();
  }
}

export const bars = () => uPlot.paths.bars({ size: [0.9, 100], align: 1 });
export const steps = () => uPlot.paths.stepped({ align: 1 });
