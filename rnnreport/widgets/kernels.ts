// The arithmetic of networks that are trained in the page, in AssemblyScript with 128-bit SIMD: products, and what is
// done number by number. plain.js does the same without WebAssembly; network.js says what the networks are.
//
// The rows of every weight matrix stand in blocks of four: the four gates of one LSTM unit, four units of an RNN, four
// classes of the output layer. A product takes a list of blocks, so that a unit behind a shut gate costs nothing.
//
// Shapes: n listed blocks, R numbers that a row reads, B sequences; R and B are multiples of four. Every argument but
// counts, rates and factors is an address in bytes. No kernel allocates.

@inline function at(p: usize): v128 { return v128.load(p); }
@inline function splat(p: usize): v128 { return v128.load32_splat(p); }
@inline function mul(x: v128, y: v128): v128 { return f32x4.mul(x, y); }
@inline function add(x: v128, y: v128): v128 { return f32x4.add(x, y); }
@inline function sub(x: v128, y: v128): v128 { return f32x4.sub(x, y); }
@inline function fma(x: v128, y: v128, z: v128): v128 { return add(mul(x, y), z); } // rounded twice, everywhere alike
@inline function sum(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}
@inline function bytes(numbers: i32): usize { return <usize>numbers << 2; }

// Constants lie in memory: loading one is a single instruction, and engines rebuild literals at every use.
const ONE = memory.data<f32>([1]), TINY = memory.data<f32>([1e-30]), EPSILON = memory.data<f32>([1e-8]);
const LOW = memory.data<f32>([-60]), HIGH = memory.data<f32>([60]), WHOLE = memory.data<f32>([12582912]); // 1.5 2^23
const LOG2E = memory.data<f32>([1.44269504]);
/** Of 2^r = 1 + r (q1 + r (q2 + …)) for |r| <= 1/2, q5 first: the least largest relative error, 1.1e-7. */
const POWER = memory.data<f32>([0.00132647272, 0.00967151264, 0.0555073374, 0.240222421, 0.693146978]);

/** 0 instead of numbers below 1e-30: denormals are slow, and WebAssembly cannot switch them off. NaN stays NaN. */
@inline function flush(x: v128): v128 { return v128.andnot(x, f32x4.lt(f32x4.abs(x), splat(TINY))); }

/** c += a b for four rows: a (4, K), of which aRow and aColumn lead on; b (K, N), c (4, N). Strides are in bytes. */
@inline function tile(
  K: i32, N: i32, a: usize, aRow: usize, aColumn: usize, b: usize, bRow: usize, c: usize, cRow: usize
): void {
  const end = a + <usize>K * aColumn;
  for (; N >= 8; N -= 8, b += 32, c += 32) {
    const c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
    let s0 = at(c), s1 = at(c1), s2 = at(c2), s3 = at(c3);
    let t0 = at(c + 16), t1 = at(c1 + 16), t2 = at(c2 + 16), t3 = at(c3 + 16);
    for (let p = a, q = b; p != end; p += aColumn, q += bRow) {
      const x = at(q), y = at(q + 16), a0 = splat(p), a1 = splat(p + aRow);
      s0 = fma(a0, x, s0); t0 = fma(a0, y, t0);
      s1 = fma(a1, x, s1); t1 = fma(a1, y, t1);
      const a2 = splat(p + 2 * aRow), a3 = splat(p + 3 * aRow);
      s2 = fma(a2, x, s2); t2 = fma(a2, y, t2);
      s3 = fma(a3, x, s3); t3 = fma(a3, y, t3);
    }
    v128.store(c, s0); v128.store(c1, s1); v128.store(c2, s2); v128.store(c3, s3);
    v128.store(c + 16, t0); v128.store(c1 + 16, t1); v128.store(c2 + 16, t2); v128.store(c3 + 16, t3);
  }
  if (N > 0) {
    const c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
    let s0 = at(c), s1 = at(c1), s2 = at(c2), s3 = at(c3);
    for (let p = a, q = b; p != end; p += aColumn, q += bRow) {
      const x = at(q);
      s0 = fma(splat(p), x, s0);
      s1 = fma(splat(p + aRow), x, s1);
      s2 = fma(splat(p + 2 * aRow), x, s2);
      s3 = fma(splat(p + 3 * aRow), x, s3);
    }
    v128.store(c, s0); v128.store(c1, s1); v128.store(c2, s2); v128.store(c3, s3);
  }
}

