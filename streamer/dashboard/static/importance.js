// The importance map of the latest window: how much each spike matters to the bundle's critic.

import { colour, find, number, show } from './dom.js';

// Cividis, made for all kinds of colour vision (Nunez, Anderton & Renslow 2018), at nine places.
const SCALE = ['#00224e', '#123570', '#3b496c', '#575d6d', '#707173', '#8a8678', '#a59c74', '#c3b369', '#fee838'];

export class ImportanceMap {
  constructor(binSizeS) {
    this.binSizeS = binSizeS;
    this.latest = null;
    this.order = null;
  }

  update(message) {
    find('#importance-panel').hidden = false;
    this.latest = message;
    this.draw();
  }

  draw() {
    const message = this.latest;
    if (message === null) return;
    const canvas = find('#importance');
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    const pen = canvas.getContext('2d');
    pen.fillStyle = colour('lane');
    pen.fillRect(0, 0, canvas.width, canvas.height);
    const { bins, units, importance, counts } = message;
    let most = 0;
    for (let at = 0; at < importance.length; at += 1) if (counts[at]) most = Math.max(most, importance[at]);
    const rank = new Map((this.order ?? Array.from({ length: units }, (_, unit) => unit)).map((unit, place) => [unit, place]));
    const wide = canvas.width / bins;
    const high = canvas.height / units;
    for (let bin = 0; bin < bins; bin += 1) {
      for (let unit = 0; unit < units; unit += 1) {
        const at = bin * units + unit;
        if (!counts[at]) continue;
        const share = most ? Math.max(0, importance[at]) / most : 0;
        pen.fillStyle = SCALE[Math.min(SCALE.length - 1, Math.floor(share * SCALE.length))];
        pen.fillRect(Math.floor(bin * wide), Math.floor(rank.get(unit) * high), Math.max(1, Math.ceil(wide)), Math.max(1, Math.ceil(high)));
      }
    }
    show(find('#importance-most'), number(most));
    show(find('#importance-caption'), `${bins} bins (${number(bins * this.binSizeS)} s) from left to right, ${units} units in the raster's order; only bins with spikes are coloured`);
    this.legend();
  }

  legend() {
    const canvas = find('#importance-scale');
    const pen = canvas.getContext('2d');
    SCALE.forEach((step, place) => {
      pen.fillStyle = step;
      pen.fillRect((place * canvas.width) / SCALE.length, 0, canvas.width / SCALE.length + 1, canvas.height);
    });
  }
}
