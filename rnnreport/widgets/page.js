// What the widgets share: nodes, numbers and formulas, sliders, and how a widget is placed in its page.

/** A number with at most two decimals, or four if two would leave nothing; with a power of ten if it is far from 1. */
export function number(value) {
  const size = Math.abs(value);
  if (value && (size < 5e-5 || size >= 1e9)) return (value < 0 ? "-" : "") + power(Math.log(size));
  const maximumFractionDigits = size < 0.01 ? 4 : 2;
  return value.toLocaleString("en", { maximumFractionDigits, useGrouping: false });
}

/** "1 step", "2.5 steps". */
export const inSteps = (count) => `${number(count)} step${count === 1 ? "" : "s"}`;

/** A share in words with at most two digits; nearly all is not called all, nor nearly nothing nothing. */
export const percent = (share) =>
  share > 0.995 ? "over 99%" : share < 0.005 ? "under 1%" : `${Math.round(100 * share)}%`;

export const sigmoid = (value) => 1 / (1 + Math.exp(-value));

/** exp(log) rounded to that many digits, even far outside the range of floats: "0.48", "6.4·10⁻¹²". */
export function power(log, digits = 2) {
  if (!Number.isFinite(log)) return log > 0 ? "∞" : "0";
  let exponent = Math.floor(log / Math.LN10);
  let mantissa = Math.exp(log - exponent * Math.LN10).toPrecision(digits);
  if (Number(mantissa) >= 10) [mantissa, exponent] = [(1).toPrecision(digits), exponent + 1];
  return -3 < exponent && exponent < 3 ? String(Number(`${mantissa}e${exponent}`)) : `${mantissa}·${tenTo(exponent)}`;
}

/** 10 to a whole power, "10⁻¹²". */
export const tenTo = (exponent) => "10" + [...String(exponent)].map((sign) => RAISED[sign]).join("");
const RAISED = { "-": "⁻", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].entries()) };

/** Random numbers in (0, 1] from a seed, the same on every machine: a counter and MurmurHash3's last lines. */
export function generator(seed) {
  let counter = seed;
  return () => {
    counter = (counter + 0x9e3779b9) | 0;
    let bits = counter;
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    bits ^= bits >>> 16;
    return ((bits >>> 0) + 1) / 2 ** 32;
  };
}

/** Bytes in base64, a piece at a time, since a call takes only so many arguments. */
export function base64(bytes) {
  let all = "";
  for (let at = 0; at < bytes.length; at += 0x8000) all += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(all);
}

const SVG = "http://www.w3.org/2000/svg";

export function svgNode(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export const line = (kind, x1, y1, x2, y2) => svgNode("line", { class: kind, x1, y1, x2, y2 });

export const text = (x, y, anchor, ...words) => svgNode("text", { x, y, "text-anchor": anchor }, ...words);

export function html(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

/** A formula as nodes: "W_{hh}^{2}" with its subscript and superscript, and single letters in italics. */
export function formula(text) {
  return [...text.matchAll(/_\{([^}]*)\}|\^\{([^}]*)\}|(\p{L}+)|[^\p{L}_^]+/gu)].map(([whole, below, above, letters]) =>
    below !== undefined ? html("sub", {}, ...formula(below))
    : above !== undefined ? html("sup", {}, ...formula(above))
    : letters?.length === 1 ? html("i", {}, letters)
    : whole,
  );
}

export function button(words, onClick) {
  const node = html("button", { type: "button" }, words);
  node.addEventListener("click", onClick);
  return node;
}

/** Places a canvas in a drawing, both in pixels, by shares: so both shrink on paper, where nothing is drawn again. */
export function lay(canvas, { left, top, width, height }, whole) {
  const share = (length, of) => `${(100 * length) / of}%`;
  Object.assign(canvas.style, {
    left: share(left, whole.width),
    top: share(top, whole.height),
    width: share(width, whole.width),
    height: share(height, whole.height),
  });
}

/** A sample of how a line or an area is drawn. */
export function swatch(kind, d = "M0,4 L28,4") {
  const sample = svgNode("svg", { class: "swatch", "aria-hidden": "true", viewBox: "0 0 28 8" });
  sample.append(svgNode("path", { class: kind, d }));
  return sample;
}

