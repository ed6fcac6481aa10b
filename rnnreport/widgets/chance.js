// Random numbers from a seed, and the functions they take, the same to the bit in every browser: only + - * / and the
// square root are rounded alike everywhere, while Math.exp and Math.log may differ in a last digit.

import { generator } from "./page.js";

const LN2 = [0.6931471803691238, 1.9082149292705877e-10]; // in two parts, so that a multiple of it is subtracted exactly

/** e^x. */
export function exp(x) {
  if (!(Math.abs(x) < 700)) return x > 0 ? Infinity : x < 0 ? 0 : NaN;
  const n = Math.round(x / Math.LN2);
  const r = x - n * LN2[0] - n * LN2[1];
  let series = 1;
  for (let term = 14; term > 0; term--) series = 1 + (r / term) * series;
  return series * 2 ** n;
}

/** The natural logarithm of a positive number. */
export function ln(x) {
  if (!(x > 0 && x < Infinity)) return x === 0 ? -Infinity : x > 0 ? x : NaN;
  let [n, m] = [0, x]; // x = m 2^n
  for (; m > Math.SQRT2; m /= 2) n++;
  for (; m < Math.SQRT1_2; m *= 2) n--;
  const y = (m - 1) / (m + 1); // ln m = 2 (y + y^3 / 3 + …), |y| < 0.172
  let series = 0;
  for (let term = 23; term > 0; term -= 2) series = series * y * y + 1 / term;
  return n * LN2[0] + (n * LN2[1] + 2 * y * series);
}

/** Draws from a seed: { uniform(low, high), normal(), integer(below) }. Streams of one seed differ by their number. */
export function draws(seed, stream = 0) {
  const next = generator((seed ^ Math.imul(stream, 0x5bd1e995)) | 0);
  return {
    uniform: (low, high) => low + (high - low) * next(),
    integer: (below) => Math.ceil(next() * below) - 1,
    /** From N(0, 1), by Marsaglia's polar method. */
    normal() {
      for (;;) {
        const [x, y] = [2 * next() - 1, 2 * next() - 1];
        const square = x * x + y * y;
        if (square < 1 && square > 0) return x * Math.sqrt((-2 * ln(square)) / square);
      }
    },
  };
}
