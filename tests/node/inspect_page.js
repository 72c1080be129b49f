// Evaluated in a page by the stories: everything about it that a person could stumble over, as a list of sentences.
(() => {
  const found = [];
  const root = document.documentElement;
  const name = (element) => `<${element.tagName.toLowerCase()}> "${(element.innerText ?? '').trim().slice(0, 40)}"`;
  const isVisible = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });

  // Width.
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.body.querySelectorAll('*')].filter(
      (element) => element.getBoundingClientRect().right > root.clientWidth + 1,
    );
    found.push(`is ${root.scrollWidth} pixels wide in a window of ${root.clientWidth}: ${wide.slice(0, 3).map(name).join(', ')}`);
  }

  // Names.
  if (!root.lang) found.push('has no language');
  if (!document.title.trim()) found.push('has no title');
  if (document.querySelectorAll('h1').length !== 1) found.push(`has ${document.querySelectorAll('h1').length} main headings`);
  if (document.querySelectorAll('main').length !== 1) found.push('has no main part');
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) found.push(`has the id ${id} twice`);
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    const label = [...(field.labels ?? [])].map((label) => label.textContent).join('') || field.getAttribute('aria-label');
    if (!label?.trim() && !field.getAttribute('aria-labelledby')) found.push(`has a field without a label: ${field.name}`);
  }
  for (const control of document.querySelectorAll('button, a[href]')) {
    if (!(control.innerText || control.getAttribute('aria-label') || control.textContent).trim()) found.push(`has a nameless ${name(control)}`);
  }
  for (const image of document.querySelectorAll('img:not([alt])')) found.push(`has a picture without words: ${image.src}`);
  if (document.querySelector('[style], [onclick], script:not([src])')) found.push('has inline styles or scripts');

  // Contrast, as WCAG 2.2 counts it: 4.5 for text, 3 for large text.
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const pixel = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (front, back) => [0, 1, 2].map((index) => front[index] * front[3] + back[index] * (1 - front[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(pixel(getComputedStyle(one).backgroundColor));
    layers.push(pixel('Canvas'));
    return layers.reduceRight((back, front) => over(front, back));
  };
  const luminance = (color) => {
    const [red, green, blue] = color.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || seen.has(element) || !isVisible(element)) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const back = behind(element);
    const [light, dark] = [luminance(over(pixel(style.color), back)), luminance(back)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    const size = Number.parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (contrast < needed) found.push(`shows ${name(element)} with a contrast of ${contrast.toFixed(2)}`);
    if (size < 12) found.push(`shows ${name(element)} in ${size} pixels`);
  }
  return found;
})()