/** a (n, 4, B) = W x of the listed blocks; W: (blocks, 4, R), x: (R, B). */
export function product(n: i32, B: i32, R: i32, block: usize, W: usize, x: usize, a: usize): void {
  const row = bytes(B), read = bytes(R);
  memory.fill(a, 0, 4 * <usize>n * row);
  for (const end = block + bytes(n); block < end; block += 4, a += 4 * row)
    tile(R, B, W + 4 * read * load<u32>(block), read, 4, x, row, a, row);
}

/** dW (blocks, 4, R) += da x^T in the listed blocks; da: (n, 4, B), xT: (B, R), the transpose of x. */
export function outer(n: i32, B: i32, R: i32, block: usize, da: usize, xT: usize, dW: usize): void {
  const row = bytes(B), read = bytes(R);
  for (const end = block + bytes(n); block < end; block += 4, da += 4 * row)
    tile(B, R, da, row, 4, xT, read, dW + 4 * read * load<u32>(block), read);
}

/** The first `rows` of dx (R, B) += W^T da, over the listed blocks; rows: a multiple of four. */
export function back(n: i32, B: i32, R: i32, rows: i32, block: usize, W: usize, da: usize, dx: usize): void {
  const row = bytes(B), read = bytes(R);
  for (let r = 0; r < rows; r += 4, W += 16, dx += 4 * row)
    for (let j = block, d = da; j < block + bytes(n); j += 4, d += 4 * row)
      tile(4, B, W + 4 * read * load<u32>(j), 4, read, d, row, dx, row);
}

