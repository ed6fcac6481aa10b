// The LSTM behind a temporal gate, computing the open units only: _SparseLSTM of rnnreport/recurrence.py.
//
// As there, units come first, so that the open ones are rows: N openings in all, in the order of time. `reads` holds
// the K = H + D + 1 rows that every gate reads, h(t-1), x(t) and 1; `c` the cell states. The backward pass undoes the
// forward pass's changes of them. Unlike there the weights of the open units are gathered anew at every step, and all
// factors are float: the few rows of a step are not worth packing.
#include "kernels.h"

namespace {

// x(t) into its rows of what the gates read, (D, B): features, or one-hot vectors of symbols.
void read_input(const Tensor& x, int64_t t, int64_t D, int64_t B, float* rows) {
  if (x.dim() == 3) {
    const float* features = floats(x) + t * B * D;
    for (int64_t d = 0; d < D; d++)
      for (int64_t b = 0; b < B; b++) rows[d * B + b] = features[b * D + d];
  } else {
    const int64_t* symbol = integers(x) + t * B;
    std::fill_n(rows, D * B, 0.f);
    for (int64_t b = 0; b < B; b++) rows[symbol[b] * B + b] = 1;
  }
}

// The weights of n units, (n, 4, K), out of those of all, W.
void gather(const Tensor& W, const int64_t* unit, int64_t n, float* out) {
  const int64_t row = 4 * W.size(2);
  for (int64_t j = 0; j < n; j++) std::copy_n(floats(W) + unit[j] * row, row, out + j * row);
}

// W: (H, 4, K), gates i, f, g, o. openings: (T,), units open at each step; unit, k: (N,).
// Returns h(1)...h(T), (T, H, B), if asked for; h(T) and c(T), (H, B); and what the backward pass needs: the gates,
// (N, 4, B), and of each opening h and c before it and the candidate c, (N, B).
std::tuple<std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> forward(
    Tensor x, Tensor h_0, Tensor c_0, Tensor W, Tensor openings, Tensor unit, Tensor k, bool sequence) {
  const int64_t T = x.size(0), B = x.size(1), H = W.size(0), K = W.size(2), D = K - H - 1, N = unit.size(0);
  const auto real = W.options();
  Tensor reads = at::ones({K, B}, real), c = c_0.t().clone(at::MemoryFormat::Contiguous);
  reads.narrow(0, 0, H).copy_(h_0.t());
  Tensor gates = at::empty({N, 4, B}, real), h_olds = at::empty({N, B}, real);
  Tensor c_olds = at::empty({N, B}, real), c_news = at::empty({N, B}, real);
  Tensor output = at::empty({sequence ? T : 0, H, B}, real), W_t = at::empty({H, 4, K}, real);
  float* h = floats(reads);

  for (int64_t t = 0, opening = 0; t < T; t++) {
    const int64_t n = integers(openings)[t], *u = integers(unit) + opening;
    if (n) {
      read_input(x, t, D, B, h + H * B);
      gather(W, u, n, floats(W_t));
      product(floats(W_t), K, h, floats(gates) + opening * 4 * B, 4 * n, B, K, false);
    }
    for (int64_t j = 0; j < n; j++, opening++) {
      float *a = floats(gates) + opening * 4 * B, *h_u = h + u[j] * B, *c_u = floats(c) + u[j] * B;
      float *h_old = floats(h_olds) + opening * B, *c_old = floats(c_olds) + opening * B;
      float *c_new = floats(c_news) + opening * B, k_u = floats(k)[opening];
      #pragma omp simd
      for (int64_t b = 0; b < B; b++) {
        float i = sigmoid(a[b]), f = sigmoid(a[B + b]), g = tanh_(a[2 * B + b]), o = sigmoid(a[3 * B + b]);  // (4)-(7)
        float c_hat = f * c_u[b] + i * g, h_hat = o * tanh_(c_hat);  // (13), (15)
        a[b] = i; a[B + b] = f; a[2 * B + b] = g; a[3 * B + b] = o;
        h_old[b] = h_u[b]; c_old[b] = c_u[b]; c_new[b] = c_hat;
        c_u[b] += k_u * (c_hat - c_u[b]);                            // (14)
        h_u[b] += k_u * (h_hat - h_u[b]);                            // (16)
      }
    }
    if (sequence) std::copy_n(h, H * B, floats(output) + t * H * B);
  }
  const auto sequence_or_none = sequence ? std::optional(output) : std::nullopt;
  return {sequence_or_none, reads.narrow(0, 0, H).clone(), c, gates, h_olds, c_olds, c_news};
}

// d_output: (T, H, B) or None; d_h, d_c: the loss by h(T) and c(T), (H, B); h_last: h(T), (H, B).
// Returns the loss by x, (T, D, B), if it is needed; by h(0), c(0), (H, B); by W, (K, H, 4); and by k, (N,).
std::tuple<std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor> backward(
    std::optional<Tensor> d_output, Tensor d_h, Tensor d_c, Tensor x, Tensor W, Tensor openings, Tensor unit, Tensor k,
    Tensor h_last, Tensor gates, Tensor h_olds, Tensor c_olds, Tensor c_news, bool needs_dx) {
  const int64_t T = x.size(0), B = x.size(1), H = W.size(0), K = W.size(2), D = K - H - 1, N = unit.size(0);
  const auto real = W.options();
  Tensor reads = at::ones({K, B}, real), dx = at::zeros({needs_dx ? T : 0, D, B}, real);
  reads.narrow(0, 0, H).copy_(h_last);
  d_h = d_h.clone(at::MemoryFormat::Contiguous);  // from the steps after t
  d_c = d_c.clone(at::MemoryFormat::Contiguous);
  Tensor d_W = at::zeros({K, H, 4}, real), d_k = at::empty({N}, real);
  Tensor W_t = at::empty({H, 4, K}, real), W_columns = at::empty({K, 4 * H}, real), dW_t = at::empty({K, 4 * H}, real);
  Tensor da_t = at::empty({H, 4, B}, real), da_columns = at::empty({B, 4 * H}, real);
  float *h = floats(reads), *dh = floats(d_h), *dW = floats(d_W);

  for (int64_t t = T - 1, opening = N; t >= 0; t--) {
    const int64_t n = integers(openings)[t], rows = 4 * n, *u = integers(unit) + opening - n;
    opening -= n;
    if (const float* d_out = d_output ? floats(*d_output) + t * H * B : nullptr)
      for (int64_t r = 0; r < H * B; r++) dh[r] += d_out[r];
    if (!n) continue;
    for (int64_t j = 0; j < n; j++) {
      const int64_t row = (opening + j) * B;
      const float *a = floats(gates) + 4 * row, k_u = floats(k)[opening + j];
      const float *h_old = floats(h_olds) + row, *c_old = floats(c_olds) + row, *c_new = floats(c_news) + row;
      float *h_u = h + u[j] * B, *dh_u = dh + u[j] * B, *dc_u = floats(d_c) + u[j] * B;
      float *da = floats(da_t) + 4 * j * B, by_k = 0;
      #pragma omp simd reduction(+ : by_k)
      for (int64_t b = 0; b < B; b++) {
        float i = a[b], f = a[B + b], g = a[2 * B + b], o = a[3 * B + b], z = tanh_(c_new[b]);
        by_k += dh_u[b] * (o * z - h_old[b]) + dc_u[b] * (c_new[b] - c_old[b]);               // (14), (16)
        float dh_hat = k_u * dh_u[b], dc_hat = k_u * dc_u[b] + dh_hat * o * (1 - z * z);      // a share k; (15)
        da[b] = dc_hat * g * i * (1 - i); da[B + b] = dc_hat * c_old[b] * f * (1 - f);        // (13), then (5), (6)
        da[2 * B + b] = dc_hat * i * (1 - g * g); da[3 * B + b] = dh_hat * z * o * (1 - o);   // (4), (7)
        dh_u[b] *= 1 - k_u;                                                                   // past the candidates
        dc_u[b] = (1 - k_u) * dc_u[b] + dc_hat * f;
        h_u[b] = h_old[b];                                                                    // undone
      }
      floats(d_k)[opening + j] = by_k;
    }
    read_input(x, t, D, B, h + H * B);
    gather(W, u, n, floats(W_t));
    transpose(floats(W_t), K, rows, K, floats(W_columns), rows);
    product(floats(W_columns), rows, floats(da_t), dh, H, B, rows, true);
    if (needs_dx) product(floats(W_columns) + H * rows, rows, floats(da_t), floats(dx) + t * D * B, D, B, rows, false);
    transpose(floats(da_t), B, rows, B, floats(da_columns), rows);
    product(h, B, floats(da_columns), floats(dW_t), K, rows, B, false);
    const float* share = floats(dW_t);
    for (int64_t r = 0; r < K; r++)
      for (int64_t j = 0; j < n; j++)
        for (int64_t gate = 0; gate < 4; gate++) dW[(r * H + u[j]) * 4 + gate] += *share++;
  }
  return {needs_dx ? std::optional(dx) : std::nullopt, d_h, d_c, d_W, d_k};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(rnnreport, library) {
  library.def("sparse_lstm_forward", forward);
  library.def("sparse_lstm_backward", backward);
}
