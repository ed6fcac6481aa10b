// LSTMs behind a temporal gate that learn while the reader watches: periods, shifts and open ratios that the reader sets,
// the map of open units, and what becomes of the gates when they are learned.

import { axes } from "./curves.js";
import { lesson, pair, pick, SEED } from "./lesson.js";
import { exp, ln } from "./chance.js";
import { openness } from "./network.js";
import { html, lay, line, number, percent, ratioStops, slider, svgNode, text } from "./page.js";
import { serve } from "./trainer.js";
import { training } from "./training.js";

serve(training);

const RATES = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1];
const LEAKS = [0, 0.001, 0.003, 0.01, 0.03, 0.1];
const ALLOWED = {
  ...{ task: ["palindromes", "bursts"], length: { min: 10, max: 300, whole: true }, tau_from: { min: 1, max: 1000 } },
  ...{ tau_to: { min: 1, max: 1000 }, shifts: ["drawn", "same"], s: { min: 0, max: 100 }, r_on: { min: 0.01, max: 1 } },
  ...{ leak: LEAKS, learned: [true, false], beside: [true, false], learning_rate: RATES, seed: SEED },
};
const PERIOD = 20; // of the bursts
const LOUD = 16; // steps of it

const SET_TO_BURSTS = { task: "bursts", length: 200, tau_from: PERIOD, tau_to: PERIOD, shifts: "same", r_on: 0.2, leak: 0 };

const PRESETS = [
  {
    name: "Palindromes of 100 digits",
    watch: "Units that open rarely keep the first digit over a hundred steps. Beside it, an LSTM without a gate gets as many steps.",
    set: {
      ...{ task: "palindromes", length: 100, tau_from: 1, tau_to: 200, shifts: "drawn", r_on: 0.05, leak: 0 },
      ...{ learned: true, beside: true, learning_rate: 0.003, seed: 0 },
    },
  },
  {
    name: "Listen to the noise",
    watch: "A weak signal is up or down, but bursts of noise cover it for 16 of every 20 steps. Every gate opens during the noise, and training may not move it.",
    set: { ...SET_TO_BURSTS, s: 4, learned: false, beside: false, learning_rate: 0.003, seed: 0 },
  },
  {
    name: "Listen between the bursts",
    watch: "The same gates, opened in the four quiet steps of every period.",
    set: { ...SET_TO_BURSTS, s: LOUD, learned: false, beside: false, learning_rate: 0.003, seed: 0 },
  },
  {
    name: "Let it learn when to listen",
    watch: "The gates start in the noise, and are learned. In the map the stripes tilt: periods drift from 20, and some units come out of the noise.",
    set: { ...SET_TO_BURSTS, s: 4, learned: true, beside: false, learning_rate: 0.01, seed: 0 },
  },
];

/** The trainings that the settings ask for: [{ label, settings }]. */
export function gatePlan(state) {
  const shared = {
    ...{ task: state.task, T: state.length, H: state.hidden_size, B: state.batch_size, encoding: "one-hot" },
    ...{ initialisation: "uniform", memory: 1, optimizer: "adam", rate: state.learning_rate, clip: 10 },
    ...{ steps: state.train_steps, seed: state.seed },
  };
  const [from, to] = [Math.min(state.tau_from, state.tau_to), Math.max(state.tau_from, state.tau_to)];
  const s = state.shifts === "same" ? state.s : undefined;
  const gate = { from, to, s, r_on: state.r_on, leak: state.leak, isLearned: state.learned };
  const gated = { label: "gated LSTM", settings: { ...shared, model: "temporal-gate", gate } };
  return state.beside ? [gated, { label: "LSTM", settings: { ...shared, model: "lstm" } }] : [gated];
}

