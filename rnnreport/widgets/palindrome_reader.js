// Trained networks in the page read a palindrome that the reader types: their states and gates step by step, and the
// digit that each would give next. The weights come with the page, as float16; all is computed here, in float64.

import {
  button, choice, html, lay, line, mount, number, percent, player, sigmoid, slider, svgNode, swatch, text, traits,
} from "./page.js";
import { decode } from "./weights.js";

const MAX_DIGITS = 60;

/** A network as it comes with the page, with its weights as numbers: matrices row by row. */
export function unpack({ name, model, encoding, units, words, weights }) {
  const rows = (model === "lstm" ? 4 : 1) * units;
  const inputs = encoding === "one-hot" ? 10 : 1;
  const numbers = [...decode(weights, "float16")];
  const take = (count) => numbers.splice(0, count);
  const [W_x, W_h, b, W_ph, b_p] = [rows * inputs, rows * units, rows, 10 * units, 10].map(take);
  return { name, model, encoding, units, words, W_x, W_h, b, W_ph, b_p };
}

function rowTimes(matrix, row, vector) {
  let sum = 0;
  for (let j = 0, at = row * vector.length; j < vector.length; j++, at++) sum += matrix[at] * vector[j];
  return sum;
}

/**
 * The network reads the digits: for every step { h, logits } by equations (1) and (2), and for an LSTM also
 * { c, i, f, g, o } by (4) to (9). As rnnreport.cells for one sequence, from a state of zeros.
 */
export function run({ model, encoding, units, W_x, W_h, b, W_ph, b_p }, digits) {
  const input = (row, digit) => (encoding === "one-hot" ? W_x[row * 10 + digit] : W_x[row] * digit);
  let h = new Array(units).fill(0);
  let c = h;
  return Array.from(digits, (digit) => {
    const a = b.map((bias, row) => input(row, digit) + rowTimes(W_h, row, h) + bias);
    let gates = {};
    if (model === "lstm") {
      const part = (block, squash) => a.slice(block * units, (block + 1) * units).map(squash);
      const [i, f, g, o] = [sigmoid, sigmoid, Math.tanh, sigmoid].map((squash, block) => part(block, squash));
      c = c.map((kept, unit) => g[unit] * i[unit] + kept * f[unit]);
      h = c.map((cell, unit) => Math.tanh(cell) * o[unit]);
      gates = { c, i, f, g, o };
    } else {
      h = a.map(Math.tanh);
    }
    return { h, ...gates, logits: b_p.map((bias, digit) => rowTimes(W_ph, digit, h) + bias) };
  });
}

/** Equation (10). */
export function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power);
  return powers.map((power) => power / sum);
}

const reversed = (digits) => [...digits].reverse().join("");

const isPalindrome = (digits) => digits === reversed(digits);

/** The palindrome with this left half, which includes the middle digit if the length is odd. */
const palindrome = (left, length) => left + reversed(left).slice(length % 2);

/** The digits, followed by their mirror image unless they are a palindrome; for odd length the last is not repeated. */
export function mirror(digits, isEven) {
  if (digits.length > 1 && isPalindrome(digits)) return digits;
  return palindrome(digits, isEven || digits.length === 1 ? 0 : 1);
}

/** The content of a text field as digits that can be read, and a note on what was left out. */
export function cleaned(typed) {
  const found = typed.replace(/[^0-9]/g, "");
  const digits = found.slice(0, MAX_DIGITS);
  const notes = [];
  if (found.length < typed.length) notes.push("Only the digits 0 to 9 are read; the rest was left out.");
  if (digits.length < found.length) notes.push(`At most ${MAX_DIGITS} digits are read; the rest was left out.`);
  if (digits.length < 2) notes.push("Type at least two digits; what was read last is still shown.");
  return { digits, note: notes.join(" ") };
}

