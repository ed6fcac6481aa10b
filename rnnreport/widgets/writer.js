// A character LSTM that reads one character after the other, by the kernels of kernels.ts, and how the next character is
// drawn from its logits.

import { up } from "./network.js";

/**
 * An LSTM of L layers of H units over V characters: { load, reset, read, logits }. load(weights) takes them by the names
 * that network.js gives them; reset() makes the state zero; read(symbol) updates the state and the logits, (V,), of the
 * character after it. make: see chosenKernels. Nothing is allocated while it reads.
 */
export function writer(make, { V, H, L }) {
  const [P, K] = [up(H, 8), up(V, 32)]; // units and characters, with zeros up to whole panels: 4 P gates, K logits
  let bytes = 4096; // the kernels' constants come first
  const reserve = (size) => {
    const at = bytes;
    bytes += up(4 * size, 64);
    return at;
  };
  const [table, h, c, a, kept, logits] = [4 * P * V, L * P, L * P, 4 * P, 3 * P, K].map(reserve);
  const [unit, k] = [4, 4].map(reserve);
  const layers = Array.from({ length: L }, (_, l) => {
    const reads = l ? 2 * P : P; // the h below, if any, and its own: the layers' h are side by side
    return { reads, x: h + 4 * P * Math.max(l - 1, 0), W: reserve(4 * P * reads), bias: reserve(4 * P) };
  });
  const head = { W: reserve(K * P), bias: reserve(K) };
  const kernels = make(bytes);
  const F = new Float32Array(kernels.memory.buffer);
  F[k / 4] = 1; // no gate
  const copy = (from, to, size) => F.copyWithin(to / 4, from / 4, from / 4 + size);
  /** Puts rows of a matrix, (rows, columns), into panels of 32 rows of so many `reads`, from `column` on. */
  const put = (W, reads, rows, columns, weights, rowOf = (row) => row, column = 0) => {
    for (let row = 0, from = 0; row < rows; row++) {
      const to = rowOf(row);
      const at = W / 4 + 32 * (reads * (to >> 5) + column) + (to & 31);
      for (let j = 0; j < columns; j++) F[at + 32 * j] = weights[from++];
    }
  };
  const gate = (row) => P * Math.floor(row / H) + (row % H); // the gates i, f, g, o, one after the other

  return {
    logits: F.subarray(logits / 4, logits / 4 + V),
    load(weights) {
      layers.forEach(({ reads, W, bias }, l) => {
        const [weight_ih, weight_hh, b] = ["weight_ih", "weight_hh", "bias"].map((name) => weights[`${name}_l${l}`]);
        if (l) put(W, reads, 4 * H, H, weight_ih, gate);
        put(W, reads, 4 * H, H, weight_hh, gate, reads - P);
        for (let row = 0; row < 4 * H; row++) {
          if (l) F[bias / 4 + gate(row)] = b[row];
          else for (let v = 0; v < V; v++) F[table / 4 + 4 * P * v + gate(row)] = weight_ih[row * V + v] + b[row];
        }
      });
      put(head.W, P, V, H, weights.head_weight);
      F.set(weights.head_bias, head.bias / 4);
    },
    reset: () => F.fill(0, h / 4, h / 4 + L * P).fill(0, c / 4, c / 4 + L * P),
    read(symbol) {
      for (let l = 0; l < L; l++) {
        const { reads, x, W, bias } = layers[l];
        copy(l ? bias : table + 16 * P * symbol, a, 4 * P);
        kernels.panels(4 * P, reads, x, W, a);
        kernels.lstm(1, P, unit, k, a, h + 4 * P * l, c + 4 * P * l, kept); // P units of one sequence, as one of P
      }
      copy(head.bias, logits, K);
      kernels.panels(K, P, h + 4 * P * (L - 1), head.W, logits); // (10)
    },
  };
}

/**
 * The probability of each character: the softmax of logits / temperature over the top_k largest (0: over all). At
 * temperature 0 the first of the largest has probability 1. Among equal logits the first count as larger.
 */
export function distribution(logits, temperature, top_k, shares = new Float64Array(logits.length)) {
  const kept = temperature === 0 ? 1 : top_k || logits.length;
  const largest = logits.reduce((most, logit) => Math.max(most, logit));
  let least = -Infinity;
  let equal = 0; // how many of the logits equal to the least one are kept
  if (kept < logits.length) {
    const sorted = new Float64Array(logits).sort();
    least = sorted.at(-kept);
    equal = kept - (sorted.length - 1 - sorted.lastIndexOf(least));
  }
  let sum = 0;
  for (let symbol = 0; symbol < logits.length; symbol++) {
    const logit = logits[symbol];
    const isKept = logit > least || (logit === least && equal-- > 0);
    shares[symbol] = isKept ? Math.exp((logit - largest) / (temperature || 1)) : 0;
    sum += shares[symbol];
  }
  for (let symbol = 0; symbol < shares.length; symbol++) shares[symbol] /= sum;
  return shares;
}

/** The first symbol whose cumulated share reaches u, in (0, 1]. */
export function choose(shares, u) {
  let [symbol, cumulated] = [0, 0];
  for (let next = 0; next < shares.length && cumulated < u; next++) {
    if (shares[next] > 0) symbol = next; // the last one if rounding keeps the sum below u
    cumulated += shares[next];
  }
  return symbol;
}

/** The bits that a symbol costs: minus the logarithm, to base 2, of its share in the softmax. */
export function surprise(logits, symbol) {
  let [largest, sum] = [-Infinity, 0];
  for (let other = 0; other < logits.length; other++) largest = Math.max(largest, logits[other]);
  for (let other = 0; other < logits.length; other++) sum += Math.exp(logits[other] - largest);
  return Math.log2(sum) - (logits[symbol] - largest) * Math.LOG2E;
}
