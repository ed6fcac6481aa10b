// What the kernels share: checks of what they read, activations that the compiler can vectorise, and matrix products.
#pragma once
#define AT_PER_OPERATOR_HEADERS  // torch's header for all of them takes long to read
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>
#include <algorithm>
#include <cmath>
#include <cstring>

using at::Tensor;
using bfloat16 = at::BFloat16;

inline float* floats(const Tensor& x) { return x.data_ptr<float>(); }
inline const int64_t* integers(const Tensor& x) { return x.const_data_ptr<int64_t>(); }

// Refuses what a kernel would read past the end of: x, (T, B, D) or (T, B) symbols, ...
inline void check_input(const Tensor& x, int64_t B, int64_t D) {
  TORCH_CHECK(x.size(0) > 0 && B > 0 && x.size(1) == B,
              "x must hold at least one step of ", B, " > 0 sequences, as h_0 does");
  if (x.dim() == 3) {
    TORCH_CHECK(x.scalar_type() == at::kFloat && x.size(2) == D, "x must be float32 of the shape (T, B, D), D = ", D);
  } else {
    TORCH_CHECK(x.dim() == 2 && x.scalar_type() == at::kLong, "x must be (T, B, D) features or (T, B) int64 symbols");
    TORCH_CHECK(0 <= x.min().item<int64_t>() && x.max().item<int64_t>() < D, "symbols must lie in 0...", D - 1);
  }
}

// ... and weights of G gates, (G H, D), (G H, H) and (G H,).
inline void check_weights(const Tensor& weight_ih, const Tensor& weight_hh, const Tensor& bias, int64_t G) {
  const int64_t rows = G * weight_hh.size(1);
  TORCH_CHECK(weight_hh.size(0) == rows && weight_ih.size(0) == rows && bias.sizes() == at::IntArrayRef({rows}),
              "weight_ih, weight_hh and bias must have ", G == 1 ? "" : std::to_string(G), "H = ", rows, " rows");
}

inline void check_floats(at::ArrayRef<Tensor> values) {
  for (const Tensor& value : values)
    TORCH_CHECK(value.scalar_type() == at::kFloat && value.device().is_cpu(),
                "states, weights and k must be float32 on the CPU");
}

inline uint32_t bits(float x) { uint32_t u; std::memcpy(&u, &x, 4); return u; }
inline float from_bits(uint32_t u) { float x; std::memcpy(&x, &u, 4); return x; }

// 2^x: a polynomial over [-1/2, 1/2], fitted to a relative error of 2e-7, and the exponent's bits. NaN stays NaN.
inline float exp2_(float x) {
  x = std::min(std::max(x, -60.f), 60.f);
  float n = std::rint(x), r = x - n;
  float p = 1 + r * (0.693147f + r * (0.240222424f + r * (0.0555073358f + r * (0.009671513f + r * 0.00132647273f))));
  return p * from_bits(uint32_t(int32_t(n) + 127) << 23);
}
inline float sigmoid(float x) { return 1.f / (1.f + exp2_(-1.44269504f * x)); }
inline float tanh_(float x) { return 2.f / (1.f + exp2_(-2.88539008f * x)) - 1.f; }

// A factor's element: float, or bfloat16 rounded to nearest, ties to even, as torch does.
inline void put(float* p, float x) { *p = x; }
inline void put(bfloat16* p, bfloat16 x) { *p = x; }
inline void put(bfloat16* p, float x) { p->x = uint16_t((bits(x) + 0x7fffu + ((bits(x) >> 16) & 1)) >> 16); }

// A product's factors are float, or bfloat16, which is multiplied in pairs along the summed dimension K: then K is even.
template <class E> constexpr bool pairs = !std::is_same_v<E, float>;
template <class E> int64_t summed(int64_t K) { return pairs<E> ? K + K % 2 : K; }

// x, (..., M, N), as E and with zeros to so many rows and columns.
template <class E> Tensor padded(const Tensor& x, int64_t rows, int64_t columns) {
  const int64_t below = rows - x.size(-2), right = columns - x.size(-1);
  const Tensor whole = right || below ? at::constant_pad_nd(x, {0, right, 0, below}) : x;
  return whole.to(c10::CppTypeToScalarType<E>::value).contiguous();
}

