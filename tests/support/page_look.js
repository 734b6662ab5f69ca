() => {
  const visible = (element) => element.getClientRects().length > 0 && element.textContent.trim() !== '';
  const all = (root, selector) => [...root.querySelectorAll(selector)].filter(visible);
  const name = (element) => element.textContent.trim();
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  const found = { axes: 0, touching: [], cut: [], unlabelled: [], labels: [], texts: [] };

  for (const axis of document.querySelectorAll('svg g.axis')) {
    const ticks = all(axis, '.tick text');
    const labels = all(axis, ':scope > .text text');
    if (ticks.length) found.axes += 1;
    found.labels.push(...labels.map(name));
    const texts = [...ticks, ...labels];
    const boxes = texts.map((text) => text.getBoundingClientRect());
    texts.forEach((text, i) => boxes.slice(0, i).forEach((box, j) => {
      if (meet(box, boxes[i])) found.touching.push([name(texts[j]), name(text)]);
    }));
    const numbers = ticks.filter((tick) => /^[−\d.·⁻⁰¹²³⁴-⁹]+$/.test(name(tick)));
    if (numbers.length > 1 && !labels.length) found.unlabelled.push(ticks.map(name));
  }
  for (const svg of document.querySelectorAll('svg')) {
    const edge = svg.getBoundingClientRect();
    for (const text of all(svg, 'text')) {
      const box = text.getBoundingClientRect();
      if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1) {
        found.cut.push([name(text), Math.round(edge.left - box.left), Math.round(box.right - edge.right)]);
      }
    }
  }

  const parts = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = (colour) => parts(colour).slice(0, 3)
    .map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, k) => sum + part * [0.2126, 0.7152, 0.0722][k], 0);
  const clear = (colour) => colour === 'transparent' || parts(colour)[3] === 0;
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!clear(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '');
    if (!own || !element.getClientRects().length || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'OPTION'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [one, other] = [element.closest('svg') ? style.fill : style.color, ground(element)].map(light);
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.texts.push({ text: name(element).slice(0, 40), contrast });
  }
  found.sideways = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  return found;
}
