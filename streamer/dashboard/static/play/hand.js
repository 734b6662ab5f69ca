// The visitor's hand: a mouse, a finger or a gamepad, as the velocity that it intends.

const SPEED_PER_CM = 5; // of what the hand is away from the cursor, cm/s
const FASTEST_CM_S = 40;
const DEAD_ZONE = 0.15; // of a gamepad's stick
const FOLLOWS_MS = 120; // time constant of the hand's own velocity

export class Hand {
  /** `on.moved()`, `on.clicked()` and `on.left()` are called as that happens; `extent()` is the field's side, cm. */
  constructor(field, extent, on) {
    this.field = field;
    this.extent = extent;
    this.on = on;
    this.place = null; // cm; null outside of the field
    this.eventAt = null; // of the latest event that moved it, ms of performance.now(); null once it was sent
    this.velocity = [0, 0]; // of the hand itself
    this.before = null;
    this.pressed = false;
    this.listen();
  }

  listen() {
    const { field } = this;
    field.onpointermove = (event) => this.point(event);
    field.onpointerdown = (event) => {
      if (event.pointerType !== 'mouse') field.setPointerCapture(event.pointerId);
      this.point(event);
      if (event.pointerType === 'mouse') this.on.clicked();
    };
    field.onpointerup = (event) => { if (event.pointerType !== 'mouse') this.on.clicked(); };
    field.onpointerleave = () => {
      this.place = null;
      this.before = null;
      this.velocity = [0, 0];
      this.on.left();
    };
    field.onkeydown = (event) => {
      if (event.key !== ' ' && event.key !== 'Enter') return;
      event.preventDefault();
      this.on.clicked();
    };
  }

  point(event) {
    const box = this.field.getBoundingClientRect();
    const half = this.extent() / 2;
    this.place = [(2 * (event.clientX - box.left) / box.width - 1) * half, (1 - 2 * (event.clientY - box.top) / box.height) * half];
    this.eventAt = event.timeStamp;
    this.on.moved();
  }

  /** What it intends, cm/s, with the cursor there: to bring it to the hand; null where there is no hand. */
  towards(cursor) {
    const stick = this.stick();
    if (stick !== null || this.place === null) return stick;
    return limited(this.place.map((part, axis) => SPEED_PER_CM * (part - cursor[axis])));
  }

  /** What it does itself, cm/s, of a hand that follows something; null where there is no hand. */
  itself(now) {
    const stick = this.stick();
    if (stick !== null || this.place === null) return stick;
    if (this.before !== null && now > this.before.at) {
      const passed = now - this.before.at;
      const share = 1 - Math.exp(-passed / FOLLOWS_MS);
      this.velocity = this.velocity.map((old, axis) => old + share * ((1000 * (this.place[axis] - this.before.place[axis])) / passed - old));
    }
    this.before = { at: now, place: this.place };
    return limited(this.velocity);
  }

  /** What a gamepad's stick says, cm/s; null without one, or where it rests. */
  stick() {
    const pad = [...(navigator.getGamepads?.() ?? [])].find((found) => found !== null);
    if (!pad) return null;
    const pressed = pad.buttons[0]?.pressed === true;
    if (pressed && !this.pressed) this.on.clicked();
    this.pressed = pressed;
    const [x, y] = pad.axes;
    return Math.hypot(x, y) < DEAD_ZONE ? null : limited([x * FASTEST_CM_S, -y * FASTEST_CM_S]);
  }
}

function limited(velocity) {
  const slower = Math.min(1, FASTEST_CM_S / (Math.hypot(...velocity) || 1));
  return velocity.map((part) => part * slower);
}
