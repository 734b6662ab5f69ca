// Light or dark: as the visitor chose last, or as the system is.

import { find, show } from './dom.js';

const KEPT = 'spikeloop-theme';

export function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEPT, theme);
  } catch { /* where nothing may be kept */ }
  show(find('#theme'), theme === 'dark' ? '☀ Light' : '☾ Dark');
}

export const otherTheme = () => (document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');

export function firstTheme() {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === 'dark' || kept === 'light') return kept;
  } catch { /* as above */ }
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}
