// Recurrent networks that learn in the page: the RNN (1), the LSTM (4)-(9), and the LSTM behind a temporal gate
// (12)-(16). As in rnnreport/recurrence.py the backward pass is written by hand; it undoes the changes of the state step
// by step, so that nothing is stored for a unit while its gate is shut. kernels.ts has the arithmetic.
//
// Shapes: S steps, B sequences, H units, D numbers that a step reads, K classes. Units come first, so that what all
// sequences have of one unit are neighbours. Every layer reads R rows: h(t-1), x(t), 1, and zeros up to a multiple of four.

import { exp, ln } from "./chance.js";
import KERNELS from "./kernels.ts";
import { plainKernels } from "./plain.js";

/** n, or the next multiple above it. */
export const up = (n, multiple = 4) => Math.ceil(n / multiple) * multiple;

/** The kernels for this page: { make: bytes => kernels, name }. compiled: kernels.ts as WebAssembly, in base64. */
export function chosenKernels(compiled = KERNELS) {
  try {
    const module = new WebAssembly.Module(Uint8Array.from(atob(compiled), (character) => character.charCodeAt(0)));
    const make = (bytes) => {
      const { exports } = new WebAssembly.Instance(module);
      exports.memory.grow(Math.max(0, Math.ceil((bytes - exports.memory.buffer.byteLength) / 65536)));
      return exports;
    };
    make(0);
    return { make, name: "WebAssembly" };
  } catch {
    return { make: plainKernels, name: "plain JavaScript" }; // not compiled, not allowed, or without SIMD
  }
}

/** What a reader is told where a page has the slow kernels only. */
export const slowly = ({ name }) => (name === "WebAssembly" ? "" : ", in plain JavaScript, about ten times slower");

/**
 * A network of some layers and a linear output layer, (2) or (10), with all weights zero: see `initialise`.
 *
 * model: "rnn", "lstm", "temporal-gate"; S: the most steps; everyStep: it answers at every step, not only at the last.
 * leak: of the gates while training. dense: units behind a shut gate are computed as well. A batch is { steps, inputs,
 * targets }; inputs: digits or other symbols (steps, B) as Uint8Array, each standing for a one-hot vector, or numbers
 * (steps, D, B) as Float32Array; targets: classes, (B,) or (steps, B).
 */
