// The LSTM behind a temporal gate whose times differ within the batch, computing the open units only.
//
// An opening is a unit of a sequence at a step with k != 0: N in all, in the order of time; `place` is its b H + u, and
// `openings` says how many a step has. `reads` holds what the gates of a sequence read: h(t-1), x(t), 1, and zeros up
// to K, a multiple of 16. The backward pass undoes the forward pass's changes of it, as in sparse_gate.cpp. All factors are float.
#include "kernels.h"

namespace {

// x(t) into its columns of what the gates read, (B, D) of rows K long.
void read_input(const Tensor& x, int64_t t, int64_t B, int64_t D, int64_t K, float* columns) {
  for (int64_t b = 0; b < B; b++, columns += K) {
    if (x.dim() == 3) {
      std::copy_n(floats(x) + (t * B + b) * D, D, columns);
    } else {
      std::fill_n(columns, D, 0.f);
      columns[integers(x)[t * B + b]] = 1;
    }
  }
}

// W: (H, 4, K), gates i, f, g, o. openings: (T,); place, k: (N,).
// Returns h(1)...h(T), (T, B, H), if asked for; h(T) and c(T), (B, H); and what the backward pass needs: the gates,
// (N, 4), and of each opening h and c before it and the candidate c, (3, N).
std::tuple<std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor> forward(
    Tensor x, int64_t D, Tensor h_0, Tensor c_0, Tensor W, Tensor openings, Tensor place, Tensor k, bool sequence) {
  const int64_t T = x.size(0), B = x.size(1), H = W.size(0), K = W.size(2), N = place.size(0);
  const auto real = W.options();
  Tensor reads = at::zeros({B, K}, real), cells = c_0.clone(at::MemoryFormat::Contiguous);
  reads.narrow(1, 0, H).copy_(h_0), reads.select(1, H + D).fill_(1);
  Tensor gates = at::empty({N, 4}, real), states = at::empty({3, N}, real);
  Tensor output = at::empty({sequence ? T : 0, B, H}, real);
  float *h = floats(reads), *c = floats(cells), *h_old = floats(states), *c_old = h_old + N, *c_new = c_old + N;
  const float *open = floats(k), *weights = floats(W);
  const int64_t* where = integers(place);
  float* activations = floats(gates);

  for (int64_t t = 0, first = 0; t < T; t++) {
    const int64_t end = first + integers(openings)[t];
    read_input(x, t, B, D, K, h + H);
    for (int64_t n = first; n < end; n++) {
      const int64_t b = where[n] / H, u = where[n] % H;
      const float *row = h + b * K, *w = weights + u * 4 * K;
      float a_i = 0, a_f = 0, a_g = 0, a_o = 0;
      #pragma omp simd reduction(+ : a_i, a_f, a_g, a_o)
      for (int64_t r = 0; r < K; r++) {
        a_i += w[r] * row[r]; a_f += w[K + r] * row[r]; a_g += w[2 * K + r] * row[r]; a_o += w[3 * K + r] * row[r];
      }
      float* a = activations + 4 * n;
      a[0] = a_i; a[1] = a_f; a[2] = a_g; a[3] = a_o;
      h_old[n] = row[u]; c_old[n] = c[b * H + u];
    }
    #pragma omp simd
    for (int64_t n = first; n < end; n++) {
      float* a = activations + 4 * n;
      a[0] = sigmoid(a[0]); a[1] = sigmoid(a[1]); a[2] = tanh_(a[2]); a[3] = sigmoid(a[3]);  // (4)-(7)
      c_new[n] = a[1] * c_old[n] + a[0] * a[2];                                              // (13)
    }
    for (int64_t n = first; n < end; n++) {
      const int64_t b = where[n] / H, u = where[n] % H;
      const float h_new = activations[4 * n + 3] * tanh_(c_new[n]);                        // (15)
      c[b * H + u] += open[n] * (c_new[n] - c_old[n]);                                       // (14)
      h[b * K + u] += open[n] * (h_new - h_old[n]);                                          // (16)
    }
    if (sequence)
      for (int64_t b = 0; b < B; b++) std::copy_n(h + b * K, H, floats(output) + (t * B + b) * H);
    first = end;
  }
  const auto sequence_or_none = sequence ? std::optional(output) : std::nullopt;
  return {sequence_or_none, reads.narrow(1, 0, H).clone(at::MemoryFormat::Contiguous), cells, gates, states};
}

// d_output: (T, B, H) or None; d_h, d_c: the loss by h(T) and c(T), (B, H); h_last: h(T), (B, H).
// Returns the loss by x, (T, B, D), if it is needed; by h(0), c(0), (B, H); by W, (H, 4, K); and by k, (N,).
std::tuple<std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor> backward(
    std::optional<Tensor> d_output, Tensor d_h, Tensor d_c, Tensor x, int64_t D, Tensor W, Tensor openings, Tensor place,
    Tensor k, Tensor h_last, Tensor gates, Tensor states, bool needs_dx) {
  const int64_t T = x.size(0), B = x.size(1), H = W.size(0), K = W.size(2), N = place.size(0);
  const auto real = W.options();
  Tensor reads = at::zeros({B, K}, real), d_reads = at::zeros({B, K}, real);
  reads.narrow(1, 0, H).copy_(h_last), reads.select(1, H + D).fill_(1), d_reads.narrow(1, 0, H).copy_(d_h);
  d_c = d_c.clone(at::MemoryFormat::Contiguous);
  Tensor d_W = at::zeros(W.sizes(), real), d_k = at::empty({N}, real), da = at::empty({B * H, 4}, real);
  Tensor dx = at::empty({needs_dx ? T : 0, B, D}, real);
  float *h = floats(reads), *dh = floats(d_reads), *dc = floats(d_c);
  const float *h_old = floats(states), *c_old = h_old + N, *c_new = c_old + N, *open = floats(k);
  const float *activations = floats(gates), *weights = floats(W);
  const int64_t* where = integers(place);
  float *das = floats(da), *dW = floats(d_W), *dk = floats(d_k);

  for (int64_t t = T - 1, end = N; t >= 0; t--) {
    const int64_t first = end - integers(openings)[t];
    for (int64_t b = 0; b < B; b++) {
      float* d_row = dh + b * K;
      std::fill_n(d_row + H, D + 1, 0.f);
      if (const float* d_out = d_output ? floats(*d_output) + (t * B + b) * H : nullptr)
        for (int64_t u = 0; u < H; u++) d_row[u] += d_out[u];
    }
    for (int64_t n = first; n < end; n++) {
      const int64_t b = where[n] / H, u = where[n] % H;
      float *dh_u = dh + b * K + u, *dc_u = dc + b * H + u, *d = das + 4 * (n - first);
      const float *a = activations + 4 * n, i = a[0], f = a[1], g = a[2], o = a[3], z = tanh_(c_new[n]);
      dk[n] = *dh_u * (o * z - h_old[n]) + *dc_u * (c_new[n] - c_old[n]);            // (14), (16)
      const float dh_hat = open[n] * *dh_u, dc_hat = open[n] * *dc_u + dh_hat * o * (1 - z * z);  // a share k; (15)
      d[0] = dc_hat * g * i * (1 - i); d[1] = dc_hat * c_old[n] * f * (1 - f);                // (13), then (5), (6)
      d[2] = dc_hat * i * (1 - g * g); d[3] = dh_hat * z * o * (1 - o);                       // (4), (7)
      *dh_u *= 1 - open[n];                                                                   // past the candidates
      *dc_u = (1 - open[n]) * *dc_u + dc_hat * f;
      h[b * K + u] = h_old[n];                                                                // undone
    }
    read_input(x, t, B, D, K, h + H);
    for (int64_t n = first; n < end; n++) {
      const int64_t b = where[n] / H, u = where[n] % H;
      const float *row = h + b * K, *w = weights + u * 4 * K, *d = das + 4 * (n - first);
      float *d_row = dh + b * K, *dw = dW + u * 4 * K;
      const float d_i = d[0], d_f = d[1], d_g = d[2], d_o = d[3];
      #pragma omp simd
      for (int64_t r = 0; r < K; r++) {
        d_row[r] += d_i * w[r] + d_f * w[K + r] + d_g * w[2 * K + r] + d_o * w[3 * K + r];
        dw[r] += d_i * row[r]; dw[K + r] += d_f * row[r]; dw[2 * K + r] += d_g * row[r]; dw[3 * K + r] += d_o * row[r];
      }
    }
    if (needs_dx) dx[t].copy_(d_reads.narrow(1, H, D));
    end = first;
  }
  return {needs_dx ? std::optional(dx) : std::nullopt, d_reads.narrow(1, 0, H).clone(), d_c, d_W, d_k};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(rnnreport, library) {
  library.def("sparse_sequences_forward", forward);
  library.def("sparse_sequences_backward", backward);
}
