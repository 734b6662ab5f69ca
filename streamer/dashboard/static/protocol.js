// The messages of the WebSocket, as docs/web_protocol.md describes them.

export const PROTOCOL = 1;

export const KIND = {
  DESCRIPTION: 1, BINS: 2, CONDITIONS: 3, MARKER: 4, STATE: 5, STATISTICS: 6, COURSE: 7, IMPORTANCE: 8, REFUSED: 9,
  TUNING: 10, CURSOR: 11, GAME: 12, LATENCY: 14, REPLAY: 15, CONDITION: 16, CONTROL: 17, STIMULATE: 18, RELEASE: 19,
  PLAY: 20, AIM: 21, CENTRE: 22, HIDE: 23, PERTURB: 31, BEGIN: 32, STOP: 33, CLICK: 34, FOLLOW: 35, SAVE: 36,
  SHOWN: 37, CLOCK: 38, MOVE: 39,
};
const HEADER_BYTES = 8;
const BLOCK_BYTES = 24;

/** Decode a message: its kind, its sequence number, and the content of that kind. */
export function decode(buffer) {
  const view = new DataView(buffer);
  const kind = view.getUint8(0);
  const message = { kind, sequence: view.getUint32(4, true) };
  if (kind === KIND.BINS) return Object.assign(message, bins(view, buffer));
  if (kind === KIND.CONDITIONS || kind === KIND.CURSOR) return Object.assign(message, conditions(view, buffer));
  if (kind === KIND.IMPORTANCE) return Object.assign(message, importance(view, buffer));
  message.document = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEADER_BYTES)));
  return message;
}

function block(view) {
  const at = HEADER_BYTES;
  return {
    firstBin: view.getFloat64(at, true), endS: view.getFloat64(at + 8, true),
    bins: view.getUint32(at + 16, true), columns: view.getUint32(at + 20, true),
  };
}

function bins(view, buffer) {
  const { firstBin, endS, bins: number, columns: entries } = block(view);
  const at = HEADER_BYTES + BLOCK_BYTES;
  const column = (index) => new Uint16Array(buffer, at + 2 * entries * index, entries);
  return { firstBin, endS, bins: number, entryBins: column(0), entryUnits: column(1), entryCounts: column(2) };
}

function conditions(view, buffer) {
  const { firstBin, endS, bins: number, columns: channels } = block(view);
  const values = new Float32Array(buffer, HEADER_BYTES + BLOCK_BYTES, number * channels);
  return { firstBin, endS, bins: number, channels, values };
}

function importance(view, buffer) {
  const { bins: number, columns: units } = block(view);
  const at = HEADER_BYTES + BLOCK_BYTES;
  return {
    bins: number, units, importance: new Float32Array(buffer, at, number * units),
    counts: new Uint16Array(buffer, at + 4 * number * units, number * units),
  };
}

/** Encode a request: a kind from 16 on, and its document as JSON. */
export function encode(kind, document) {
  const payload = document === undefined ? new Uint8Array(0) : new TextEncoder().encode(JSON.stringify(document));
  const message = new Uint8Array(HEADER_BYTES + payload.length);
  message[0] = kind;
  message.set(payload, HEADER_BYTES);
  return message;
}
