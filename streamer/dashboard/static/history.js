// The last minute of the stream: its spikes, the sums of each bin, what drove it, and what was done to it.

const KEPT_S = 60;
const FIRST_CAPACITY = 1 << 14;

export class History {
  constructor(units, binSizeS) {
    this.units = units;
    this.binSizeS = binSizeS;
    this.keptBins = Math.ceil(KEPT_S / binSizeS);
    this.begin = 0; // of the entries that are kept, in the columns
    this.end = 0;
    this.columns(FIRST_CAPACITY);
    this.totals = new Float32Array(this.keptBins).fill(NaN); // by bin modulo their number
    this.firstBin = null; // of all
    this.nextBin = null;
    this.missing = 0; // bins that never came
    this.conditions = null; // {channels, values: by bin modulo their number}
    this.markers = [];
    this.unitTotals = new Float64Array(units); // since the page joined
    this.binsSeen = 0;
  }

  columns(capacity) {
    const grown = { bin: new Float64Array(capacity), unit: new Uint16Array(capacity), count: new Uint16Array(capacity) };
    for (const name of ['bin', 'unit', 'count']) {
      if (this[name]) grown[name].set(this[name].subarray(this.begin, this.end));
    }
    this.end -= this.begin;
    this.begin = 0;
    Object.assign(this, grown);
  }

  add(message) {
    const { firstBin, bins, entryBins, entryUnits, entryCounts } = message;
    if (this.nextBin !== null && firstBin > this.nextBin) {
      this.missing += firstBin - this.nextBin;
      for (let bin = Math.max(this.nextBin, firstBin - this.keptBins); bin < firstBin; bin += 1) {
        this.totals[bin % this.keptBins] = NaN;
      }
    }
    if (this.firstBin === null) this.firstBin = firstBin;
    this.nextBin = firstBin + bins;
    this.binsSeen += bins;
    const entries = entryBins.length;
    this.forgetBefore(this.nextBin - this.keptBins);
    if (this.end + entries > this.bin.length) {
      this.columns(Math.max(FIRST_CAPACITY, 2 * (this.end - this.begin + entries)));
    }
    for (let bin = firstBin; bin < this.nextBin; bin += 1) this.totals[bin % this.keptBins] = 0;
    for (let entry = 0; entry < entries; entry += 1) {
      const bin = firstBin + entryBins[entry];
      this.bin[this.end] = bin;
      this.unit[this.end] = entryUnits[entry];
      this.count[this.end] = entryCounts[entry];
      this.end += 1;
      this.totals[bin % this.keptBins] += entryCounts[entry];
      this.unitTotals[entryUnits[entry]] += entryCounts[entry];
    }
  }

  addConditions(message) {
    const { channels, firstBin, bins, values } = message;
    if (this.conditions === null || this.conditions.channels !== channels) {
      this.conditions = { channels, values: new Float32Array(this.keptBins * channels).fill(NaN), nextBin: 0 };
    }
    for (let bin = 0; bin < bins; bin += 1) {
      const at = ((firstBin + bin) % this.keptBins) * channels;
      for (let channel = 0; channel < channels; channel += 1) {
        this.conditions.values[at + channel] = values[bin * channels + channel];
      }
    }
    this.conditions.nextBin = firstBin + bins;
  }

  /** What drove a bin on a channel; NaN where that is not known. */
  condition(bin, channel) {
    const known = this.conditions;
    if (known === null || bin >= known.nextBin || bin < known.nextBin - this.keptBins || bin < 0) return NaN;
    return known.values[(bin % this.keptBins) * known.channels + channel];
  }

  addMarker(marker) {
    this.markers.push(marker);
    const oldest = (this.nextBin ?? 0) - this.keptBins;
    this.markers = this.markers.filter((held) => held.bin === null || held.bin >= oldest).slice(-500);
  }

  forgetBefore(bin) {
    this.begin = this.indexOf(bin);
  }

  /** Index of the first entry from a bin on, by bisection. */
  indexOf(bin) {
    let low = this.begin;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.bin[middle] < bin) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Spikes of all units in a bin; NaN where it never came. */
  total(bin) {
    if (this.nextBin === null || bin >= this.nextBin || bin < Math.max(this.firstBin, this.nextBin - this.keptBins)) return NaN;
    return this.totals[bin % this.keptBins];
  }

  /** Bins in the last seconds, fewer where fewer came. */
  recentBins(seconds) {
    if (this.nextBin === null) return 0;
    return Math.min(Math.round(seconds / this.binSizeS), this.nextBin - this.firstBin, this.keptBins);
  }

  /** Rates, Hz, of all units over the last seconds. */
  rates(seconds) {
    const rates = new Float64Array(this.units);
    if (this.nextBin === null) return rates;
    const bins = this.recentBins(seconds);
    for (let index = this.indexOf(this.nextBin - bins); index < this.end; index += 1) {
      rates[this.unit[index]] += this.count[index];
    }
    return bins ? rates.map((spikes) => spikes / (bins * this.binSizeS)) : rates;
  }

  /** Counts of all units in slots of so many bins, [unit][slot], over the last slots. */
  slots(slotBins, number) {
    const last = Math.floor(this.nextBin / slotBins);
    const first = Math.max(last - number, Math.ceil(this.firstBin / slotBins));
    const counts = Array.from({ length: this.units }, () => new Float32Array(Math.max(0, last - first)));
    const end = this.indexOf(last * slotBins);
    for (let index = this.indexOf(first * slotBins); index < end; index += 1) {
      counts[this.unit[index]][Math.floor(this.bin[index] / slotBins) - first] += this.count[index];
    }
    return counts;
  }

  /** Bins, ascending, and counts in which a unit fired in what is kept. */
  train(unit) {
    const bins = [];
    const counts = [];
    for (let index = this.begin; index < this.end; index += 1) {
      if (this.unit[index] === unit) {
        bins.push(this.bin[index]);
        counts.push(this.count[index]);
      }
    }
    return { bins, counts };
  }
}
