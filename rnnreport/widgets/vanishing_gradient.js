// How the state at step T depends on that at step t, ‖∂h(T)/∂h(t)‖₂ of a small RNN and ‖∂(h, c)(T)/∂(h, c)(t)‖₂ of an
// LSTM over the lag T - t, with sliders for the spectral radius ρ of the recurrent weights, the length T, the size of
// the inputs and the forget gates' bias. The weights come with the page: weight_ih and weight_hh, with rows for the
// gates i, f, g and o; the RNN has the rows of g. Forward passes, products and norms are computed here.

import {
  formula, html, inSteps, line, mount, number, power, sigmoid, slider, svgNode, swatch, tenTo, text, traits,
} from "./page.js";

// Matrices are n × n in one Float64Array, row by row, and n is even.

/** A Bᵀ: the products of A's rows with B's. Four at a time, for speed while a slider moves; only half if A is B. */
function rowProducts(A, B, n) {
  const result = new Float64Array(n * n);
  for (let i = 0; i < n; i += 2) {
    for (let j = A === B ? i : 0; j < n; j += 2) {
      let upperLeft = 0;
      let upperRight = 0;
      let lowerLeft = 0;
      let lowerRight = 0;
      for (let k = 0; k < n; k++) {
        const a = A[i * n + k];
        const b = A[i * n + n + k];
        const c = B[j * n + k];
        const d = B[j * n + n + k];
        upperLeft += a * c;
        upperRight += a * d;
        lowerLeft += b * c;
        lowerRight += b * d;
      }
      result[i * n + j] = upperLeft;
      result[i * n + j + 1] = upperRight;
      result[i * n + n + j] = lowerLeft;
      result[i * n + n + j + 1] = lowerRight;
    }
  }
  if (A === B) for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) result[i * n + j] = result[j * n + i];
  return result;
}

function divide(matrix, by) {
  for (let at = 0; at < matrix.length; at++) matrix[at] /= by;
}

function sumOfSquares(matrix) {
  let sum = 0;
  for (let at = 0; at < matrix.length; at++) sum += matrix[at] * matrix[at];
  return sum;
}

/**
 * ln ‖A‖₂, the largest singular value σ, by repeated squaring: with G = A Aᵀ, trace(G^m)^(1/m) lies between σ² and
 * n^(1/m) σ². Each round divides G by its trace and squares it. Once the trace stays 1, a single direction is left. If
 * two singular values are equal it never does, and the rounds end when n^(1/m) no longer matters. A becomes A / σ.
 */
function takeOutNorm(A, n) {
  let largest = 0;
  for (let at = 0; at < A.length; at++) largest = Math.max(largest, Math.abs(A[at]));
  if (largest === 0) return -Infinity;
  divide(A, largest);
  let log = 0;
  let trace = sumOfSquares(A); // of A Aᵀ
  let G = rowProducts(A, A, n);
  for (let share = 0.5; share > 1e-14; share /= 2) {
    log += share * Math.log(trace);
    divide(G, trace);
    trace = sumOfSquares(G); // of G², since G is symmetric
    if (trace > 1 - 1e-6) {
      log += (share / 2) * Math.log(trace); // the next trace differs from 1 by less than 1e-12
      break;
    }
    G = rowProducts(G, G, n); // G²
  }
  divide(A, Math.exp(log));
  return Math.log(largest) + log;
}

const dot = (u, v) => {
  let sum = 0;
  for (let j = 0; j < u.length; j++) sum += u[j] * v[j];
  return sum;
};

/** The RNN's weights: those of the LSTM's input modulation, without gates. */
export function ungated({ weight_ih, weight_hh, x }) {
  const units = weight_hh.length / 4;
  return { W_hx: weight_ih.slice(2 * units, 3 * units), W_hh: weight_hh.slice(2 * units, 3 * units), x };
}

/** The slopes 1 - h(t)² at t = 1…T, from h(0) = 0 by equation (1) without its bias: one Float64Array per step. */
export function slopes({ W_hx, W_hh, x }, { spectral_radius, input_size, length }) {
  let h = W_hh.map(() => 0);
  return x.slice(0, length).map((input) => {
    h = h.map((_, i) => Math.tanh(spectral_radius * dot(W_hh[i], h) + input_size * dot(W_hx[i], input)));
    return Float64Array.from(h, (value) => 1 - value * value);
  });
}