/**
 * A labelled slider for one trait: { row, show }. `show` takes the trait's value, and the slider's end if it moves.
 * stops: the only values that it takes, in order, instead of min, max and step.
 */
export function slider(label, { name, min, max, step, unit, stops }, onInput) {
  const id = `${name}-${Math.random().toString(36).slice(2)}`;
  const ends = stops ? { min: 0, max: stops.length - 1, step: 1 } : { min, max, step };
  const input = html("input", { id, type: "range", ...ends });
  const readout = html("span", { className: "readout" }); // the slider itself says its value
  readout.setAttribute("aria-hidden", "true");
  input.addEventListener("input", () => onInput(name, stops ? stops[input.valueAsNumber] : input.valueAsNumber));
  const show = (value, end = max) => {
    if (stops) {
      const next = stops.findIndex((stop) => stop >= value); // a value set from Python may lie between two, or beyond
      input.value = next < 0 ? stops.length - 1 : next;
    } else {
      input.min = Math.min(min, value); // a value set from Python may lie beyond the slider's usual ends
      input.max = Math.max(end, value);
      input.value = value;
    }
    input.setAttribute("aria-valuetext", `${number(value)} ${unit}`.trim());
    readout.textContent = number(value);
  };
  return { row: [html("label", { htmlFor: id }, ...label), input, readout], show };
}

/** Stops for a slider from one number to another, at equal ratios, rounded to `decimals`. */
export function ratioStops(from, to, decimals) {
  const stops = Array.from({ length: 161 }, (_, at) => Number((from * (to / from) ** (at / 160)).toFixed(decimals)));
  return [...new Set(stops)];
}

/** A group of radio buttons for one trait, options by the trait's value: { node, show }. */
export function choice(name, label, options, onChange) {
  const group = `${name}-${Math.random().toString(36).slice(2)}`;
  const radios = Object.keys(options).map((value) => html("input", { type: "radio", name: group, value }));
  for (const radio of radios) radio.addEventListener("change", () => onChange(radio.value));
  const labels = radios.map((radio) => html("label", {}, radio, html("span", {}, options[radio.value])));
  const node = html("div", { className: "switches" }, html("span", {}, `${label.short}:`), ...labels);
  node.setAttribute("role", "radiogroup");
  node.setAttribute("aria-label", label.long);
  node.title = label.long;
  const show = (value) => {
    for (const radio of radios) radio.checked = radio.value === value;
  };
  return { node, show };
}

/** A button that plays the steps one by one and pauses, { play, pause }; meanwhile the sentence is not read out. */
export function player({ milliseconds, isLast, toStart, forward }, sentence) {
  let timer;
  const pause = () => {
    clearInterval(timer);
    timer = undefined;
    play.textContent = "Play";
    sentence.removeAttribute("aria-live");
  };
  const play = button("Play", () => {
    if (timer !== undefined) return pause();
    if (isLast()) toStart();
    play.textContent = "Pause";
    sentence.setAttribute("aria-live", "off");
    timer = setInterval(() => {
      forward();
      if (isLast()) pause();
    }, milliseconds);
  });
  return { play, pause };
}

/** The named traits of a widget's model: { state, set, reset }; reset is a button that restores the first values. */
export function traits(model, names) {
  const state = () => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const set = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const initial = state();
  return { state, set, reset: button("Reset", () => set(initial)) };
}

/** Shows the nodes in `el`; calls redraw(width) now and when a trait or the width changes. Returns a stop function. */
export function mount({ model, el }, names, nodes, redraw) {
  const root = html("div", { className: "rnnreport-widget" }, ...nodes);
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); // else JupyterLab takes the arrow keys
  });
  el.append(root);
  let width = 640;
  const again = () => redraw(width);
  again();
  const observer = new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width < 100 || contentRect.width === width) return;
    width = contentRect.width;
    again();
  });
  observer.observe(root);
  const changes = names.map((name) => `change:${name}`).join(" ");
  model.on(changes, again);
  return () => {
    model.off(changes, again);
    observer.disconnect();
  };
}