/** A step in words. answers: for every network { name, shares }, its probability of each digit. */
export function describe(answers, { digits, step, trained_length }) {
  const read = digits.length - 1;
  const [first, last] = [digits[0], digits[read]];
  const said = answers.map(({ name, shares }, place) => {
    const largest = Math.max(...shares);
    const verb = place ? "" : step < read ? "would say " : "says ";
    return `the ${name} ${verb}${shares.indexOf(largest)} (${percent(largest)})`;
  });
  const after = read === 1 ? "the only digit read" : step < read ? `${step} of ${read} digits` : `all ${read} digits`;
  const sentences = [`After ${after} ${said.join(", ")}; the right answer is ${first}.`];
  if (!isPalindrome(digits)) {
    const but = first === last ? "" : `, and the last is ${last}`;
    sentences.push(`These digits are no palindrome${but}: what was learned is to say the first one again.`);
  }
  if (digits.length !== trained_length) {
    sentences.push(`Training was on palindromes of ${trained_length} digits, not of ${digits.length}.`);
  }
  return sentences.join(" ");
}

// What can be drawn of an LSTM. Gates are shares from 0 to 1; the others are signed.
const QUANTITIES = {
  c: "cell c",
  h: "state h",
  i: "input gate i",
  f: "forget gate f",
  o: "output gate o",
  g: "modulation g",
};
const SHARES = "ifo";

// Colours of medium lightness, more transparent the nearer a value is to zero: they fade on light and dark pages alike.
const POSITIVE = [22, 152, 84];
const NEGATIVE = [166, 77, 196];
const SHARE = [180, 127, 0];
const rgb = (colour, alpha) => `rgb(${colour.join(" ")} / ${alpha})`;

/** The value from which on the colour is full: for a cell c, the one beyond which tanh(c) hardly changes. */
const fullColour = (shown) => (shown === "c" ? 3 : 1);

/**
 * The units ordered by their weight for the right answer, the largest first. If a network is about to give it, units
 * with a positive state gather at the top and those with a negative one at the bottom, whatever was read since.
 */
export function order({ W_ph, units }, answer) {
  const weights = W_ph.slice(answer * units, (answer + 1) * units);
  return [...weights.keys()].sort((one, other) => weights[other] - weights[one]);
}

/** Paints units (rows) by steps (columns), one pixel each: the page enlarges the pixels. */
function paint(canvas, steps, shown, rows) {
  [canvas.width, canvas.height] = [steps.length, rows.length];
  const context = canvas.getContext("2d");
  const image = context.createImageData(steps.length, rows.length);
  const full = fullColour(shown);
  rows.forEach((unit, y) => {
    steps.forEach((step, x) => {
      const value = step[shown][unit];
      const colour = SHARES.includes(shown) ? SHARE : value < 0 ? NEGATIVE : POSITIVE;
      const opacity = Math.min(1, Math.abs(value) / full);
      image.data.set([...colour, Math.round(255 * opacity)], 4 * (y * steps.length + x));
    });
  });
  context.putImageData(image, 0, 0);
}

const MARGIN = { top: 20, right: 4, bottom: 38, left: 24 };

function box(...corners) {
  const [x1, y1, x2, y2] = corners.map((pixels) => pixels.toFixed(2));
  return `M${x1},${y1} H${x2} V${y2} H${x1} Z`;
}

