// ‖∂h(T)/∂h(t)‖₂ of a small tanh network over the lag T - t, with sliders for the spectral radius ρ of W_hh, the length
// T and the size of the inputs. The network comes with the page; forward pass, products and norms are computed here.

import { formula, html, inSteps, line, mount, number, power, slider, svgNode, tenTo, text, traits } from "./page.js";

// Matrices are n × n in one Float64Array, row by row, and n is even.

/** A Bᵀ: the products of A's rows with B's. Four at a time, since a slider's drag waits for them; half where A is B. */
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
 * n^(1/m) σ². Each round takes the trace out of G and squares it. Once the trace stays 1, a single direction is left;
 * where two singular values are equal it never does, and the rounds end when n^(1/m) no longer matters. A becomes A / σ.
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
      log += (share / 2) * Math.log(trace); // the trace after this one differs from 1 by less than 1e-12
      break;
    }
    G = rowProducts(G, G, n); // G²
  }
  divide(A, Math.exp(log));
  return Math.log(largest) + log;
}

/** The slopes 1 - h(t)² at t = 1…T, from h(0) = 0 by equation (1) without its bias: one Float64Array a step. */
export function slopes({ W_hx, W_hh, x }, { spectral_radius, input_size, length }) {
  const dot = (u, v) => {
    let sum = 0;
    for (let j = 0; j < u.length; j++) sum += u[j] * v[j];
    return sum;
  };
  let h = W_hh.map(() => 0);
  return x.slice(0, length).map((input) => {
    h = h.map((_, i) => Math.tanh(spectral_radius * dot(W_hh[i], h) + input_size * dot(W_hx[i], input)));
    return Float64Array.from(h, (value) => 1 - value * value);
  });
}

/**
 * What is drawn: ln ‖∂h(T)/∂h(T - lag)‖₂ for lag 0…T as `logNorms`, ‖W_hh‖₂ as `norm`, and the `steepest` and the
 * `mean` slope. The product carries its size as a logarithm, so that nothing underflows however many steps there are.
 */
export function measure(network, settings) {
  const units = network.W_hh.length;
  const n = units + (units % 2); // with one more unit of zeros where that makes it even
  const W = new Float64Array(n * n); // transposed
  network.W_hh.forEach((row, i) => row.forEach((weight, j) => (W[j * n + i] = settings.spectral_radius * weight)));
  const D = slopes(network, settings);
  const logNorms = [0];
  let jacobian = Float64Array.from(W, (_, at) => (at % (n + 1) === 0 ? 1 : 0)); // over its norm
  for (const slope of [...D].reverse()) {
    for (let i = 0; i < n; i++) for (let k = 0; k < units; k++) jacobian[i * n + k] *= slope[k];
    jacobian = rowProducts(jacobian, W, n);
    logNorms.push(logNorms.at(-1) + takeOutNorm(jacobian, n));
  }
  const all = D.flatMap((slope) => [...slope]);
  return {
    logNorms,
    norm: Math.exp(takeOutNorm(W, n)),
    steepest: all.reduce((most, slope) => Math.max(most, slope), 0),
    mean: all.reduce((sum, slope) => sum + slope, 0) / all.length,
  };
}

const FLOAT32 = { smallest: Math.log(2 ** -126), largest: Math.log((2 - 2 ** -23) * 2 ** 127) };
const SEEN = Math.log(100); // a factor of 100 is called vanishing or exploding

