// The WebSocket, opened again whenever it closes.

import { decode, encode } from './protocol.js';
import { socketPath } from './replay.js';

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 4000;

/** Calls `on.message(message)`, `on.state('connecting' | 'open' | 'lost', why the server closed it)`, from `open` on. */
export class Connection {
  constructor(on) {
    this.on = on;
    this.wait = FIRST_WAIT_MS;
    this.opened = 0;
  }

  open() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}${socketPath()}`);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.opened += 1;
      this.on.state('open');
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = ({ reason }) => {
      this.on.state(this.opened ? 'lost' : 'connecting', reason);
      setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
    };
    this.socket = socket;
  }

  receive(data) {
    if (!(data instanceof ArrayBuffer)) return;
    this.wait = FIRST_WAIT_MS; // only now: a server that shows pages out accepts them first
    this.on.message(decode(data));
  }

  /** Send a request; returns whether there is a connection. */
  send(kind, document) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(encode(kind, document));
    return true;
  }
}