/** Everything around and over the heat map, as the children of an <svg>: axes, the step, and a veil on later steps. */
function frame({ digits, step }, width, height) {
  const steps = digits.length - 1;
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, MARGIN.top + height];
  const x = (column) => left + (column / steps) * (right - left);
  const column = x(1) - x(0);
  const nodes = [svgNode("path", { class: "veil", d: box(x(step), top, right, bottom) })];
  nodes.push(svgNode("path", { class: "border", d: box(left, top, right, bottom) }));
  if (column >= 9) {
    for (let t = 1; t <= steps; t++) {
      const label = text(x(t - 0.5), top - 6, "middle", digits[t - 1]);
      if (t === step) label.setAttribute("class", "now");
      nodes.push(label);
    }
  }
  const between = [1, 2, 5, 10, 20].find((every) => every * column >= 22);
  for (let t = between; t <= steps; t += between) {
    const at = x(t - 0.5);
    nodes.push(line("tick", at, bottom, at, bottom + 4), text(at, bottom + 17, "middle", String(t)));
  }
  nodes.push(text(right, bottom + 33, "end", "step t"));
  const middle = (top + bottom) / 2;
  const label = text(10, middle, "middle", `− weight for ${digits[0]} +`);
  label.setAttribute("transform", `rotate(-90 10 ${middle})`);
  nodes.push(label, svgNode("path", { class: "marker", d: box(x(step - 1), top - 2, x(step), bottom + 2) }));
  return nodes;
}

const BARS = { height: 158, top: 40, bottom: 26 };

/** The probability of each digit as bars, with the right answer marked, as the children of an <svg>. */
function bars(shares, { digits, step }, model, width) {
  const answer = Number(digits[0]);
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, BARS.top, BARS.height - BARS.bottom];
  const slot = (right - left) / 10;
  const y = (share) => bottom - share * (bottom - top);
  const largest = shares.indexOf(Math.max(...shares));
  const nodes = [0, 0.5, 1].map((share) => line(share ? "grid" : "axis", left, y(share), right, y(share)));
  nodes.push(text(left - 4, y(1) + 4, "end", "1"), text(left - 4, y(0) + 4, "end", "0"));
  nodes.push(text(left, 14, "start", `probability of each digit after step ${step}`));
  shares.forEach((share, digit) => {
    const middle = left + (digit + 0.5) * slot;
    const d = box(middle - 0.36 * slot, y(share), middle + 0.36 * slot, bottom);
    nodes.push(svgNode("path", { class: `bar ${model}`, d }));
    const label = text(middle, bottom + 17, "middle", String(digit));
    if (digit === answer) {
      label.setAttribute("class", "now");
      nodes.push(svgNode("path", { class: "answer", d: box(middle - 9, bottom + 4, middle + 9, bottom + 22) }));
    }
    nodes.push(label);
  });
  const near = Math.min(Math.max(left + (largest + 0.5) * slot, left + 24), right - 24);
  nodes.push(text(near, y(shares[largest]) - 6, "middle", percent(shares[largest])));
  return nodes;
}

/** The colours of a heat map from its least value to its largest: { node, show }. */
function scale() {
  const [low, high] = [html("span", {}), html("span", {})];
  const strip = html("span", { className: "strip" });
  const show = (shown) => {
    const isShare = SHARES.includes(shown);
    const [full, beyond] = [fullColour(shown), shown === "c" ? ["≤ ", "≥ "] : ["", ""]];
    const [least, most] = isShare ? [SHARE, SHARE] : [NEGATIVE, POSITIVE];
    const colours = [...(isShare ? [] : [rgb(least, 1)]), rgb(least, 0), rgb(most, 0), rgb(most, 1)];
    strip.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
    low.textContent = isShare ? "0" : `${beyond[0]}−${full}`;
    high.textContent = `${beyond[1]}${full}`;
  };
  return { node: html("span", { className: "scale" }, low, strip, high), show };
}