export function network(make, { model, H, B, S, D, K, layers: L = 1, everyStep = false, leak = 0, dense = false }) {
  const [isRNN, isGated] = [model === "rnn", model === "temporal-gate"];
  const [P, U] = [up(B), isRNN ? up(H) : H]; // columns, and rows of h
  const N = isRNN ? U / 4 : H; // blocks of four rows: of an RNN four units, of an LSTM the gates of one unit
  const KEPT = isRNN ? 4 : 3; // rows of a block that are kept for the way back
  const heads = { R: up(U + 1), blocks: up(K) / 4, answers: everyStep ? S : 1 };

  let bytes = 4096; // the kernels' constants come first
  const reserved = [];
  const reserve = (size, Type = Float32Array) => {
    const array = { at: bytes, size, Type };
    bytes += up(4 * size, 64);
    reserved.push(array);
    return array;
  };
  let count = 0; // of weights
  const take = (size) => (count += size) - size;
  const layers = Array.from({ length: L }, (_, l) => {
    const inputs = l ? U : D;
    const R = up(U + inputs + 1);
    return { inputs, R, W: take(4 * N * R), gate: isGated ? take(3 * H) : 0, starts: new Int32Array(S + 1) };
  });
  heads.W = take(4 * heads.blocks * heads.R);
  count = up(count);
  const [w, g, m, v] = [0, 0, 0, 0].map(() => reserve(count));
  for (const layer of layers) {
    const state = { reads: layer.R * P, c: U * P, d: layer.R * P, dc: U * P };
    const steps = { a: 4 * S * N * P, kept: KEPT * S * N * P, k: S * N, dk: S * N };
    for (const [name, size] of Object.entries({ ...state, ...steps })) layer[name] = reserve(size);
    layer.unit = reserve(S * N, Uint32Array);
  }
  const turned = reserve(Math.max(heads.R, ...layers.map(({ R }) => R)) * P);
  heads.reads = reserve(heads.R * P);
  heads.unit = reserve(heads.blocks, Uint32Array);
  heads.logits = reserve(heads.answers * 4 * heads.blocks * P);
  const [highest, total] = [reserve(P), reserve(P)];
  const kernels = make(bytes);
  for (const array of reserved) array.values = new array.Type(kernels.memory.buffer, array.at, array.size);
  heads.unit.values.forEach((_, block, all) => (all[block] = block));
  const top = layers.at(-1);
  const norms = new Float32Array(S); // of the loss's gradient by h(t) of the last layer
  let updates = 0;

  const at = (array, place = 0) => array.at + 4 * place;

  /** Lists the open units of every step, and how far they are open. */
  function open(layer, steps, leak) {
    layer.gates = isGated && openness(w.values.subarray(layer.gate, layer.gate + 3 * H), steps, leak);
    let n = 0;
    for (let t = 0; t < steps; t++) {
      layer.starts[t] = n;
      for (let unit = 0; unit < N; unit++) {
        const k = isGated ? layer.gates.k[t * H + unit] : 1;
        if (k === 0 && !dense) continue;
        layer.unit.values[n] = unit;
        layer.k.values[n++] = k;
      }
    }
    layer.starts[steps] = n;
  }

  /** Puts x(t) into what a layer reads: the batch's for the first layer, h(t) of the layer below for the others. */
  function read(l, { inputs }, t) {
    const { reads, inputs: rows } = layers[l];
    const x = reads.values.subarray(U * P, (U + rows) * P);
    if (l) x.set(layers[l - 1].reads.values.subarray(0, U * P));
    else if (inputs instanceof Float32Array)
      for (let d = 0; d < D; d++) x.set(inputs.subarray((t * D + d) * B, (t * D + d + 1) * B), d * P);
    else {
      x.fill(0);
      for (let b = 0; b < B; b++) x[inputs[t * B + b] * P + b] = 1;
    }
  }

  /** The logits of every answer, from states of zeros. */
  function forward(batch, leak) {
    for (const layer of layers) {
      open(layer, batch.steps, leak);
      layer.reads.values.fill(0);
      layer.reads.values.fill(1, (U + layer.inputs) * P, (U + layer.inputs) * P + B);
      layer.c.values.fill(0);
    }
    for (let t = 0; t < batch.steps; t++) {
      layers.forEach((layer, l) => {
        const [first, n] = [layer.starts[t], layer.starts[t + 1] - layer.starts[t]];
        if (!n) return;
        read(l, batch, t);
        const [unit, a, kept] = [at(layer.unit, first), at(layer.a, 4 * first * P), at(layer.kept, KEPT * first * P)];
        kernels.product(n, P, layer.R, unit, at(w, layer.W), at(layer.reads), a);
        if (isRNN) kernels.rnn(n, P, a, at(layer.reads), kept); // (1)
        else kernels.lstm(n, P, unit, at(layer.k, first), a, at(layer.reads), at(layer.c), kept); // (4)-(9), (13)-(16)
      });
      if (everyStep || t === batch.steps - 1) {
        readTop();
        kernels.product(heads.blocks, P, heads.R, at(heads.unit), at(w, heads.W), at(heads.reads), logits(t)); // (2), (10)
      }
    }
  }

  function readTop() {
    heads.reads.values.set(top.reads.values.subarray(0, U * P));
    heads.reads.values.fill(1, U * P, U * P + B);
  }

  const logits = (t) => at(heads.logits, everyStep ? 4 * heads.blocks * P * t : 0);

  /** Mean cross-entropy (3), (17) and share of right answers; the logits become the loss's gradient by them. */
  function measure({ steps, targets }) {
    const answers = everyStep ? steps : 1;
    const scale = 1 / (answers * B);
    let [loss, right] = [0, 0];
    const [asked, firsts] = [new Float64Array(B), new Uint8Array(B)]; // the targets' logits; whether none before is equal
    for (let answer = 0; answer < answers; answer++) {
      const place = 4 * heads.blocks * P * answer;
      for (let b = 0; b < B; b++) {
        const target = targets[answer * B + b];
        asked[b] = heads.logits.values[place + target * P + b];
        firsts[b] = 1; // of equal logits only the first counts, as in argmax
        for (let k = 0; k < target; k++) if (heads.logits.values[place + k * P + b] === asked[b]) firsts[b] = 0;
      }
      kernels.softmax(K, P, at(heads.logits, place), at(highest), at(total), scale);
      for (let b = 0; b < B; b++) {
        heads.logits.values[place + targets[answer * B + b] * P + b] -= scale;
        loss += highest.values[b] - asked[b] + ln(total.values[b]);
        right += asked[b] === highest.values[b] && firsts[b];
      }
      for (let k = 0; k < K; k++) heads.logits.values.fill(0, place + k * P + B, place + (k + 1) * P);
    }
    return { loss: loss * scale, accuracy: right * scale };
  }

  /** The gradient of the loss by all weights, into g, after forward() and measure(). */
  function backward(batch) {
    g.values.fill(0);
    for (const { d, dc } of layers) d.values.fill(0), dc.values.fill(0); // from the steps after t
    for (let t = batch.steps - 1; t >= 0; t--) {
      if (everyStep || t === batch.steps - 1) {
        readTop();
        kernels.transpose(heads.R, P, at(heads.reads), at(turned));
        kernels.outer(heads.blocks, P, heads.R, at(heads.unit), logits(t), at(turned), at(g, heads.W));
        kernels.back(heads.blocks, P, heads.R, up(U), at(heads.unit), at(w, heads.W), logits(t), at(top.d));
      }
      norms[t] = Math.sqrt(kernels.squares(U * P, at(top.d)));
      for (let l = L - 1; l >= 0; l--) {
        const layer = layers[l];
        const [first, n] = [layer.starts[t], layer.starts[t + 1] - layer.starts[t]];
        if (!n) continue;
        const [unit, a, kept] = [at(layer.unit, first), at(layer.a, 4 * first * P), at(layer.kept, KEPT * first * P)];
        const [h, c, dh, dc] = [at(layer.reads), at(layer.c), at(layer.d), at(layer.dc)];
        if (isRNN) kernels.rnnBack(n, P, a, h, kept, dh);
        else kernels.lstmBack(n, P, unit, at(layer.k, first), a, h, c, kept, dh, dc, at(layer.dk, first));
        read(l, batch, t);
        kernels.transpose(layer.R, P, at(layer.reads), at(turned));
        kernels.outer(n, P, layer.R, unit, a, at(turned), at(g, layer.W));
        layer.d.values.fill(0, U * P); // by x(t)
        if (l || t) kernels.back(n, P, layer.R, up(l ? 2 * U : U), unit, at(w, layer.W), a, dh);
        if (l) for (let p = 0, below = layers[l - 1].d.values; p < U * P; p++) below[p] += layer.d.values[U * P + p];
      }
    }
    if (isGated) layers.forEach((layer) => backThroughGate(layer, batch.steps));
  }

  /** The gradient by log tau, s and the logit of r_on, from that by k. */
  function backThroughGate({ gate, gates, starts, unit, dk }, steps) {
    const sums = new Float64Array(3 * H);
    for (let t = 0; t < steps; t++)
      for (let j = starts[t]; j < starts[t + 1]; j++) {
        const place = unit.values[j];
        for (let part = 0; part < 3; part++)
          sums[part * H + place] += dk.values[j] * gates.slopes[3 * (t * H + place) + part];
      }
    g.values.set(sums, gate);
  }

  /** Where the numbers of each weight stand, by the names of torch.nn: [name, shape, (row, column) => place]. */
  const gatesOfUnit = isRNN ? 1 : 4;
  const rowOf = (row) => (isRNN ? row : 4 * (row % H) + Math.floor(row / H)); // gates i, f, g, o one after the other
  const named = [
    ...layers.flatMap(({ W, R, inputs, gate }, l) => {
      const from = (first) => (row, column) => W + rowOf(row) * R + first + column;
      const part = (which) => (row) => gate + which * H + row;
      return [
        [`weight_ih_l${l}`, [gatesOfUnit * H, l ? H : D], from(U)],
        [`weight_hh_l${l}`, [gatesOfUnit * H, H], from(0)],
        [`bias_l${l}`, [gatesOfUnit * H], (row) => W + rowOf(row) * R + U + inputs],
        ...(isGated ? GATE.map((name, which) => [`${name}_l${l}`, [H], part(which)]) : []),
      ];
    }),
    ["head_weight", [K, H], (row, column) => heads.W + row * heads.R + column],
    ["head_bias", [K], (row) => heads.W + row * heads.R + U],
  ];
  /** Calls back with (name, place in w, place in the weight, row by row) for every number. */
  function each(call) {
    for (const [name, [rows, columns = 1], place] of named)
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) call(name, place(row, column), row * columns + column);
  }
  function taken(array) {
    const sizes = named.map(([name, [rows, columns = 1]]) => [name, new Float32Array(rows * columns)]);
    const parts = Object.fromEntries(sizes);
    each((name, from, to) => (parts[name][to] = array.values[from]));
    return parts;
  }

  /** Loss, accuracy and all gradients of a batch. */
  function gradients(batch) {
    forward(batch, leak);
    const result = measure(batch);
    backward(batch);
    return result;
  }

  return {
    shapes: Object.fromEntries(named.map(([name, shape]) => [name, shape])),
    weights: () => taken(w),
    load: (weights) => each((name, to, from) => (w.values[to] = weights[name][from])),
    /** { loss, accuracy, gradients, norms }: norms of the loss's gradient by h(t) at every step. */
    gradients: (batch) => ({ ...gradients(batch), gradients: taken(g), norms: norms.slice(0, batch.steps) }),
    /** A step of training: { loss, accuracy, norm, norms } of before it. freezeGate: tau, s and r_on stay as they are. */
    step(batch, { optimizer, rate, clip, freezeGate = false }) {
      const result = gradients(batch);
      if (freezeGate && isGated) for (const { gate } of layers) g.values.fill(0, gate, gate + 3 * H);
      const norm = Math.sqrt(kernels.squares(count, at(g)));
      const shrink = Math.min(1, clip / (norm + 1e-6)); // as torch.nn.utils.clip_grad_norm_
      updates += 1;
      const corrections = [1 - 0.9 ** updates, 1 - 0.999 ** updates];
      if (optimizer === "adam") kernels.adam(count, at(w), at(g), at(m), at(v), shrink, rate, ...corrections);
      else kernels.rmsprop(count, at(w), at(g), at(v), shrink, rate);
      return { ...result, norm, norms: norms.subarray(0, batch.steps) };
    },
    /** { loss, accuracy } of a batch, without the gates' leak. */
    test(batch) {
      forward(batch, 0);
      return measure(batch);
    },
  };
}