// The columns of x, (K, M), as the left factor: (M, lda).
template <class E> void transpose(const E* x, int64_t row, int64_t K, int64_t M, E* out, int64_t lda) {
  for (; K >= 32; K -= 32, x += 32 * row, out += 32)  // a block of rows that stays in the nearest cache
    for (int64_t m = 0; m < M; m++)
      #pragma GCC unroll 32
      for (int64_t k = 0; k < 32; k++) out[m * lda + k] = x[k * row + m];
  for (int64_t m = 0; m < M; m++)
    for (int64_t k = 0; k < K; k++) out[m * lda + k] = x[k * row + m];
}

// Right factors stand in panels of 64 columns, the last one filled up with zeros, so that a panel and what is multiplied
// by it stay in the nearest cache. Of G gates a panel holds all the rows of 64 / G units.
constexpr int64_t PANEL = 64;
constexpr float nothing[PANEL] = {};  // the loss by an output that it does not use
inline int64_t panels(int64_t columns) { return (columns + PANEL - 1) / PANEL; }

// The rows of a weight, (G H, K), panel after panel, (64 Q, K).
inline Tensor by_panel(const Tensor& weight, int64_t G) {
  const int64_t K = weight.size(1), H = weight.size(0) / G, units = PANEL / G, Q = (H + units - 1) / units;
  return padded<float>(weight.reshape({G, H, K}), Q * units, K).view({G, Q, units, K}).transpose(0, 1).reshape({-1, K});
}

// A weight, (G H, K), out of its transpose in panels, (Q, K, 64).
inline Tensor from_panels(const Tensor& x, int64_t G, int64_t H) {
  const int64_t Q = x.size(0), K = x.size(1), units = PANEL / G;
  const Tensor rows = x.view({Q, K, G, units}).permute({2, 0, 3, 1}).reshape({G, Q * units, K});
  return rows.narrow(1, 0, H).reshape({G * H, K});
}

// x, (K, N), as the right factor: (N / 64, K, 64), or in pairs (N / 64, K / 2, 64, 2).
template <class E> Tensor in_panels(const Tensor& x) {
  Tensor rows = padded<E>(x, summed<E>(x.size(0)), PANEL * panels(x.size(1)));
  rows = rows.view({-1, pairs<E> ? 2 : 1, rows.size(1) / PANEL, PANEL}).permute({2, 0, 3, 1}).contiguous();
  return rows.view({rows.size(0), -1, PANEL});
}

// The tile of a product: a few rows, whose sums stay in the processor's registers: those of x86 with AVX-512, with AVX,
// or of another processor. GCC and Clang make of such vectors what there is.
#if defined(__AVX512F__)
constexpr int64_t LANES = 16, VECTORS = 4, ROWS = 6;
#elif defined(__AVX__)
constexpr int64_t LANES = 8, VECTORS = 2, ROWS = 6;
#else
constexpr int64_t LANES = 4, VECTORS = 4, ROWS = 6;
#endif
typedef float Vector __attribute__((vector_size(4 * LANES)));
inline Vector load(const float* from) { Vector v; std::memcpy(&v, from, sizeof v); return v; }
inline void store(Vector v, float* to) { std::memcpy(to, &v, sizeof v); }

template <int64_t rows>
void tile(const float* a, int64_t a_row, const float* b, float* c, int64_t c_row, int64_t K, bool add) {
  Vector sum[rows][VECTORS] = {};
  #pragma GCC unroll 8
  for (int64_t r = 0; r < rows; r++)
    #pragma GCC unroll 8
    for (int64_t v = 0; v < VECTORS; v++) if (add) sum[r][v] = load(c + r * c_row + v * LANES);
  for (int64_t k = 0; k < K; k++, b += PANEL)
    #pragma GCC unroll 8
    for (int64_t r = 0; r < rows; r++)
      #pragma GCC unroll 8
      for (int64_t v = 0; v < VECTORS; v++) sum[r][v] += a[r * a_row + k] * load(b + v * LANES);
  #pragma GCC unroll 8
  for (int64_t r = 0; r < rows; r++)
    #pragma GCC unroll 8
    for (int64_t v = 0; v < VECTORS; v++) store(sum[r][v], c + r * c_row + v * LANES);
}