/**
 * ln of the norm of the product of the last `lag` Jacobians, for lag 0…T: `transposed(step)` is one of them, transposed.
 * The product's size is kept as a logarithm, so that nothing underflows, whatever the number of steps.
 */
function backwards(steps, n, transposed) {
  const logNorms = [0];
  let product = Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0)); // divided by its norm
  for (const step of [...steps].reverse()) {
    product = rowProducts(product, transposed(step), n);
    logNorms.push(logNorms.at(-1) + takeOutNorm(product, n));
  }
  return logNorms;
}

/**
 * The RNN's drawn data: ln ‖∂h(T)/∂h(T - lag)‖₂ for lag 0…T as `logNorms`, ‖W_hh‖₂ as `norm`, and the `steepest` and
 * the `mean` slope.
 */
export function measure(network, settings) {
  const units = network.W_hh.length;
  const n = units + (units % 2); // with one more unit of zeros if that makes it even
  const W = new Float64Array(n * n); // transposed
  network.W_hh.forEach((row, i) => row.forEach((weight, j) => (W[j * n + i] = settings.spectral_radius * weight)));
  const D = slopes(network, settings);
  const logNorms = backwards(D, n, (slope) => W.map((weight, at) => weight * (slope[at % n] ?? 0)));
  const all = D.flatMap((slope) => [...slope]);
  return {
    logNorms,
    norm: Math.exp(takeOutNorm(W, n)),
    steepest: all.reduce((most, slope) => Math.max(most, slope), 0),
    mean: all.reduce((sum, slope) => sum + slope, 0) / all.length,
  };
}

/** The gates of the LSTM at t = 1…T, from h(0) = c(0) = 0 by (4)-(9), with the forget gates' biases only. */
export function gates({ weight_ih, weight_hh, x }, { spectral_radius, input_size, forget_bias, length }) {
  const units = weight_hh.length / 4;
  let h = new Float64Array(units);
  let c = new Float64Array(units);
  return x.slice(0, length).map((input) => {
    const before = c;
    const a = weight_hh.map((row, at) => {
      const bias = Math.floor(at / units) === 1 ? forget_bias : 0;
      return spectral_radius * dot(row, h) + input_size * dot(weight_ih[at], input) + bias;
    });
    const [i, f, g, o] = [sigmoid, sigmoid, Math.tanh, sigmoid].map((bend, gate) =>
      Float64Array.from(a.slice(gate * units, (gate + 1) * units), bend),
    );
    c = before.map((value, unit) => g[unit] * i[unit] + value * f[unit]);
    const bent = c.map(Math.tanh);
    h = bent.map((value, unit) => value * o[unit]);
    return { i, f, g, o, before, bent };
  });
}

/** ∂(h, c)(t)/∂(h, c)(t - 1) transposed, h before c, with weight_hh times `radius`. */
function lstmJacobian({ i, f, g, o, before, bent }, weight_hh, radius) {
  const units = f.length;
  const n = 2 * units;
  const result = new Float64Array(n * n);
  for (let to = 0; to < units; to++) {
    const slope = o[to] * (1 - bent[to] ** 2); // ∂h/∂c
    const by_i = radius * g[to] * i[to] * (1 - i[to]);
    const by_f = radius * before[to] * f[to] * (1 - f[to]);
    const by_g = radius * i[to] * (1 - g[to] ** 2);
    const by_o = radius * bent[to] * o[to] * (1 - o[to]);
    const [W_i, W_f, W_g, W_o] = [0, 1, 2, 3].map((gate) => weight_hh[gate * units + to]);
    for (let from = 0; from < units; from++) {
      const c_by_h = by_i * W_i[from] + by_f * W_f[from] + by_g * W_g[from];
      result[from * n + to] = slope * c_by_h + by_o * W_o[from];
      result[from * n + units + to] = c_by_h;
    }
    result[(units + to) * n + to] = slope * f[to];
    result[(units + to) * n + units + to] = f[to];
  }
  return result;
}

