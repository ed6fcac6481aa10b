// The LSTM over a whole sequence, one layer a call: _LSTM of rnnreport/recurrence.py, without its temporal gate.
//
// Matrix products take factors of type E, bfloat16 or float; sums, states and activations are float. Unlike there the
// gates keep torch's order i, f, g, o, and the input is projected step by step: what a step needs stays in the cache.
#include "kernels.h"

namespace {

// Refuses what the kernels would read past the end of. k: None, or (T, H).
void check(Tensor x, Tensor h_0, Tensor c_0, Tensor weight_ih, Tensor weight_hh, Tensor bias, std::optional<Tensor> k) {
  const int64_t T = x.size(0), B = h_0.size(0), H = weight_hh.size(1), D = weight_ih.size(1);
  TORCH_CHECK(T > 0 && B > 0 && x.size(1) == B, "x must hold at least one step of ", B, " > 0 sequences, as h_0 does");
  TORCH_CHECK(h_0.sizes() == at::IntArrayRef({B, H}) && c_0.sizes() == h_0.sizes(),
              "h_0 and c_0 must have the shape (B, H)");
  TORCH_CHECK(weight_hh.size(0) == 4 * H && weight_ih.size(0) == 4 * H && bias.sizes() == at::IntArrayRef({4 * H}),
              "weight_ih, weight_hh and bias must have 4H = ", 4 * H, " rows");
  TORCH_CHECK(!k || k->sizes() == at::IntArrayRef({T, H}), "k must have the shape (T, H)");
  for (const Tensor& value : {h_0, c_0, weight_ih, weight_hh, bias, k.value_or(bias)})
    TORCH_CHECK(value.scalar_type() == at::kFloat && value.device().is_cpu(),
                "states, weights and k must be float32 on the CPU");
  if (x.dim() == 3) {
    TORCH_CHECK(x.scalar_type() == at::kFloat && x.size(2) == D, "x must be float32 of the shape (T, B, D), D = ", D);
  } else {
    TORCH_CHECK(x.dim() == 2 && x.scalar_type() == at::kLong, "x must be (T, B, D) features or (T, B) int64 symbols");
    TORCH_CHECK(0 <= x.min().item<int64_t>() && x.max().item<int64_t>() < D, "symbols must lie in 0...", D - 1);
  }
}

// Returns h(1)...h(T), (T, B, H), and what the backward pass needs: the gates, (T, B, 4H); c(0)...c(T), (T+1, B, H);
// and as left factors h(0)...h(T), (T+1, B, even(H)), and x, (even(T B), even(D)), or the symbols as they are.
template <class E>
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> forward(
    Tensor x, Tensor h_0, Tensor c_0, Tensor weight_ih, Tensor weight_hh, Tensor bias) {
  const int64_t T = x.size(0), B = x.size(1), H = weight_hh.size(1), G = 4 * H, D = weight_ih.size(1);
  const int64_t h_row = even(H), x_row = even(D);
  const bool symbols = x.dim() == 2;
  const auto real = h_0.options(), factor = real.dtype(c10::CppTypeToScalarType<E>::value);
  Tensor output = at::empty({T, B, H}, real), gates = at::empty({T, B, G}, real), c = at::empty({T + 1, B, H}, real);
  Tensor h = at::zeros({T + 1, B, h_row}, factor), x_rows = symbols ? x : left<E>(x.flatten(0, 1));
  h[0].narrow(1, 0, H).copy_(h_0);
  c[0].copy_(c_0);
  Tensor W_h = right<E>(weight_hh.t()), W_x = symbols ? W_h : right<E>(weight_ih.t());
  Tensor table = symbols ? (weight_ih.t() + bias).contiguous() : bias;  // what a symbol, or any row of features, adds

  Products multiply;
  for (int64_t t = 0; t < T; t++) {
    float *a = floats(gates) + t * B * G, *out = floats(output) + t * B * H;
    float *c_old = floats(c) + t * B * H, *c_t = c_old + B * H;
    E *h_old = h.data_ptr<E>() + t * B * h_row, *h_t = h_old + B * h_row;
    if (!symbols) multiply(x_rows.data_ptr<E>() + t * B * x_row, x_row, W_x.data_ptr<E>(), a, B, G, D, false);
    multiply(h_old, h_row, W_h.data_ptr<E>(), a, B, G, H, !symbols);
    for (int64_t b = 0; b < B; b++, a += G, out += H, c_old += H, c_t += H, h_t += h_row) {
      const float* in = floats(table) + (symbols ? integers(x)[t * B + b] * G : 0);
      #pragma omp simd
      for (int64_t j = 0; j < H; j++) {
        float i = sigmoid(a[j] + in[j]), f = sigmoid(a[H + j] + in[H + j]);                        // (5), (6)
        float g = tanh_(a[2 * H + j] + in[2 * H + j]), o = sigmoid(a[3 * H + j] + in[3 * H + j]);  // (4), (7)
        float c_new = f * c_old[j] + i * g, h_new = o * tanh_(c_new);                              // (8), (9)
        a[j] = i; a[H + j] = f; a[2 * H + j] = g; a[3 * H + j] = o;
        c_t[j] = c_new; out[j] = h_new; put(h_t + j, h_new);
      }
    }
  }
  return {output, gates, c, h, x_rows};
}

// Returns the loss by x (None for symbols, or where it is not needed), h_0, c_0, weight_ih, weight_hh and bias.
template <class E>
std::tuple<std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor, Tensor> backward(
    std::optional<Tensor> d_output, std::optional<Tensor> d_h_last, std::optional<Tensor> d_c_last, Tensor x_rows,
    Tensor weight_ih, Tensor weight_hh, Tensor gates, Tensor c, Tensor h, bool needs_dx) {
  const int64_t T = gates.size(0), B = gates.size(1), H = weight_hh.size(1), G = 4 * H, D = weight_ih.size(1);
  const int64_t span = std::max<int64_t>(2, 256 / B / 2 * 2);  // steps that share one product for the weights
  const bool symbols = x_rows.scalar_type() == at::kLong;
  const auto real = c.options(), factor = h.options();
  const auto start = [&](const std::optional<Tensor>& d_last) {
    return d_last ? d_last->clone(at::MemoryFormat::Contiguous) : at::zeros({B, H}, real);
  };
  Tensor d_h = start(d_h_last), d_c = start(d_c_last);  // from the steps after t
  Tensor d_outputs = d_output ? d_output->contiguous() : d_h, dx = at::empty({needs_dx ? T : 0, B, D}, real);
  Tensor dW_h = at::zeros({H, G}, real), dW_x = at::zeros({D, G}, real), d_bias = at::zeros({G}, real);
  Tensor W_h = right<E>(weight_hh), W_x = needs_dx ? right<E>(weight_ih) : W_h;
  Tensor da_rows = at::zeros({even(span * B), G}, factor), da_packed = at::empty_like(da_rows);
  Tensor columns = at::empty({std::max(H, D), even(span * B)}, factor);

  Products multiply;
  for (int64_t t = T - 1; t >= 0; t--) {
    const float *a = floats(gates) + t * B * G, *c_old = floats(c) + t * B * H, *c_t = c_old + B * H;
    float *dh = floats(d_h), *dc = floats(d_c);
    E *da_t = da_rows.data_ptr<E>() + t % span * B * G, *da = da_t;
    if (const float* d_out = d_output ? floats(d_outputs) + t * B * H : nullptr)
      for (int64_t n = 0; n < B * H; n++) dh[n] += d_out[n];
    for (int64_t b = 0; b < B; b++, a += G, c_old += H, c_t += H, dh += H, dc += H, da += G) {
      float* d_in = symbols ? floats(dW_x) + integers(x_rows)[t * B + b] * G : floats(d_bias);
      #pragma omp simd
      for (int64_t j = 0; j < H; j++) {
        float i = a[j], f = a[H + j], g = a[2 * H + j], o = a[3 * H + j], z = tanh_(c_t[j]);
        float dc_t = dc[j] + dh[j] * o * (1 - z * z);                               // (9)
        float da_i = dc_t * g * i * (1 - i), da_f = dc_t * c_old[j] * f * (1 - f);  // (8), then (5), (6)
        float da_g = dc_t * i * (1 - g * g), da_o = dh[j] * z * o * (1 - o);        // (4), (7)
        dc[j] = dc_t * f;
        d_in[j] += da_i; d_in[H + j] += da_f; d_in[2 * H + j] += da_g; d_in[3 * H + j] += da_o;
        put(da + j, da_i); put(da + H + j, da_f); put(da + 2 * H + j, da_g); put(da + 3 * H + j, da_o);
      }
    }
    multiply(da_t, G, W_h.data_ptr<E>(), floats(d_h), B, H, G, false);
    if (needs_dx) multiply(da_t, G, W_x.data_ptr<E>(), floats(dx) + t * B * D, B, D, G, false);
    if (t % span == 0) {  // the weights' share of the steps t, t + 1, ..., while they are in the cache
      const int64_t K = std::min(span, T - t) * B, lda = columns.size(1);
      if (K % 2) std::fill_n(da_rows.data_ptr<E>() + K * G, G, E(0));
      pack(da_rows.data_ptr<E>(), G, 1, even(K), G, da_packed.data_ptr<E>());
      const auto add_outer = [&](const Tensor& rows, int64_t row, int64_t M, const Tensor& dW) {
        transpose(rows.data_ptr<E>() + t * B * row, row, even(K), M, columns.data_ptr<E>(), lda);
        multiply(columns.data_ptr<E>(), lda, da_packed.data_ptr<E>(), floats(dW), M, G, K, true);
      };
      add_outer(h, even(H), H, dW_h);
      if (!symbols) add_outer(x_rows, even(D), D, dW_x);
    }
  }
  if (symbols) d_bias = dW_x.sum(0);
  return {needs_dx ? std::optional(dx) : std::nullopt, d_h, d_c, transposed(dW_x), transposed(dW_h), d_bias};
}

auto lstm_forward(Tensor x, Tensor h_0, Tensor c_0, Tensor weight_ih, Tensor weight_hh, Tensor bias, bool bf16) {
  const auto run = bf16 ? forward<bfloat16> : forward<float>;
  return run(x.contiguous(), h_0, c_0, weight_ih, weight_hh, bias.contiguous());
}

auto lstm_backward(std::optional<Tensor> d_output, std::optional<Tensor> d_h_last, std::optional<Tensor> d_c_last,
                   Tensor x_rows, Tensor weight_ih, Tensor weight_hh, Tensor gates, Tensor c, Tensor h, bool needs_dx) {
  const auto run = h.scalar_type() == at::kBFloat16 ? backward<bfloat16> : backward<float>;
  return run(d_output, d_h_last, d_c_last, x_rows, weight_ih, weight_hh, gates, c, h, needs_dx);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(rnnreport, library) {
  library.def("check", check);
  library.def("lstm_forward", lstm_forward);
  library.def("lstm_backward", lstm_backward);
  library.def("fast_bf16", [] { return at::native::cpublas::could_pack(at::kBFloat16); });
}