/** One network on the page: { node, name, model, show, shares }. */
function panel(packed) {
  const network = unpack(packed);
  const { name, model, units, words } = network;
  const height = units * Math.max(1, Math.round(224 / units)); // whole pixels, or some rows come out larger
  const { top, right, bottom, left } = MARGIN;
  const canvas = html("canvas", {});
  canvas.setAttribute("role", "img");
  const overlay = svgNode("svg", { "aria-hidden": "true" });
  const chart = svgNode("svg", { role: "img", height: BARS.height });
  const what = html("span", {});
  const colours = scale();
  const title = html("span", {}, html("strong", {}, name), words && `, ${words}`);
  const node = html(
    "section",
    { className: "network" },
    html("div", { className: "heading" }, swatch(`bar ${model}`, box(0, 0, 28, 8)), title),
    html("div", { className: "key" }, what, colours.node),
    html("div", { className: "heat" }, canvas, overlay),
    chart,
  );
  node.setAttribute("aria-label", name);

  let digits, steps, painted; // what was computed and painted last: a new step alone needs neither again
  const read = (state) => {
    if (state.digits !== digits) {
      digits = state.digits;
      steps = run(network, [...digits.slice(0, -1)].map(Number));
    }
    return steps;
  };
  const shares = (state) => softmax(read(state)[state.step - 1].logits);

  const show = (state, width) => {
    const shown = model === "lstm" ? state.shown : "h";
    const steps = read(state);
    if (painted !== shown + digits) {
      paint(canvas, steps, shown, order(network, Number(digits[0])));
      painted = shown + digits;
    }
    const whole = top + height + bottom;
    lay(canvas, { left, top, width: width - left - right, height }, { width, height: whole });
    overlay.setAttribute("viewBox", `0 0 ${width} ${whole}`);
    overlay.replaceChildren(...frame(state, width, height));
    chart.setAttribute("viewBox", `0 0 ${width} ${BARS.height}`);
    chart.replaceChildren(...bars(shares(state), state, model, width));
    what.textContent = `${QUANTITIES[shown]}, ${units} units`;
    colours.show(shown);
    canvas.setAttribute("aria-label", describeHeat(network, steps, shown, state));
    chart.setAttribute("aria-label", describeBars(name, shares(state), state));
  };
  return { node, name, model, show, shares };
}

function describeHeat({ name, units }, steps, shown, { digits, step }) {
  const values = steps[step - 1][shown];
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => number(value).replace("-", "−"));
  return (
    `Heat map of the ${name}'s ${QUANTITIES[shown]}: ${units} units by ${steps.length} steps, the units ordered by ` +
    `their weight for the digit ${digits[0]}. At step ${step} the values run from ${least} to ${most}.`
  );
}

function describeBars(name, shares, { digits, step }) {
  const list = shares.map((share, digit) => `${digit} ${percent(share)}`).join(", ");
  return `What the ${name} would say after step ${step}: ${list}. The right answer is ${digits[0]}.`;
}

/** The digits in a row of boxes: those that are read, the answer, and the one that is asked for. */
function boxes({ digits, step }) {
  const last = digits.length - 1;
  const nodes = [...digits].map((digit, at) => {
    const kind = at === last ? "asked" : at + 1 < step ? "read" : at + 1 === step ? "reading" : "later";
    return html("span", { className: `digit ${kind}${at ? "" : " first"}` }, at === last ? "?" : digit);
  });
  return [...nodes, html("span", { className: "caption" }, `should be ${digits[0]}`)];
}

/** The text field with its buttons: { nodes, show, settle }; onDigits is called with every text that can be read. */
function digitField(trained_length, state, onDigits) {
  const field = html("input", { type: "text", inputMode: "numeric", autocomplete: "off", spellcheck: false });
  const note = html("span", { className: "note" });
  note.setAttribute("aria-live", "polite");
  const read = () => {
    const { digits, note: words } = cleaned(field.value);
    if (field.value !== digits) {
      const before = cleaned(field.value.slice(0, field.selectionStart)).digits.length;
      field.value = digits;
      field.setSelectionRange(before, before);
    }
    note.textContent = words;
    if (digits.length >= 2) onDigits(digits);
  };
  field.addEventListener("input", ({ isComposing }) => isComposing || read());
  field.addEventListener("compositionend", read); // unfinished text of an input method is left alone
  const settle = () => {
    field.value = state().digits; // it may hold a single digit, or none
    note.textContent = "";
  };
  const mirrored = button("Mirror", () => {
    const whole = mirror(field.value, trained_length % 2 === 0);
    if (whole.length > MAX_DIGITS) {
      note.textContent = `At most ${MAX_DIGITS} digits are read; with their mirror image these are ${whole.length}.`;
    } else if (whole) {
      onDigits(whole);
      settle();
    }
  });
  const random = button("Random", () => {
    const left = Array.from({ length: Math.ceil(trained_length / 2) }, () => Math.floor(10 * Math.random()));
    onDigits(palindrome(left.join(""), trained_length));
    settle();
  });
  let drawn; // a text that cannot be read stays until the digits change in another way
  const show = ({ digits }) => {
    if (drawn !== digits && field.value !== digits) settle();
    drawn = digits;
  };
  const label = html("label", {}, html("span", {}, "digits"), field);
  return { nodes: [html("div", { className: "typed" }, label, mirrored, random), note], show, settle };
}