function gateControls(set) {
  const onInput = (name, value) => set({ [name]: value });
  const italic = (letter, index, ...words) => [html("i", {}, letter), ...(index ? [html("sub", {}, index)] : []), ...words];
  const periods = ratioStops(1, 1000, 0);
  const sliders = {
    length: slider(italic("T", "", ", length"), { name: "length", min: 10, max: 300, step: 1, unit: "steps" }, onInput),
    tau_from: slider(italic("τ", "", ", from"), { name: "tau_from", stops: periods, unit: "steps" }, onInput),
    tau_to: slider(italic("τ", "", ", to"), { name: "tau_to", stops: periods, unit: "steps" }, onInput),
    s: slider(italic("s", "", ", shift"), { name: "s", min: 0, max: 100, step: 1, unit: "steps" }, onInput),
    r_on: slider(italic("r", "on", ", open ratio"), { name: "r_on", stops: ratioStops(0.01, 1, 2), unit: "" }, onInput),
    leak: slider(italic("α", "", ", leak"), { name: "leak", stops: LEAKS, unit: "" }, onInput),
    learning_rate: slider(["learning rate"], { name: "learning_rate", stops: RATES, unit: "" }, onInput),
  };
  const truth = { true: "yes", false: "no" };
  const tasks = { palindromes: "palindromes", bursts: "a signal under bursts of noise" };
  const picks = {
    task: pick(set, "task", "task", "What the network learns", tasks),
    shifts: pick(set, "shifts", "shifts", "Whether all units have the same shift", { drawn: "drawn from 0 to τ", same: "the same for all, s" }),
    learned: pick(set, "learned", "gates are learned", "Whether periods, shifts and open ratios are learned", truth, (value) => value === "true"),
    beside: pick(set, "beside", "an LSTM without a gate beside it", "Whether an LSTM without a gate learns too", truth, (value) => value === "true"),
  };
  const { learning_rate, leak, ...gate } = sliders;
  const grid = (some) => html("div", { className: "controls" }, ...Object.values(some).flatMap(({ row }) => row));
  const more = html("details", {}, html("summary", {}, "More settings"), picks.beside.node, grid({ leak, learning_rate }));
  const show = (now) => {
    for (const [name, { show }] of Object.entries(sliders)) show(now[name]);
    for (const [name, { show }] of Object.entries(picks)) show(String(now[name]));
    for (const node of sliders.s.row) node.style.display = now.shifts === "same" ? "" : "none";
  };
  return { nodes: [picks.task.node, grid(gate), picks.shifts.node, picks.learned.node, more], show };
}

const MAP = 190; // pixels high

/** A unit's gate as network.js stores it. */
const stored = ({ tau, s, r_on }) =>
  Float32Array.from([...Array.from(tau, ln), ...s, ...Array.from(r_on, (share) => Math.min(16, ln(share / (1 - share))))]);

/** The phase of a unit's opening, s in periods, from 0 to 1. */
const phase = (tau, s) => s / tau - Math.floor(s / tau);

/** What has become of the gates, in a sentence; first, now: { tau, s, r_on }. */
export function moved(first, now) {
  if (!first || !now) return "No gate has been set yet.";
  const shares = [...now.tau].map((tau, unit) => Math.abs(tau / first.tau[unit] - 1));
  const phases = [...now.tau].map((tau, unit) => {
    const by = Math.abs(phase(tau, now.s[unit]) - phase(first.tau[unit], first.s[unit]));
    return Math.min(by, 1 - by);
  });
  const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  return `Periods have moved by ${percent(median(shares))}, shifts by ${percent(median(phases))} of a period (medians).`;
}

