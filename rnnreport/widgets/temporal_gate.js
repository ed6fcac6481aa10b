// A drawing of the temporal gate k(t) of equation (12), with sliders for its period τ, shift s, open ratio r_on and
// leak α, and below it the states of one LSTM unit with that gate and without it.
// Everything is computed here: in the built page there is no kernel to ask.

import { openSteps, shade, temporalGate } from "./gate.js";
import {
  choice, html, inSteps, line, mount, number, percent, sigmoid, slider, svgNode, swatch, text, traits,
} from "./page.js";

/** The time from t = 0 on at which the gate first opens: a remainder, which is exact and finite for any s and tau. */
const firstOpening = (s, tau) => (s % tau < 0 ? (s % tau) + tau : s % tau);

/** The corners [t, k] of the piecewise linear k(t) from t = 0 to t = steps; at a jump, two at the same t. */
export function corners({ tau, s, r_on, steps, leak = 0 }) {
  const inside = [];
  const every = Math.ceil(steps / tau / 1000); // only some of more than 1000 periods, which are narrower than a pixel
  const first = firstOpening(s, tau) - tau;
  for (let n = 0; first + n * tau < steps; n += every) {
    const opens = first + n * tau;
    inside.push([opens, 0], [opens + (tau * r_on) / 2, 1], [opens + tau * r_on, 0]);
    if (leak > 0 && r_on < 1) inside.push([opens + tau * r_on, leak * r_on], [opens + tau, leak]);
  }
  const end = (t) => [t, temporalGate(t, tau, s, r_on, leak)];
  return [end(0), ...inside.filter(([t]) => 0 < t && t <= steps), end(steps)];
}

/** The unit's input: one number per step. */
export function read({ input, digits, burst, steps }) {
  const numbers = input === "burst" ? burst : Array.from(digits, (digit) => digit / 4.5 - 1);
  return numbers.slice(0, steps);
}

/**
 * One LSTM unit reads x from a state of zeros: for every step { k, f, c, h } by equations (4)-(9) and (13)-(16).
 * As rnnreport.cells for one unit and one sequence; without a gate, k = 1.
 */
export function run({ weight_ih, weight_hh, bias }, x, gate) {
  let [h, c] = [0, 0];
  return x.map((input, at) => {
    const [i, f, g, o] = [sigmoid, sigmoid, Math.tanh, sigmoid].map((squash, block) =>
      squash(weight_ih[block] * input + weight_hh[block] * h + bias[block]),
    );
    const k = gate ? temporalGate(at + 1, gate.tau, gate.s, gate.r_on, gate.leak) : 1;
    const proposed = g * i + c * f; // (13)
    h = k * (Math.tanh(proposed) * o) + (1 - k) * h; // (15), (16)
    c = k * proposed + (1 - k) * c; // (14)
    return { k, f, c, h };
  });
}

/** The share of c after step t that is left in c at the end: each later step leaves 1 - k (1 - f) of it. */
export const keptShare = (states, t) => states.slice(t).reduce((share, { k, f }) => share * (1 - k * (1 - f)), 1);

/** At which whole steps the gate is open, and how far, in words. */
export function describe({ tau, s, r_on, leak, steps }) {
  const open = openSteps({ tau, s, r_on }, steps);
  const largest = Math.max(0, ...open.map((t) => temporalGate(t, tau, s, r_on)));
  if (open.length === 0) {
    const updates = leak > 0 ? "update this unit through its leak alone" : "not update this unit once";
    return `The gate is open at none of the whole steps 1 to ${steps}: a network that counts in whole steps would ` +
      `${updates}, although in continuous time k peaks at 1.`;
  }
  const list = [open.slice(0, -1).join(", "), open.at(-1)].filter(String).join(" and ");
  const when =
    open.length === steps ? `all ${steps} whole steps`
    : open.length > 8 ? `${open.length} of the ${steps} whole steps`
    : open.length > 1 ? `the whole steps ${list}`
    : `the whole step ${list}`;
  const reached =
    largest > 1 - 1e-9 ? "k reaches 1 there"
    : largest < 0.01 ? "k stays below 0.01 there, although in continuous time it peaks at 1"
    : `the largest k there is ${number(Math.min(largest, 0.99))}, although in continuous time it peaks at 1`;
  return `The gate is open at ${when}; ${reached}.`;
}

