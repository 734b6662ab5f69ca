// CRC-32 over all counts since the page joined the stream, to compare with the stream's own counts bit for bit.

const TABLE = new Uint32Array(256).map((_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of counts as unsigned 16-bit numbers, little-endian, bin after bin; begins anew where bins are missing. */
export class Checksum {
  constructor(units) {
    this.units = units;
    this.firstBin = null;
    this.bins = 0;
    this.value = 0;
  }

  add(message) {
    if (this.firstBin === null || message.firstBin !== this.firstBin + this.bins) {
      Object.assign(this, { firstBin: message.firstBin, bins: 0, value: 0 });
    }
    const { units } = this;
    const bytes = new Uint8Array(2 * message.bins * units);
    for (let entry = 0; entry < message.entryBins.length; entry += 1) {
      const at = 2 * (message.entryBins[entry] * units + message.entryUnits[entry]);
      bytes[at] = message.entryCounts[entry] & 0xff;
      bytes[at + 1] = message.entryCounts[entry] >>> 8;
    }
    let value = ~this.value;
    for (let at = 0; at < bytes.length; at += 1) value = TABLE[(value ^ bytes[at]) & 0xff] ^ (value >>> 8);
    this.value = ~value >>> 0;
    this.bins += message.bins;
  }

  get text() {
    return this.value.toString(16).padStart(8, '0');
  }
}