/** xT (B, R): the transpose of x (R, B). */
export function transpose(R: i32, B: i32, x: usize, xT: usize): void {
  const row = bytes(B), read = bytes(R);
  for (let r = 0; r < R; r += 4, x += 4 * row, xT += 16)
    for (let b = 0, p = x, q = xT; b < B; b += 4, p += 16, q += 4 * read) {
      const x0 = at(p), x1 = at(p + row), x2 = at(p + 2 * row), x3 = at(p + 3 * row);
      const low01 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5), low23 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7), high23 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7);
      v128.store(q, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
      v128.store(q + read, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
      v128.store(q + 2 * read, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
      v128.store(q + 3 * read, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
    }
}

/** 2^x for |x| <= 60, and its ends beyond, to a relative 3e-7: x + 1.5 2^23 has the nearest integer in its last bits. */
@inline function exp2(x: v128): v128 {
  x = f32x4.pmin(f32x4.pmax(x, splat(LOW)), splat(HIGH)); // in this order of arguments NaN stays NaN
  const shifted = add(x, splat(WHOLE)), r = sub(x, sub(shifted, splat(WHOLE)));
  let p = splat(POWER);
  p = fma(p, r, splat(POWER + 4));
  p = fma(p, r, splat(POWER + 8));
  p = fma(p, r, splat(POWER + 12));
  p = fma(p, r, splat(POWER + 16));
  p = fma(p, r, splat(ONE));
  return i32x4.add(p, i32x4.shl(shifted, 23));
}
@inline function exp(x: v128): v128 { return exp2(mul(x, splat(LOG2E))); }
@inline function sigmoid(x: v128): v128 { return f32x4.div(splat(ONE), add(splat(ONE), exp(f32x4.neg(x)))); }
@inline function tanh(x: v128): v128 {
  const e = exp(mul(x, f32x4.splat(-2)));
  return f32x4.div(sub(splat(ONE), e), add(splat(ONE), e));
}
/** dy by a, from dy by y = sigmoid(a), or by y = tanh(a). */
@inline function sigmoidBack(dy: v128, y: v128): v128 { return mul(dy, mul(y, sub(splat(ONE), y))); }
@inline function tanhBack(dy: v128, y: v128): v128 { return mul(dy, sub(splat(ONE), mul(y, y))); }

/** A step of the RNN over n blocks: h (n, 4, B) becomes tanh(a), equation (1), and what it was is kept. */
export function rnn(n: i32, B: i32, a: usize, h: usize, kept: usize): void {
  for (const end = a + 4 * <usize>n * bytes(B); a < end; a += 16, h += 16, kept += 16) {
    v128.store(kept, at(h));
    v128.store(h, tanh(at(a)));
  }
}

/** Its way back: a becomes da, h is again what it was, and dh is used up. */
export function rnnBack(n: i32, B: i32, a: usize, h: usize, kept: usize, dh: usize): void {
  for (const end = a + 4 * <usize>n * bytes(B); a < end; a += 16, h += 16, kept += 16, dh += 16) {
    v128.store(a, flush(tanhBack(at(dh), at(h))));
    v128.store(h, at(kept));
    v128.store(dh, f32x4.splat(0));
  }
}

/**
 * A step of the LSTM, equations (4)-(9), for the n listed units; behind a temporal gate (13)-(16).
 *
 * unit, k: (n,), which units are open, and how far. a: (n, 4, B), what the gates i, f, g, o of each unit have read,
 * which become the gates. h, c: (H, B), in place. kept: (n, 3, B), for the way back: h and c as they were, candidate c.
 */
export function lstm(n: i32, B: i32, unit: usize, k: usize, a: usize, h: usize, c: usize, kept: usize): void {
  const row = bytes(B);
  for (const end = unit + bytes(n); unit < end; unit += 4, k += 4, a += 3 * row, kept += 2 * row) {
    const start = row * load<u32>(unit), k_t = splat(k);
    for (let p = start; p < start + row; p += 16, a += 16, kept += 16) {
      const i = sigmoid(at(a)), f = sigmoid(at(a + row)), g = tanh(at(a + 2 * row)), o = sigmoid(at(a + 3 * row)); // (4)-(7)
      const hOld = at(h + p), cOld = at(c + p);
      const cNew = add(mul(g, i), mul(cOld, f)), hNew = mul(tanh(cNew), o); // (8), (9); (13), (15)
      v128.store(c + p, add(cOld, mul(k_t, sub(cNew, cOld)))); // (14)
      v128.store(h + p, add(hOld, mul(k_t, sub(hNew, hOld)))); // (16)
      v128.store(a, i); v128.store(a + row, f); v128.store(a + 2 * row, g); v128.store(a + 3 * row, o);
      v128.store(kept, hOld); v128.store(kept + row, cOld); v128.store(kept + 2 * row, cNew);
    }
  }
}

/** Its way back: a becomes da, h and c are again what they were; dh and dc keep what did not go through a. dk: (n,). */
export function lstmBack(
  n: i32, B: i32, unit: usize, k: usize, a: usize, h: usize, c: usize, kept: usize, dh: usize, dc: usize, dk: usize
): void {
  const row = bytes(B);
  for (const end = unit + bytes(n); unit < end; unit += 4, k += 4, dk += 4, a += 3 * row, kept += 2 * row) {
    const start = row * load<u32>(unit), k_t = splat(k), past = sub(splat(ONE), k_t);
    let byK = f32x4.splat(0);
    for (let p = start; p < start + row; p += 16, a += 16, kept += 16) {
      const i = at(a), f = at(a + row), g = at(a + 2 * row), o = at(a + 3 * row);
      const hOld = at(kept), cOld = at(kept + row), cNew = at(kept + 2 * row), z = tanh(cNew);
      const d_h = at(dh + p), d_c = at(dc + p);
      byK = add(byK, add(mul(d_h, sub(mul(o, z), hOld)), mul(d_c, sub(cNew, cOld)))); // (14), (16)
      const dhNew = mul(d_h, k_t), dcNew = add(mul(d_c, k_t), tanhBack(mul(dhNew, o), z)); // (15)
      v128.store(a, flush(sigmoidBack(mul(dcNew, g), i))); // (13), then (5)
      v128.store(a + row, flush(sigmoidBack(mul(dcNew, cOld), f))); // (6)
      v128.store(a + 2 * row, flush(tanhBack(mul(dcNew, i), g))); // (4)
      v128.store(a + 3 * row, flush(sigmoidBack(mul(dhNew, z), o))); // (7)
      v128.store(dh + p, flush(mul(d_h, past)));
      v128.store(dc + p, flush(add(mul(d_c, past), mul(dcNew, f))));
      v128.store(h + p, hOld); v128.store(c + p, cOld);
    }
    store<f32>(dk, sum(byK));
  }
}

/** The logits (K, B) become scale p. highest, total: (B,), the largest logit of each column, and the sum of the exps. */
export function softmax(K: i32, B: i32, logits: usize, highest: usize, total: usize, scale: f32): void {
  const row = bytes(B), last = logits + row;
  for (; logits < last; logits += 16, highest += 16, total += 16) {
    const end = logits + <usize>K * row;
    let most = at(logits), whole = f32x4.splat(0);
    for (let p = logits; p < end; p += row) most = f32x4.max(most, at(p));
    for (let p = logits; p < end; p += row) {
      const e = exp(sub(at(p), most));
      whole = add(whole, e);
      v128.store(p, e);
    }
    const share = f32x4.div(f32x4.splat(scale), whole);
    for (let p = logits; p < end; p += row) v128.store(p, flush(mul(at(p), share)));
    v128.store(highest, most);
    v128.store(total, whole);
  }
}

/** The sum of the squares of n numbers. */
export function squares(n: i32, x: usize): f32 {
  let total = f32x4.splat(0);
  for (const end = x + bytes(n); x < end; x += 16) total = fma(at(x), at(x), total);
  return sum(total);
}

/** torch.optim.Adam on n weights w, with `shrink` times the gradient g; first and second: 1 - beta^step, of .9, .999. */
export function adam(
  n: i32, w: usize, g: usize, m: usize, v: usize, shrink: f32, rate: f32, first: f32, second: f32
): void {
  const scale = f32x4.splat(shrink), step = f32x4.splat(rate / first), unbias = f32x4.splat(1 / second);
  const oldM = f32x4.splat(0.9), newM = f32x4.splat(0.1), oldV = f32x4.splat(0.999), newV = f32x4.splat(0.001);
  for (const end = w + bytes(n); w < end; w += 16, g += 16, m += 16, v += 16) {
    const d = mul(at(g), scale), mean = flush(add(mul(at(m), oldM), mul(d, newM)));
    const square = flush(add(mul(at(v), oldV), mul(mul(d, d), newV)));
    v128.store(m, mean); v128.store(v, square);
    const size = add(f32x4.sqrt(mul(square, unbias)), splat(EPSILON));
    v128.store(w, sub(at(w), f32x4.div(mul(step, mean), size)));
  }
}

/** torch.optim.RMSprop on n weights w, with `shrink` times the gradient g. */
export function rmsprop(n: i32, w: usize, g: usize, v: usize, shrink: f32, rate: f32): void {
  const scale = f32x4.splat(shrink), step = f32x4.splat(rate), oldV = f32x4.splat(0.99), newV = f32x4.splat(0.01);
  for (const end = w + bytes(n); w < end; w += 16, g += 16, v += 16) {
    const d = mul(at(g), scale), square = flush(add(mul(at(v), oldV), mul(mul(d, d), newV)));
    v128.store(v, square);
    v128.store(w, sub(at(w), f32x4.div(mul(step, d), add(f32x4.sqrt(square), splat(EPSILON)))));
  }
}

/** y (N,) += x (K,) W for a single sequence; W in panels of 32 columns, (N / 32, K, 32), read from end to end. */
export function panels(N: i32, K: i32, x: usize, W: usize, y: usize): void {
  for (const end = x + bytes(K); N > 0; N -= 32, y += 128) {
    let y0 = at(y), y1 = at(y + 16), y2 = at(y + 32), y3 = at(y + 48);
    let y4 = at(y + 64), y5 = at(y + 80), y6 = at(y + 96), y7 = at(y + 112);
    for (let p = x; p < end; p += 4, W += 128) {
      const a = splat(p);
      y0 = fma(a, at(W), y0); y1 = fma(a, at(W + 16), y1); y2 = fma(a, at(W + 32), y2); y3 = fma(a, at(W + 48), y3);
      y4 = fma(a, at(W + 64), y4); y5 = fma(a, at(W + 80), y5); y6 = fma(a, at(W + 96), y6); y7 = fma(a, at(W + 112), y7);
    }
    v128.store(y, y0); v128.store(y + 16, y1); v128.store(y + 32, y2); v128.store(y + 48, y3);
    v128.store(y + 64, y4); v128.store(y + 80, y5); v128.store(y + 96, y6); v128.store(y + 112, y7);
  }
}