/**
 * The LSTM's drawn data: ln ‖∂(h, c)(T)/∂(h, c)(T - lag)‖₂ as `logNorms`; its part along the cell alone, ln of the
 * largest product of a unit's forget gates, as `cell`; and the mean forget gate as `forget`.
 */
export function measureLSTM(network, settings) {
  const run = gates(network, settings);
  const units = network.weight_hh.length / 4;
  const { spectral_radius } = settings;
  let logs = new Float64Array(units);
  const cell = [0];
  for (const { f } of [...run].reverse()) {
    logs = logs.map((log, unit) => log + Math.log(f[unit]));
    cell.push(Math.max(...logs));
  }
  return {
    logNorms: backwards(run, 2 * units, (step) => lstmJacobian(step, network.weight_hh, spectral_radius)),
    cell,
    forget: run.reduce((sum, { f }) => sum + f.reduce((all, value) => all + value, 0), 0) / (units * run.length),
  };
}

const FLOAT32 = { smallest: Math.log(2 ** -126), largest: Math.log((2 - 2 ** -23) * 2 ** 127) };
const SEEN = Math.log(100); // a factor of 100 is called vanishing or exploding

/** In words, what happens to a network's gradient. `last` is the logarithm of what is left after `length` steps. */
function fate(name, state, last, length) {
  const after = `after ${inSteps(length)}, a factor of ${power(last / length, 3)} per step.`;
  return (
    last < -SEEN ? `The ${name}'s gradient vanishes: of a change of ${state} at most ${power(last)} of its size is left ${after}`
    : last > SEEN ? `The ${name}'s gradient explodes: a change of ${state} can be ${power(last)} times as large ${after}`
    : `The ${name}'s gradient neither vanishes nor explodes: a change of ${state} can be ${power(last)} times as large ${after}`
  );
}

/** What the drawing shows of the LSTM, in words. */
export function describeLSTM({ logNorms, cell, forget }, { length }) {
  const along = `Along its cells alone, with forget gates open by ${number(forget)} on average`;
  return `${fate("LSTM", "h(0), c(0)", logNorms.at(-1), length)} ${along}, at most ${power(cell.at(-1))} is left.`;
}

/** What the drawing shows of the RNN, in words. */
export function describe({ logNorms, mean }, { spectral_radius, length }) {
  const last = logNorms.at(-1);
  if (last === -Infinity) {
    const gone = logNorms.indexOf(-Infinity);
    return (
      `The RNN's gradient is exactly zero from ${inSteps(gone)} back: ` +
      "the units are so far in saturation that slopes round to 0."
    );
  }
  const sentences = [fate("RNN", "h(0)", last, length)];
  const below = logNorms.findIndex((log) => log < FLOAT32.smallest);
  const above = logNorms.findIndex((log) => log > FLOAT32.largest);
  if (below > 0) {
    const smallest = `the smallest normal float32 number, ${power(FLOAT32.smallest)}`;
    sentences.push(`After ${inSteps(below)} it falls below ${smallest}; where such numbers are flushed, nothing is left.`);
  } else if (above > 0) {
    sentences.push(`After ${inSteps(above)} it is too large for float32, beyond ${power(FLOAT32.largest)}.`);
  }
  if (spectral_radius >= 1 && last < -SEEN) {
    const slope = `the mean slope is ${number(mean)}`;
    sentences.push(`That ρ is not below 1 does not help: tanh is flat where the units are, ${slope} instead of 1.`);
  }
  return sentences.join(" ");
}

const HEIGHT = 300;
const MARGIN = { top: 26, right: 14, bottom: 42, left: 50 };
const DECADES = [1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 600, 800]; // steps of the axis's ends

/** The powers of ten between which the curves lie, with some room for a bound that rises above them. */
function decades(curves, bound) {
  const reached = curves.flat().filter(Number.isFinite).map((log) => log / Math.LN10);
  const atLeast = (value) => DECADES.find((decade) => decade >= value) ?? value;
  const depth = atLeast(-Math.min(...reached));
  const rise = Math.min(((curves[0].length - 1) * Math.log(bound)) / Math.LN10, depth / 4);
  return [-depth, atLeast(Math.max(...reached, rise))];
}