const LOUD = 1; // the noise of a burst lies beyond ±1, everything else within

/** The steps at which the unit reads noise: none of a palindrome's. */
export const loudSteps = ({ input }, x) =>
  input === "burst" ? x.flatMap((value, at) => (Math.abs(value) > LOUD ? [at + 1] : [])) : [];

/** The effect on the unit's c and h, in words. x: its input; gated, ungated: its states step by step. */
export function describeStates(state, x, gated, ungated) {
  const { steps, leak, input } = state;
  const open = openSteps(state, steps);
  const isOpen = new Set(open);
  const leaks = gated.flatMap(({ k }, at) => (leak > 0 && !isOpen.has(at + 1) ? [k] : []));
  const shut = steps - open.length;
  const sentences = [];
  if (leaks.length > 0) {
    sentences.push(`Where it is shut it leaks, by up to ${number(Math.max(...leaks))}, and c and h drift.`);
  } else if (shut > 0) {
    const before = [{ c: 0, h: 0 }, ...gated];
    const isStill = ({ c, h }, at) => isOpen.has(at + 1) || (c === before[at].c && h === before[at].h);
    const how = gated.every(isStill) ? "to the last bit" : "but for what rounding leaves of k";
    const others = shut === 1 ? "the other step" : `the other ${shut} steps`;
    sentences.push(open.length === 0 ? `Its c and h stay 0, ${how}.` : `At ${others} c and h stand still, ${how}.`);
  }
  const first = open[0];
  if (first < steps) {
    const [kept, without] = [gated, ungated].map((states) => keptShare(states, first));
    const all = kept === 1 ? "all" : percent(kept);
    sentences.push(`Of what c holds after step ${first}, ${all} remains at step ${steps}; without the gate, ${percent(without)}.`);
  }
  if (input === "burst") {
    const loud = loudSteps(state, x);
    const heard = loud.filter((t) => isOpen.has(t)).length;
    sentences.push(`The noise is loud at ${inSteps(loud.length)}; the gate is open at ${heard || "none"} of them.`);
  }
  return sentences.join(" ");
}

const MARGIN = { right: 14, bottom: 48, left: 34 };
const ROWS = { tau: 12, s: 35, open: 58 }; // the heights of the three dimensions, above the curve
const BANDS = { k: [78, 196], x: [222, 256], c: [298, 382], h: [408, 468] }; // the top and bottom of each
const HEIGHT = BANDS.h[1] + MARGIN.bottom;

