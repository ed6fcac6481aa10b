// The kernels of kernels.ts in plain JavaScript, some ten times slower, for pages in which WebAssembly may not run. Sums
// are float64 and results float32, so that a seed draws another curve than in WebAssembly.

import { sigmoid } from "./page.js";

const flush = (x) => (Math.abs(x) < 1e-30 ? 0 : x);

/** The kernels over so many bytes of memory; they are called like those of kernels.ts, with addresses in bytes. */
export function plainKernels(bytes) {
  const buffer = new ArrayBuffer(bytes);
  const F = new Float32Array(buffer);
  const I = new Uint32Array(buffer);

  /** c += a b for two rows: a (2, K), b (K, N), c (2, N). N is a multiple of four. */
  function tile(K, N, a, aRow, aColumn, b, bRow, c, cRow) {
    for (; N > 0; N -= 4, b += 4, c += 4) {
      const d = c + cRow;
      let c0 = F[c], c1 = F[c + 1], c2 = F[c + 2], c3 = F[c + 3];
      let d0 = F[d], d1 = F[d + 1], d2 = F[d + 2], d3 = F[d + 3];
      for (let k = 0, p = a, q = b; k < K; k++, p += aColumn, q += bRow) {
        const x = F[p], y = F[p + aRow], b0 = F[q], b1 = F[q + 1], b2 = F[q + 2], b3 = F[q + 3];
        c0 += x * b0, c1 += x * b1, c2 += x * b2, c3 += x * b3;
        d0 += y * b0, d1 += y * b1, d2 += y * b2, d3 += y * b3;
      }
      F[c] = c0, F[c + 1] = c1, F[c + 2] = c2, F[c + 3] = c3;
      F[d] = d0, F[d + 1] = d1, F[d + 2] = d2, F[d + 3] = d3;
    }
  }

  return {
    memory: { buffer },

    product(n, B, R, block, W, x, a) {
      block >>= 2, W >>= 2, x >>= 2, a >>= 2;
      F.fill(0, a, a + 4 * n * B);
      for (let j = 0; j < 2 * n; j++) tile(R, B, W + (4 * I[block + (j >> 1)] + 2 * (j & 1)) * R, R, 1, x, B, a + 2 * j * B, B);
    },

    outer(n, B, R, block, da, xT, dW) {
      block >>= 2, da >>= 2, xT >>= 2, dW >>= 2;
      for (let j = 0; j < 2 * n; j++) tile(B, R, da + 2 * j * B, B, 1, xT, R, dW + (4 * I[block + (j >> 1)] + 2 * (j & 1)) * R, R);
    },

    back(n, B, R, rows, block, W, da, dx) {
      block >>= 2, W >>= 2, da >>= 2, dx >>= 2;
      for (let r = 0; r < rows; r += 2)
        for (let j = 0; j < n; j++) tile(4, B, W + 4 * I[block + j] * R + r, 1, R, da + 4 * j * B, B, dx + r * B, B);
    },

    transpose(R, B, x, xT) {
      x >>= 2, xT >>= 2;
      for (let r = 0; r < R; r++) for (let b = 0; b < B; b++) F[xT + b * R + r] = F[x + r * B + b];
    },

    rnn(n, B, a, h, kept) {
      a >>= 2, h >>= 2, kept >>= 2;
      for (const end = a + 4 * n * B; a < end; a++, h++, kept++) {
        F[kept] = F[h];
        F[h] = Math.tanh(F[a]); // (1)
      }
    },

    rnnBack(n, B, a, h, kept, dh) {
      a >>= 2, h >>= 2, kept >>= 2, dh >>= 2;
      for (const end = a + 4 * n * B; a < end; a++, h++, kept++, dh++) {
        F[a] = flush(F[dh] * (1 - F[h] * F[h]));
        F[h] = F[kept];
        F[dh] = 0;
      }
    },

    lstm(n, B, unit, k, a, h, c, kept) {
      unit >>= 2, k >>= 2, a >>= 2, h >>= 2, c >>= 2, kept >>= 2;
      for (let j = 0; j < n; j++, a += 3 * B, kept += 2 * B)
        for (let p = B * I[unit + j], end = p + B, k_t = F[k + j]; p < end; p++, a++, kept++) {
          const i = sigmoid(F[a]), f = sigmoid(F[a + B]), g = Math.tanh(F[a + 2 * B]), o = sigmoid(F[a + 3 * B]); // (4)-(7)
          const hOld = F[h + p], cOld = F[c + p], cNew = g * i + cOld * f, hNew = Math.tanh(cNew) * o; // (8), (9)
          F[c + p] = cOld + k_t * (cNew - cOld); // (14)
          F[h + p] = hOld + k_t * (hNew - hOld); // (16)
          F[a] = i, F[a + B] = f, F[a + 2 * B] = g, F[a + 3 * B] = o;
          F[kept] = hOld, F[kept + B] = cOld, F[kept + 2 * B] = cNew;
        }
    },

    lstmBack(n, B, unit, k, a, h, c, kept, dh, dc, dk) {
      unit >>= 2, k >>= 2, a >>= 2, h >>= 2, c >>= 2, kept >>= 2, dh >>= 2, dc >>= 2, dk >>= 2;
      for (let j = 0; j < n; j++, a += 3 * B, kept += 2 * B) {
        let byK = 0;
        for (let p = B * I[unit + j], end = p + B, k_t = F[k + j]; p < end; p++, a++, kept++) {
          const i = F[a], f = F[a + B], g = F[a + 2 * B], o = F[a + 3 * B];
          const hOld = F[kept], cOld = F[kept + B], cNew = F[kept + 2 * B], z = Math.tanh(cNew);
          const d_h = F[dh + p], d_c = F[dc + p];
          byK += d_h * (o * z - hOld) + d_c * (cNew - cOld); // (14), (16)
          const dhNew = k_t * d_h, dcNew = k_t * d_c + dhNew * o * (1 - z * z); // (15)
          F[a] = flush(dcNew * g * i * (1 - i)); // (13), then (5)
          F[a + B] = flush(dcNew * cOld * f * (1 - f)); // (6)
          F[a + 2 * B] = flush(dcNew * i * (1 - g * g)); // (4)
          F[a + 3 * B] = flush(dhNew * z * o * (1 - o)); // (7)
          F[dh + p] = flush((1 - k_t) * d_h);
          F[dc + p] = flush((1 - k_t) * d_c + dcNew * f);
          F[h + p] = hOld, F[c + p] = cOld;
        }
        F[dk + j] = byK;
      }
    },

    softmax(K, B, logits, highest, total, scale) {
      logits >>= 2, highest >>= 2, total >>= 2;
      for (let b = 0; b < B; b++, logits++) {
        let [most, whole] = [-Infinity, 0];
        for (let k = 0; k < K; k++) most = Math.max(most, F[logits + k * B]);
        for (let k = 0; k < K; k++) whole += F[logits + k * B] = Math.exp(F[logits + k * B] - most);
        for (let k = 0; k < K; k++) F[logits + k * B] = flush((F[logits + k * B] * scale) / whole);
        F[highest + b] = most, F[total + b] = whole;
      }
    },

    squares(n, x) {
      let total = 0;
      for (let p = x >> 2, end = p + n; p < end; p++) total += F[p] * F[p];
      return total;
    },

    adam(n, w, g, m, v, shrink, rate, first, second) {
      w >>= 2, g >>= 2, m >>= 2, v >>= 2;
      for (const end = w + n; w < end; w++, g++, m++, v++) {
        const d = F[g] * shrink;
        F[m] = flush(0.9 * F[m] + 0.1 * d);
        F[v] = flush(0.999 * F[v] + 0.001 * d * d);
        F[w] -= ((rate / first) * F[m]) / (Math.sqrt(F[v] / second) + 1e-8);
      }
    },

    rmsprop(n, w, g, v, shrink, rate) {
      w >>= 2, g >>= 2, v >>= 2;
      for (const end = w + n; w < end; w++, g++, v++) {
        const d = F[g] * shrink;
        F[v] = flush(0.99 * F[v] + 0.01 * d * d);
        F[w] -= (rate * d) / (Math.sqrt(F[v]) + 1e-8);
      }
    },

    panels(N, K, x, W, y) {
      x >>= 2, W >>= 2, y >>= 2;
      for (const end = y + N; y < end; y += 32, W += 32 * K)
        for (let n = 0; n < 32; n += 4) {
          let y0 = F[y + n], y1 = F[y + n + 1], y2 = F[y + n + 2], y3 = F[y + n + 3];
          for (let k = 0, w = W + n; k < K; k++, w += 32) {
            const a = F[x + k];
            y0 += a * F[w], y1 += a * F[w + 1], y2 += a * F[w + 2], y3 += a * F[w + 3];
          }
          F[y + n] = y0, F[y + n + 1] = y1, F[y + n + 2] = y2, F[y + n + 3] = y3;
        }
    },
  };
}
