// What the kernels share: activations that the compiler can vectorise, and torch's small matrix product.
#pragma once
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
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

// bfloat16 is multiplied in pairs along the summed dimension K, so every factor has an even K, its padding being zero.
inline int64_t even(int64_t n) { return n + n % 2; }

// x, (M, N), with zeros to an even number of rows and, if asked for, of columns.
inline Tensor padded(const Tensor& x, bool columns) {
  const int64_t right = columns ? x.size(1) % 2 : 0, below = x.size(0) % 2;
  return right || below ? at::constant_pad_nd(x, {0, right, 0, below}) : x;
}

// The rows of x, (M, K), as the left factor: (even(M), even(K)).
template <class E> Tensor left(const Tensor& x) {
  return padded(x, true).to(c10::CppTypeToScalarType<E>::value).contiguous();
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

inline Tensor transposed(const Tensor& x) {
  Tensor out = at::empty({x.size(1), x.size(0)}, x.options());
  transpose(floats(x), x.size(1), x.size(0), x.size(1), floats(out), x.size(0));
  return out;
}

// The rows of x, (K, N), as the right factor: bfloat16 with each two rows interleaved. K must be even.
inline void pack(const float* x, int64_t row, int64_t column, int64_t K, int64_t N, float* out) {
  for (int64_t k = 0; k < K; k++, x += row, out += N)
    for (int64_t n = 0; n < N; n++) out[n] = x[n * column];
}
template <class S> void pack(const S* x, int64_t row, int64_t column, int64_t K, int64_t N, bfloat16* out) {
  for (int64_t k = 0; k < K; k += 2, x += 2 * row, out += 2 * N) {
    const S* next = x + row;
    #pragma omp simd
    for (int64_t n = 0; n < N; n++) { put(out + 2 * n, x[n * column]); put(out + 2 * n + 1, next[n * column]); }
  }
}
template <class E> Tensor right(const Tensor& x) {
  Tensor rows = padded(x, false);
  Tensor out = at::empty(rows.sizes(), x.options().dtype(c10::CppTypeToScalarType<E>::value));
  pack(floats(rows), rows.stride(0), rows.stride(1), rows.size(0), rows.size(1), out.data_ptr<E>());
  return out;
}

// c (M, N) = a b, or += a b; a has rows of length lda, b is a right factor. Sums are float.
// oneDNN leaves the processor's tiles set up between products; one Products for a pass lets go of them at its end.
struct Products {
  ~Products() { at::native::cpublas::brgemm_release(); }
  template <class E>
  void operator()(const E* a, int64_t lda, const E* b, float* c, int64_t M, int64_t N, int64_t K, bool add) {
    constexpr bool pairs = !std::is_same_v<E, float>;
    at::native::cpublas::brgemm(M, N, pairs ? even(K) : K, lda, N, N, add, a, b, c, pairs);
  }
};