/** The map of open units, and the way of every gate: { nodes, draw }. */
function gateBelow() {
  const [frame, ways] = [0, 0].map(() => svgNode("svg", { role: "img", height: MAP }));
  const canvas = html("canvas", {});
  canvas.setAttribute("aria-hidden", "true");
  const map = html("div", { className: "heat" }, canvas, frame);
  const { node, fit } = pair(map, ways);
  const said = html("p", { className: "key" });
  let drawn; // the gates, their task and the width that stand in the drawings

  function draw(runs, now, whole) {
    const width = fit(whole);
    const planned = gatePlan(now)[0].settings;
    const run = runs.find(({ settings }) => settings.model === "temporal-gate");
    const { T, task } = run?.settings ?? planned;
    const steps = task === "bursts" ? T : T - 1;
    const asked = [run?.gate, T, task, width, colourOf(canvas).join()];
    if (asked.every((value, place) => value === drawn?.[place])) return; // most frames bring no new gates
    drawn = asked;
    drawMap(run?.gate, { width, steps, isBursts: task === "bursts" });
    drawWays(run?.first, run?.gate, width);
    said.textContent = run?.gate ? (run.settings.gate.isLearned ? `${moved(run.first, run.gate)} A grey line starts where the unit did.` : "The gates are fixed.") : "The map of open units appears with the first training.";
  }

  function drawMap(gate, { width, steps, isBursts }) {
    const title = isBursts ? "when each unit, a row, is open; grey: noise" : "when each unit, a row, is open, by period";
    const { nodes, x, y } = axes({
      ...{ width, height: MAP, xFrom: 1, xTo: steps + 1, yTicks: [] },
      xTicks: [...new Set([1, Math.round(steps / 2), steps])],
      ...{ title, below: "step t" },
    });
    if (isBursts)
      for (let start = 0; start <= steps; start += PERIOD)
        nodes.unshift(svgNode("rect", { class: "loud", x: x(Math.max(1, start)), y: y(1), width: x(Math.min(start + LOUD, steps + 1)) - x(Math.max(1, start)), height: y(0) - y(1) }));
    frame.setAttribute("viewBox", `0 0 ${width} ${MAP}`);
    frame.replaceChildren(...nodes);
    lay(canvas, { left: x(1), top: y(1), width: x(steps + 1) - x(1), height: y(0) - y(1) }, { width, height: MAP });
    const H = gate?.tau.length ?? 1;
    [canvas.width, canvas.height] = [steps, H];
    frame.setAttribute("aria-label", "Open units.");
    if (!gate) return;
    const order = [...gate.tau.keys()].sort((a, b) => gate.tau[a] - gate.tau[b] || a - b);
    const { k } = openness(stored(gate), steps);
    frame.setAttribute("aria-label", `Open units over ${steps} steps: ${percent(openShare(k))} of all are open.`);
    const image = new ImageData(steps, H);
    const [red, green, blue] = colourOf(canvas);
    const pixels = new Uint32Array(image.data.buffer); // little-endian: alpha, blue, green, red
    order.forEach((unit, row) => {
      for (let t = 0; t < steps; t++)
        pixels[row * steps + t] = (Math.round(255 * Math.sqrt(k[t * H + unit])) << 24) | (blue << 16) | (green << 8) | red;
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function drawWays(from, to, width) {
    const periods = to ? [...from.tau, ...to.tau] : [1, 100];
    const [low, high] = [Math.log10(Math.min(...periods)) - 0.1, Math.log10(Math.max(...periods)) + 0.1];
    const marks = [0.1, 1, 2, 5, 10, 15, 20, 30, 50, 100, 200, 500, 1000].filter((tau) => Math.log10(tau) >= low && Math.log10(tau) <= high);
    const { nodes, x, y } = axes({
      ...{ width, height: MAP, xFrom: low, xTo: high, xTicks: [], yTicks: [0, 0.5, 1].map((share) => [share, String(share)]) },
      ...{ title: "shift of each unit, in periods", below: "period τ" },
    });
    for (const tau of marks.filter((_, place) => place % Math.ceil(marks.length / 5) === 0)) nodes.push(text(x(Math.log10(tau)), y(0) + 17, "middle", number(tau)));
    to?.tau.forEach((tau, unit) => {
      const [x0, y0] = [x(Math.log10(from.tau[unit])), y(phase(from.tau[unit], from.s[unit]))];
      const [cx, cy] = [x(Math.log10(tau)), y(phase(tau, to.s[unit]))];
      if (Math.abs(cy - y0) < (y(0) - y(1)) / 2) nodes.push(line("trail", x0, y0, cx, cy)); // else it went round
      nodes.push(svgNode("circle", { class: "open", cx, cy, r: 2.5 }));
    });
    ways.setAttribute("viewBox", `0 0 ${width} ${MAP}`);
    ways.replaceChildren(...nodes);
    ways.setAttribute("aria-label", moved(from, to));
  }

  return { nodes: [node, said], draw };
}

/** Which share of all units at all steps is open; k: their openness. */
const openShare = (k) => k.reduce((count, value) => count + (value > 0), 0) / k.length;

/** The widget's colour of the gate, as [red, green, blue]. */
function colourOf(node) {
  const colour = getComputedStyle(node).getPropertyValue("--curve").trim();
  const hex = /^#(..)(..)(..)$/.exec(colour);
  return hex ? hex.slice(1).map((part) => parseInt(part, 16)) : [0, 158, 115];
}

const GATE_INTRODUCTION =
  "Set when the units of an LSTM open, then press Train and watch it learn in this page. " +
  "Which periods does a long palindrome need, and what happens when the gates listen to the noise?";

function render({ model, el }) {
  return lesson({ model, el }, {
    name: "learn-behind-a-gate",
    allowed: ALLOWED,
    fixed: ["batch_size", "hidden_size", "train_steps"],
    presets: PRESETS,
    introduction: GATE_INTRODUCTION,
    controls: gateControls,
    plan: gatePlan,
    below: gateBelow,
  });
}

export default { render };