const GATE = ["log_tau", "s", "logit_r_on"];

/** k of equation (12) at the times 1…steps, (steps, H), and its slopes by log tau, s and logit r_on, (steps, H, 3). */
export function openness(gate, steps, leak = 0) {
  const H = gate.length / 3;
  const [k, slopes] = [new Float32Array(steps * H), new Float64Array(3 * steps * H)];
  for (let unit = 0; unit < H; unit++) {
    const [tau, s, r_on] = [exp(gate[unit]), gate[H + unit], 1 / (1 + exp(-gate[2 * H + unit]))];
    for (let t = 1; t <= steps; t++) {
      const periods = (t - s) / tau;
      const phi = periods - Math.floor(periods); // floored, so that it lies in [0, 1) for t < s too
      const place = (t - 1) * H + unit;
      const slope = phi < r_on / 2 ? 2 / r_on : phi < r_on ? -2 / r_on : leak; // rising, falling, shut
      k[place] = slope < 0 ? 2 + slope * phi : slope * phi; // (12)
      slopes[3 * place] = -slope * periods;
      slopes[3 * place + 1] = -slope / tau;
      slopes[3 * place + 2] = phi < r_on ? -slope * phi * (1 - r_on) : 0;
    }
  }
  return { k, slopes };
}

/**
 * Draws a network's weights, as rnnreport.models.PalindromeClassifier does, though by other random numbers.
 *
 * initialisation: "normal" draws every weight and bias from N(0, 0.1), 0.1 being the standard deviation; "uniform" as
 * torch.nn does; "orthogonal" and "identity" make each gate's W_hh such a matrix. memory: added to the forget gate's
 * bias, or "chrono", which draws the gates' biases for memories of up to `longest` steps (Tallec and Ollivier 2018).
 * gate: { from, to, s, r_on }: periods log-uniform in from…to, shifts uniform in 0…tau unless s is a number.
 */
