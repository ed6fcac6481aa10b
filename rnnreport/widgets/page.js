// What the widgets share: nodes, numbers and formulas, sliders, and how one stands in its page.

/** A number with at most two decimals. */
export const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 2, useGrouping: false });

/** exp(log) rounded to that many digits, however far outside the range of floats: "0.48", "6.4·10⁻¹²". */
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

/** A formula as nodes: "W_{hh}^{2}" with its sub- and superscript, and single letters in italics. */
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

/** A labelled slider for one trait: { row, show }, `show` taking the trait's value, and the slider's end if it moves. */
export function slider(label, { name, min, max, step, unit }, onInput) {
  const id = `${name}-${Math.random().toString(36).slice(2)}`;
  const input = html("input", { id, type: "range", min, max, step });
  const readout = html("span", { className: "readout" }); // the slider itself says its value
  readout.setAttribute("aria-hidden", "true");
  input.addEventListener("input", () => onInput(name, input.valueAsNumber));
  const show = (value, end = max) => {
    input.min = Math.min(min, value); // a value set from Python may lie beyond the slider's usual ends
    input.max = Math.max(end, value);
    input.value = value;
    input.setAttribute("aria-valuetext", `${number(value)} ${unit}`.trim());
    readout.textContent = number(value);
  };
  return { row: [html("label", { htmlFor: id }, ...label), input, readout], show };
}

/** The named traits of a widget's model: { state, set, reset }, the last a button that brings back the first values. */
export function traits(model, names) {
  const state = () => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const set = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const initial = state();
  return { state, set, reset: button("Reset", () => set(initial)) };
}

/** Shows the nodes in `el` and calls redraw(width), now and when a trait or the width changes. Returns how to stop. */
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