function label(name, x, y) {
  const words = text(x, y, "middle", name);
  words.setAttribute("class", `name ${name.toLowerCase()}`);
  return words;
}

/** The drawing, `width` pixels wide, as the children of an <svg>. */
function drawing({ logNorms, norm, steepest }, lstm, { spectral_radius, length }, width) {
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, HEIGHT - MARGIN.bottom];
  const bound = Math.max(steepest * norm, Number.MIN_VALUE); // it is 0 if every slope rounds to 0
  const gated = lstm ? [["cell", lstm.cell], ["curve lstm", lstm.logNorms]] : [];
  const [low, high] = decades([logNorms, ...gated.map(([, logs]) => logs)], bound);
  const x = (lag) => left + (lag / length) * (right - left);
  const y = (log) => bottom - ((log / Math.LN10 - low) / (high - low)) * (bottom - top);
  const nodes = [];

  // Axes: the lag below, powers of ten at the left.
  const lags = [1, 2, 5, 10, 20, 50, 100].find((step) => x(step) - x(0) >= 32) ?? length;
  for (let lag = 0; lag <= length; lag += lags) {
    nodes.push(line("tick", x(lag), bottom, x(lag), bottom + 5), text(x(lag), bottom + 18, "middle", String(lag)));
  }
  const apart = [1, 2, 5, 10, 20, 50, 100, 200].find((step) => (high - low) / step <= 7);
  const between = apart ?? 10 ** Math.ceil(Math.log10((high - low) / 7));
  for (let decade = Math.ceil(low / between) * between; decade <= high; decade += between) {
    const at = y(decade * Math.LN10);
    nodes.push(line(decade ? "grid" : "axis", left, at, right, at));
    nodes.push(text(left - 6, at + 4, "end", decade ? tenTo(decade) : "1"));
  }
  nodes.push(text(4, 12, "start", "what survives of a small change"), text(right, HEIGHT - 6, "end", "lag T − t, in steps"));
  for (const [log, words] of [
    [FLOAT32.smallest, "smallest normal float32 number"],
    [FLOAT32.largest, "largest float32 number"],
  ]) {
    if (top < y(log) && y(log) < bottom) {
      const crossing = logNorms.findIndex((norm) => norm / log >= 1); // the words keep away from the RNN's curve there
      const isEarly = crossing >= 0 && crossing < length / 2;
      const place = isEarly === log < 0 ? -5 : 14;
      nodes.push(line("dimension", left, y(log), right, y(log)));
      nodes.push(isEarly ? text(right, y(log) + place, "end", words) : text(left + 4, y(log) + place, "start", words));
    }
  }

  // Powers with the lag as exponent are straight lines here, up to the edge of the drawing.
  for (const [kind, rate] of [["bound", bound], ["radius", spectral_radius]]) {
    const room = (rate > 1 ? high : low) * Math.LN10;
    const end = rate === 1 ? length : Math.min(length, room / Math.log(rate));
    nodes.push(svgNode("path", { class: kind, d: `M${x(0)},${y(0)} L${x(end)},${y(end * Math.log(rate))}` }));
  }
  const point = (log, lag) => (log > -Infinity ? [`${x(lag).toFixed(2)},${y(log).toFixed(2)}`] : []);
  for (const [kind, logs] of [...gated, ["curve rnn", logNorms]]) nodes.push(svgNode("path", { class: kind, d: `M${logs.flatMap(point).join(" L")}` }));
  const at = Math.round(0.7 * length);
  const isAbove = !lstm || logNorms[at] > lstm.logNorms[at]; // the upper curve's name is above it, the other's below
  for (const [name, logs, up] of [["RNN", logNorms, isAbove], ["LSTM", lstm?.logNorms ?? [-Infinity], !isAbove]]) {
    if (logs[at] > -Infinity) nodes.push(label(name, x(at), y(logs[at]) + (up ? -9 : 19)));
  }
  return nodes;
}

/** An entry of the legend: { item, show }, `show` taking the words that change. */
function legendEntry(kind, name, words) {
  const value = html("span", {});
  const show = (text) => (value.textContent = text);
  return { item: html("li", {}, swatch(kind), html("span", {}, `${words} `, ...formula(name), ": ", value)), show };
}