template <int64_t rows = ROWS>
void last_tile(int64_t M, const float* a, int64_t a_row, const float* b, float* c, int64_t c_row, int64_t K, bool add) {
  if constexpr (rows > 1)
    if (M < rows) return last_tile<rows - 1>(M, a, a_row, b, c, c_row, K, add);
  tile<rows>(a, a_row, b, c, c_row, K, add);
}

// c (M, 64) = a b, or += a b: a and c have rows of length a_row and c_row, b is one panel. Sums are float.
inline void multiply(
    const float* a, int64_t a_row, const float* b, float* c, int64_t c_row, int64_t M, int64_t K, bool add) {
  for (int64_t m = 0; m < M; m += ROWS)
    for (int64_t n = 0; n < PANEL; n += VECTORS * LANES)
      last_tile(M - m, a + m * a_row, a_row, b + n, c + m * c_row + n, c_row, K, add);
}
inline void multiply(
    const bfloat16* a, int64_t a_row, const bfloat16* b, float* c, int64_t c_row, int64_t M, int64_t K, bool add) {
  at::native::cpublas::brgemm(M, PANEL, summed<bfloat16>(K), a_row, PANEL, c_row, add, a, b, c, true);
}

// oneDNN leaves the processor's tiles set up between products of bfloat16; one of these lets go of them at a pass's end.
struct Release {
  ~Release() { at::native::cpublas::brgemm_release(); }
};

// c (M, N) = a b, or += a b, by torch; a has rows of length lda.
inline void product(const float* a, int64_t lda, const float* b, float* c, int64_t M, int64_t N, int64_t K, bool add) {
  at::native::cpublas::brgemm(M, N, K, lda, N, N, add, a, b, c);
}

// The backward pass's products. A panel at a time, for every step: of da, (M, 64), by the q-th 64 rows of a right factor W
// of Q 64 rows, c (M, N) = da W or += da W, with N a multiple of 64.
template <class E>
void multiply_back(const E* da, const Tensor& W, int64_t q, float* c, int64_t M, bool add) {
  const int64_t P = W.size(0), K = W.size(1);
  for (int64_t p = 0; p < P; p++)
    multiply(da, PANEL, W.data_ptr<E>() + (p * K + q * PANEL) * PANEL, c + p * PANEL, P * PANEL, M, PANEL, add);
}

// For the weights, for a few steps at once: this many, ...
inline int64_t steps_at_once(int64_t B) { return std::max<int64_t>(1, 128 / B); }

// ... dW, (Q, M, 64), += the sum of K rows of x, (K, x_row), each times those of da, (Q, at least K, 64).
template <class E>
void add_outer(const E* x, int64_t x_row, const Tensor& da, int64_t K, Tensor& dW) {
  const int64_t Q = dW.size(0), M = dW.size(1), rows = summed<E>(K);
  Tensor columns = at::empty({M, rows}, da.options()), packed = pairs<E> ? at::empty({rows, PANEL}, da.options()) : da;
  transpose(x, x_row, rows, M, columns.data_ptr<E>(), rows);
  for (int64_t q = 0; q < Q; q++) {
    const E *panel = da.data_ptr<E>() + q * da.size(1) * PANEL, *right = panel;
    if constexpr (pairs<E>) {
      E* pair = packed.data_ptr<E>();  // looked up once: a look-up takes longer than a copy
      for (int64_t k = 0; k < rows; k += 2, panel += 2 * PANEL, pair += 2 * PANEL)
        for (int64_t n = 0; n < PANEL; n++) pair[2 * n] = panel[n], pair[2 * n + 1] = panel[PANEL + n];
      right = packed.data_ptr<E>();
    }
    multiply(columns.data_ptr<E>(), rows, right, floats(dW) + q * M * PANEL, PANEL, M, K, true);
  }
}