const PLAY = 450; // milliseconds per step; nothing slides, so there is no motion to reduce

const GAP = 20; // pixels between two networks

function render({ model, el }) {
  const { networks, trained_length } = traits(model, ["networks", "trained_length"]).state();
  const panels = networks.map(panel);
  const names = ["digits", "step", "shown"];
  const { state: given, set, reset } = traits(model, names);
  const state = () => {
    const now = given(); // traits change one by one, so for a moment there may be fewer digits than steps
    return { ...now, trained_length, step: Math.min(now.step, now.digits.length - 1) };
  };

  const sentence = html("p", { role: "status" });
  const last = () => state().digits.length - 1;
  const stepping = {
    milliseconds: PLAY,
    isLast: () => state().step >= last(),
    toStart: () => set({ step: 1 }),
    forward: () => set({ step: Math.min(state().step + 1, last()) }),
  };
  const { play, pause } = player(stepping, sentence);
  const field = digitField(trained_length, state, (digits) => {
    pause();
    set({ step: Math.min(state().step, digits.length - 1), digits });
  });
  const onStep = (_, value) => {
    pause();
    set({ step: value });
  };
  const step = slider(["step t"], { name: "step", min: 1, max: MAX_DIGITS - 1, step: 1, unit: "digits read" }, onStep);
  reset.addEventListener("click", pause);
  reset.addEventListener("click", field.settle);
  const drawn = { short: "LSTM", long: "What is drawn of the LSTM" };
  const quantity = choice("shown", drawn, QUANTITIES, (shown) => set({ shown }));
  quantity.node.hidden = !panels.some((panel) => panel.model === "lstm");

  const strip = html("div", { className: "digits" });
  strip.setAttribute("role", "img");
  const slide = html("div", { className: "controls" }, ...step.row);
  const buttons = html("div", { className: "buttons" }, play, reset);
  const rows = html("div", { className: "networks" }, ...panels.map(({ node }) => node));
  const key = html("p", { className: "key" });
  const nodes = [...field.nodes, strip, slide, buttons, sentence, quantity.node, rows, key];

  const stop = mount({ model, el }, names, nodes, (width) => {
    const now = state();
    const [first, ...others] = now.digits;
    field.show(now);
    step.show(now.step, now.digits.length - 1);
    quantity.show(now.shown);
    strip.replaceChildren(...boxes(now));
    strip.setAttribute(
      "aria-label",
      `The digits ${[first, ...others.slice(0, -1)].join(" ")}, of which ${now.step} are read; then ${first} is right.`,
    );
    const columns = width < 560 ? 1 : Math.min(2, panels.length);
    rows.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    for (const { show } of panels) show(now, (width - GAP * (columns - 1)) / columns);
    key.textContent =
      `A row is a unit, a column a step. Units are ordered by their weight for the right answer, ${first}: ` +
      "of a state or cell, green at the top or purple at the bottom counts towards it. Nearly white is a value near 0.";
    sentence.textContent = describe(panels.map(({ name, shares }) => ({ name, shares: shares(now) })), now);
  });
  return () => {
    pause();
    stop();
  };
}

export default { render };