function render({ model, el }) {
  const lstm = traits(model, ["weight_ih", "weight_hh", "x"]).state();
  const rnn = ungated(lstm);
  const names = ["spectral_radius", "length", "input_size", "forget_bias", "lstm"];
  const { state, set, reset } = traits(model, names);
  const onInput = (name, value) => set({ [name]: value });
  const longest = rnn.x.length;
  const sliders = {
    spectral_radius: slider(
      ["spectral radius ρ"],
      { name: "spectral_radius", min: 0.05, max: 3, step: 0.01, unit: "" },
      onInput,
    ),
    length: slider(
      ["length T"],
      { name: "length", min: Math.min(5, longest), max: longest, step: 1, unit: "steps" },
      onInput,
    ),
    input_size: slider(["size of the inputs"], { name: "input_size", min: 0, max: 3, step: 0.01, unit: "" }, onInput),
    forget_bias: slider(["forget bias"], { name: "forget_bias", min: -2, max: 6, step: 0.1, unit: "" }, onInput),
  };
  const box = html("input", { type: "checkbox", name: "lstm" });
  box.addEventListener("change", () => onInput("lstm", box.checked));
  const beside = html("div", { className: "switches" }, html("label", {}, box, html("span", {}, "an LSTM beside it")));
  const svg = svgNode("svg", { role: "img", height: HEIGHT });
  const entries = {
    rnn: legendEntry("curve rnn", "‖∂h(T)/∂h(t)‖₂", "RNN:"),
    lstm: legendEntry("curve lstm", "‖∂(h, c)(T)/∂(h, c)(t)‖₂", "LSTM, all paths:"),
    cell: legendEntry("cell", "max ∏ f", "LSTM, along the cell alone:"),
    bound: legendEntry("bound", "(max |1 − h^{2}| · ‖W_{hh}‖₂)^{T − t}", "RNN, bound:"),
    radius: legendEntry("radius", "ρ^{T − t}", "RNN, guide (no bound):"),
  };
  const legend = html("ul", { className: "legend" }, ...Object.values(entries).map(({ item }) => item));
  const sentence = html("p", { role: "status" });
  const rows = Object.values(sliders).flatMap(({ row }) => row);
  const controls = html("div", { className: "controls" }, ...rows, reset);

  return mount({ model, el }, names, [svg, legend, controls, beside, sentence], (width) => {
    const now = state();
    const found = measure(rnn, now);
    const gated = now.lstm ? measureLSTM(lstm, now) : null;
    box.checked = now.lstm;
    for (const node of [...sliders.forget_bias.row, entries.lstm.item, entries.cell.item]) {
      node.style.display = gated ? "" : "none";
    }
    const { spectral_radius, length, input_size, forget_bias } = now;
    const bound = number(found.steepest * found.norm);
    for (const [name, { show }] of Object.entries(sliders)) show(now[name]);
    for (const [name, logs] of Object.entries({ rnn: found.logNorms, ...(gated && { lstm: gated.logNorms, cell: gated.cell }) })) {
      entries[name].show(`${power(logs.at(-1) / length, 3)} per step`);
    }
    entries.bound.show(`${number(found.steepest)} · ${number(found.norm)} = ${bound} per step`);
    entries.radius.show(`ρ = ${number(spectral_radius)} per step`);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute(
      "aria-label",
      "How much of a small change in the state survives over the lag T − t, on a logarithmic axis, for " +
        `ρ = ${number(spectral_radius)}, T = ${length} and inputs of size ${number(input_size)}. From 1 at lag 0 the RNN's ` +
        `line comes to ${power(found.logNorms.at(-1))} at lag ${length}. It stays below its bound, a straight line that ` +
        `changes by a factor of ${bound} per step.` +
        (gated
          ? ` With a forget bias of ${number(forget_bias)} the LSTM's comes to ${power(gated.logNorms.at(-1))}, along its ` +
            `cell alone to ${power(gated.cell.at(-1))}.`
          : ""),
    );
    svg.replaceChildren(...drawing(found, gated, now, width));
    sentence.textContent = [describe(found, now), gated && describeLSTM(gated, now)].filter(Boolean).join(" ");
  });
}

export default { render };