/** The gate, `width` pixels wide, as the children of an <svg>. */
function drawing(state, width) {
  const { tau, s, r_on, steps, leak } = state;
  const [left, right, [top, bottom]] = [MARGIN.left, width - MARGIN.right, BANDS.k];
  const x = (t) => left + (t / steps) * (right - left);
  const y = (k) => bottom - k * (bottom - top);
  const nodes = [];

  for (const k of [0, 0.5, 1]) {
    nodes.push(line(k ? "grid" : "axis", left, y(k), right, y(k)), text(left - 6, y(k) + 4, "end", String(k)));
  }
  nodes.push(text(left - 6, top - 12, "end", "k(t)"));

  // τ, s and τ·r_on as dimensions, from the first opening that is in view.
  const start = s >= 0 && s <= steps ? s : firstOpening(s, tau);
  const dimension = (row, from, to, label, length) => {
    const [x1, x2] = [x(from), x(Math.min(to, steps))];
    for (const end of to <= steps ? [x1, x2] : [x1]) {
      nodes.unshift(line("guide", end, row, end, bottom)); // below everything
      nodes.push(line("dimension", end, row - 5, end, row + 5));
    }
    const [room, middle] = [7 * length, (x1 + x2) / 2];
    if (x2 - x1 > room + 24) {
      nodes.push(line("dimension", x1, row, middle - room / 2, row), line("dimension", middle + room / 2, row, x2, row));
      nodes.push(text(middle, row + 4, "middle", ...label));
    } else {
      const fits = x2 + 8 + room < width;
      nodes.push(line("dimension", x1, row, x2, row));
      nodes.push(fits ? text(x2 + 8, row + 4, "start", ...label) : text(x1 - 8, row + 4, "end", ...label));
    }
  };
  const part = (attributes, words) => svgNode("tspan", attributes, words);
  const [is, was, lasts] = [tau, s, tau * r_on].map((value) => ` = ${number(value)}`);
  if (start <= steps) {
    dimension(ROWS.tau, start, start + tau, ["τ", is], 1 + is.length);
    const on = [part({ dy: 3, class: "small" }, "on"), part({ dy: -3 }, lasts)];
    dimension(ROWS.open, start, start + tau * r_on, ["τ·r", ...on], 5 + lasts.length);
  }
  if (start === s) dimension(ROWS.s, 0, s, ["s", was], 1 + was.length);
  else nodes.push(text(left, ROWS.s + 4, "start", "s", was, " (not in view)"));

  // The curve, and its values at whole steps, which are all that a network sees.
  const path = corners(state).map(([t, k]) => `${x(t).toFixed(2)},${y(k).toFixed(2)}`).join(" L");
  nodes.push(svgNode("path", { class: "area", d: `M${left},${bottom} L${path} L${right},${bottom} Z` }));
  nodes.push(svgNode("path", { class: "curve", d: `M${path}` }));
  const open = new Set(openSteps(state, steps));
  for (let t = 1; t <= steps; t++) {
    const k = temporalGate(t, tau, s, r_on, leak);
    const r = Math.min(4, Math.max(1.5, (x(1) - x(0)) / 2.5));
    nodes.push(svgNode("circle", { class: open.has(t) ? "open" : "closed", cx: x(t), cy: y(k), r }));
  }
  return nodes;
}

/** A line of states as stairs, since each holds until the next step: a state that does not change is flat. */
function stairs(values, x, y) {
  const parts = values.map((value, at) => `H${x(at + 1).toFixed(2)} V${y(value).toFixed(3)}`);
  return `M${x(0).toFixed(2)},${y(0).toFixed(3)} ${parts.join(" ")}`;
}

const TITLES = { palindrome: "a palindrome's digits", burst: "a quiet wave and loud noise" };

/** The unit's input, c and h, below the gate, as the children of an <svg>. */
function below(state, { x: inputs, gated, ungated }, width) {
  const { steps, input, digits } = state;
  const [left, right] = [MARGIN.left, width - MARGIN.right];
  const x = (t) => left + (t / steps) * (right - left);
  const nodes = [shade(loudSteps(state, inputs), x, BANDS.k[0], BANDS.h[1])]; // behind everything
  const updates = openSteps(state, steps).map((t) => `M${x(t).toFixed(2)},${BANDS.k[1]} V${BANDS.h[1]}`);
  nodes.push(svgNode("path", { class: "update", d: updates.join(" ") }));

  const band = (name, title, reach, more = 0) => {
    const [top, bottom] = [BANDS[name][0], BANDS[name][1] + more];
    const y = (value) => (top + bottom) / 2 - (value / reach) * ((bottom - top) / 2);
    nodes.push(line("axis", left, y(0), right, y(0)), text(left, top - 6, "start", title));
    return y;
  };

  const spells = input === "palindrome" && x(1) - x(0) >= 9; // else the stems use the digits' room too
  const y = band("x", `input x: ${TITLES[input]}`, input === "burst" ? 3 : 1, spells ? 0 : 16);
  const stems = inputs.map((value, at) => `M${x(at + 1).toFixed(2)},${y(0)} V${y(value).toFixed(2)}`);
  nodes.push(svgNode("path", { class: "stems", d: stems.join(" "), "stroke-width": Math.min(2, 0.8 * (x(1) - x(0))) }));
  if (spells) inputs.forEach((_, at) => nodes.push(text(x(at + 1), BANDS.x[1] + 17, "middle", digits[at])));

  const most = Math.max(...[...gated, ...ungated].map(({ c }) => Math.abs(c)));
  const reaches = { c: [0.5, 1, 2, 3, 5, 10].find((reach) => reach >= most) ?? most, h: 1 };
  for (const [name, title] of [["c", "cell state c"], ["h", "hidden state h"]]) {
    const y = band(name, title, reaches[name]);
    for (const value of [-reaches[name], 0, reaches[name]]) {
      if (value) nodes.push(line("grid", left, y(value), right, y(value)));
      nodes.push(text(left - 6, y(value) + 4, "end", number(value).replace("-", "−")));
    }
    for (const [kind, states] of [["without", ungated], ["curve", gated]]) {
      nodes.push(svgNode("path", { class: kind, d: stairs(states.map((state) => state[name]), x, y) }));
    }
  }

  const bottom = BANDS.h[1];
  const between = [1, 2, 4, 6, 12, 24, 50, 100, 200, 500, 1000].find((step) => x(step) - x(0) >= 26) ?? steps;
  for (let t = 0; t <= steps; t += between) {
    nodes.push(line("tick", x(t), bottom, x(t), bottom + 5), text(x(t), bottom + 18, "middle", String(t)));
    nodes.push(line("tick", x(t), BANDS.k[1], x(t), BANDS.k[1] + 4));
  }
  nodes.push(text(right, HEIGHT - 12, "end", "time step t"));
  return nodes;
}