export function initialise(net, { initialisation = "uniform", memory = 0, longest = 3, gate }, draw) {
  const weights = net.weights();
  const H = net.shapes.weight_hh_l0[1];
  const bound = 1 / Math.sqrt(H);
  const fill = (array, value) => array.forEach((_, place) => (array[place] = value(place)));
  for (const [name, array] of Object.entries(weights)) {
    if (GATE.some((part) => name.startsWith(part))) continue;
    if (initialisation === "normal") fill(array, () => 0.1 * draw.normal());
    else if (name !== "head_bias") fill(array, () => draw.uniform(-bound, bound));
    if (!name.startsWith("weight_hh") || !["orthogonal", "identity"].includes(initialisation)) continue;
    for (let row = 0; row < array.length; row += H * H)
      array.set(initialisation === "identity" ? identity(H) : orthogonal(H, draw), row);
  }
  for (const [name, array] of Object.entries(weights)) {
    if (!name.startsWith("bias") || array.length === H) continue; // an RNN has no gates
    const [input, forget] = [array.subarray(0, H), array.subarray(H, 2 * H)];
    if (memory !== "chrono") fill(forget, (unit) => forget[unit] + memory);
    else fill(forget, () => ln(draw.uniform(1, Math.max(longest, 3) - 1))), fill(input, (unit) => -forget[unit]);
  }
  if (weights.log_tau_l0) {
    const { log_tau_l0: log_tau, s_l0: s, logit_r_on_l0: logit_r_on } = weights;
    fill(log_tau, () => draw.uniform(ln(gate.from), ln(gate.to)));
    fill(s, (unit) => (typeof gate.s === "number" ? gate.s : draw.uniform(0, exp(log_tau[unit]))));
    fill(logit_r_on, () => Math.min(ln(gate.r_on / (1 - gate.r_on)), 16)); // r_on = 1 has no logit
  }
  net.load(weights);
}

const identity = (H) => Float32Array.from({ length: H * H }, (_, place) => (place % (H + 1) ? 0 : 1));

/** A random orthogonal matrix: rows drawn one by one, each made orthogonal to those before it, twice against rounding. */
function orthogonal(H, draw) {
  const rows = [];
  while (rows.length < H) {
    const row = Float64Array.from({ length: H }, () => draw.normal());
    for (const other of [...rows, ...rows]) {
      const along = row.reduce((sum, value, j) => sum + value * other[j], 0);
      for (let j = 0; j < H; j++) row[j] -= along * other[j];
    }
    const size = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    rows.push(row.map((value) => value / size));
  }
  return Float32Array.from(rows.flatMap((row) => [...row]));
}
