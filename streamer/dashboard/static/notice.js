// A line at the foot of the page that goes by itself: why something was refused.

import { find, named } from './dom.js';

const NOTICE_MS = 8000;
let timer = 0;

export function notify(text) {
  const notice = find('#notice');
  notice.replaceChildren(named(text, 300));
  notice.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { notice.hidden = true; }, NOTICE_MS);
}