const READS = { palindrome: "a palindrome's digits", burst: "bursts of noise" };

function render({ model, el }) {
  const unit = traits(model, ["weight_ih", "weight_hh", "bias"]).state();
  const inputs = ["digits", "burst"];
  const { state: given } = traits(model, inputs);
  const names = ["tau", "s", "r_on", "leak", "steps", "input"];
  const { state, set, reset } = traits(model, names);
  const onInput = (name, value) => set({ [name]: value });
  const half = state().steps / 2; // up to here τ and s keep the first whole period in view
  const sliders = {
    tau: slider(["period τ"], { name: "tau", min: Math.min(1, half), max: half, step: 0.1, unit: "steps" }, onInput),
    s: slider(["shift s"], { name: "s", min: 0, max: half, step: 0.1, unit: "steps" }, onInput),
    r_on: slider(
      ["open ratio r", html("sub", {}, "on")],
      { name: "r_on", min: 0.01, max: 1, step: 0.01, unit: "of the period" },
      onInput,
    ),
    leak: slider(["leak α"], { name: "leak", min: 0, max: 0.5, step: 0.01, unit: "" }, onInput),
  };
  const reads = choice("input", { short: "input", long: "What the unit reads" }, READS, (input) => set({ input }));
  const svg = svgNode("svg", { role: "img", height: HEIGHT });
  const key = (kind, words) => html("span", {}, swatch(kind), words);
  const noise = html("span", {}, swatch("loud", "M0,0 H28 V8 H0 Z"), "loud noise");
  const legend = html("p", { className: "key kinds" }, key("curve", "behind the gate"), key("without", "without it"), noise);
  const sentence = html("p", { role: "status" });
  const rows = Object.values(sliders).flatMap(({ row }) => row);
  const controls = html("div", { className: "controls" }, ...rows, reset);

  return mount({ model, el }, [...names, ...inputs], [reads.node, legend, svg, controls, sentence], (width) => {
    const now = { ...state(), ...given() };
    const x = read(now); // traits change one by one, so for a moment it may have fewer or more steps
    const states = { x, gated: run(unit, x, now), ungated: run(unit, x) };
    for (const [name, { show }] of Object.entries(sliders)) show(now[name]);
    reads.show(now.input);
    noise.hidden = now.input !== "burst";
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute(
      "aria-label",
      `Openness k of the temporal gate over time t from 0 to ${now.steps}, for τ = ${number(now.tau)}, ` +
        `s = ${number(now.s)}, r_on = ${number(now.r_on)}, α = ${number(now.leak)}: triangles of height 1, ` +
        `${number(now.tau * now.r_on)} steps wide, that start at t = ${number(now.s)} and every ${number(now.tau)} steps. ` +
        `Below: ${READS[now.input]}, and c and h of a unit that reads them, with the gate and without.`,
    );
    svg.replaceChildren(...below(now, states, width), ...drawing(now, width));
    sentence.textContent = `${describe(now)} ${describeStates(now, x, states.gated, states.ungated)}`;
  });
}

export default { render };