/** What the drawing shows, in words. */
export function describe({ logNorms, mean }, { spectral_radius, length }) {
  const last = logNorms.at(-1);
  if (last === -Infinity) {
    const gone = logNorms.indexOf(-Infinity);
    return `The gradient is exactly zero from ${inSteps(gone)} back: the units are so far in saturation that slopes round to 0.`;
  }
  const after = `after ${inSteps(length)}, a factor of ${power(last / length, 3)} a step.`;
  const sentences = [
    last < -SEEN ? `The gradient vanishes: of a change of h(0) at most ${power(last)} of its size is left ${after}`
    : last > SEEN ? `The gradient explodes: a change of h(0) can be ${power(last)} times as large ${after}`
    : `The gradient neither vanishes nor explodes: a change of h(0) can be ${power(last)} times as large ${after}`,
  ];
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

/** The powers of ten between which the curve lies, with some room for a bound that rises above it. */
function decades(logNorms, bound) {
  const reached = logNorms.filter(Number.isFinite).map((log) => log / Math.LN10);
  const atLeast = (value) => DECADES.find((decade) => decade >= value) ?? value;
  const depth = atLeast(-Math.min(...reached));
  const rise = Math.min(((logNorms.length - 1) * Math.log(bound)) / Math.LN10, depth / 4);
  return [-depth, atLeast(Math.max(...reached, rise))];
}

/** The drawing, `width` pixels wide, as the children of an <svg>. */
function drawing({ logNorms, norm, steepest }, { spectral_radius, length }, width) {
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, HEIGHT - MARGIN.bottom];
  const bound = Math.max(steepest * norm, Number.MIN_VALUE); // 0 where every slope rounds to 0
  const [low, high] = decades(logNorms, bound);
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
  nodes.push(text(4, 12, "start", "‖∂h(T)/∂h(t)‖₂"), text(right, HEIGHT - 6, "end", "lag T − t, in steps"));
  for (const [log, words] of [
    [FLOAT32.smallest, "smallest normal float32 number"],
    [FLOAT32.largest, "largest float32 number"],
  ]) {
    if (top < y(log) && y(log) < bottom) {
      nodes.push(line("dimension", left, y(log), right, y(log)), text(right, y(log) - 5, "end", words));
    }
  }

  // Powers of the lag are straight lines here, up to where they leave the drawing.
  for (const [kind, rate] of [["bound", bound], ["radius", spectral_radius]]) {
    const room = (rate > 1 ? high : low) * Math.LN10;
    const end = rate === 1 ? length : Math.min(length, room / Math.log(rate));
    nodes.push(svgNode("path", { class: kind, d: `M${x(0)},${y(0)} L${x(end)},${y(end * Math.log(rate))}` }));
  }
  const points = logNorms.flatMap((log, lag) => (log > -Infinity ? [`${x(lag).toFixed(2)},${y(log).toFixed(2)}`] : []));
  nodes.push(svgNode("path", { class: "curve", d: `M${points.join(" L")}` }));
  return nodes;
}

/** An entry of the legend: { item, show }, `show` taking the words that change. */
function legendEntry(kind, name, words) {
  const value = html("span", {});
  const show = (text) => (value.textContent = text);
  return { item: html("li", {}, swatch(kind), html("span", {}, `${words} `, ...formula(name), ": ", value)), show };
}

function render({ model, el }) {
  const network = traits(model, ["W_hx", "W_hh", "x"]).state();
  const names = ["spectral_radius", "length", "input_size"];
  const { state, set, reset } = traits(model, names);
  const onInput = (name, value) => set({ [name]: value });
  const longest = network.x.length;
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
  };
  const svg = svgNode("svg", { role: "img", height: HEIGHT });
  const measured = legendEntry("curve", "‖∂h(T)/∂h(t)‖₂", "measured");
  const limit = legendEntry("bound", "(max |1 − h^{2}| · ‖W_{hh}‖₂)^{T − t}", "bound");
  const guide = legendEntry("radius", "ρ^{T − t}", "guide (not a bound)");
  const legend = html("ul", { className: "legend" }, measured.item, limit.item, guide.item);
  const sentence = html("p", { role: "status" });
  const rows = Object.values(sliders).flatMap(({ row }) => row);
  const controls = html("div", { className: "controls" }, ...rows, reset);

  return mount({ model, el }, names, [svg, legend, controls, sentence], (width) => {
    const now = state();
    const found = measure(network, now);
    const { spectral_radius, length, input_size } = now;
    const last = found.logNorms.at(-1);
    const bound = number(found.steepest * found.norm);
    for (const [name, { show }] of Object.entries(sliders)) show(now[name]);
    measured.show(`a factor of ${power(last / length, 3)} a step`);
    limit.show(`${number(found.steepest)} · ${number(found.norm)} = ${bound} a step`);
    guide.show(`ρ = ${number(spectral_radius)} a step`);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute(
      "aria-label",
      `The norm of ∂h(T)/∂h(t) over the lag T − t, on a logarithmic axis, for ρ = ${number(spectral_radius)}, ` +
        `T = ${length} and inputs of size ${number(input_size)}: a line from 1 at lag 0 to ${power(last)} at lag ${length}. ` +
        `It stays below its bound, a straight line that changes by a factor of ${bound} a step.`,
    );
    svg.replaceChildren(...drawing(found, now, width));
    sentence.textContent = describe(found, now);
  });
}

export default { render };
