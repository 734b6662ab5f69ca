// Elements made of text, never of markup, so that no name can do anything but be read.

/** Make an element; properties that begin with "on" are listeners, others attributes; children are text or elements. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const find = (selector) => document.querySelector(selector);

/** A name from elsewhere: isolated, so that its direction moves nothing around it, and cut where it is long. */
export function named(name, longest = 40) {
  const letters = [...String(name)];
  const shown = letters.length > longest ? `${letters.slice(0, longest - 1).join('')}…` : letters.join('');
  return make('bdi', { title: letters.length > longest ? letters.join('') : null }, shown);
}

/** Set an element's text, only where it changed. */
export function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  return Number(value.toPrecision(digits)).toLocaleString('en', { maximumSignificantDigits: digits, useGrouping: true });
}

/** Whether a finger is all that there is to point with. */
export const byTouch = () => matchMedia('(hover: none) and (pointer: coarse)').matches;

/** A colour of the page's style sheet. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
