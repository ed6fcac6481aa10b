// The vanilla RNN over a whole sequence, one layer a call: _RNN of rnnreport/recurrence.py.
//
// Unlike there the input is projected step by step and units come in panels of 64: what a panel needs stays in the cache.
#include "kernels.h"

namespace {

// Refuses what the kernels would read past the end of.
void check(Tensor x, Tensor h_0, Tensor weight_ih, Tensor weight_hh, Tensor bias) {
  const int64_t B = h_0.size(0), H = weight_hh.size(1);
  TORCH_CHECK(h_0.sizes() == at::IntArrayRef({B, H}), "h_0 must have the shape (B, H)");
  check_weights(weight_ih, weight_hh, bias, 1);
  check_floats({h_0, weight_ih, weight_hh, bias});
  check_input(x, B, weight_ih.size(1));
}

// Returns h(0)...h(T), (T+1, B, R): the H units, and zeros up to R, whole panels.
Tensor forward(Tensor x, Tensor h_0, Tensor weight_ih, Tensor weight_hh, Tensor bias) {
  const int64_t T = x.size(0), B = x.size(1), H = weight_hh.size(1), Q = panels(H), R = Q * PANEL, D = weight_ih.size(1);
  const bool symbols = x.dim() == 2;
  Tensor h = at::empty({T + 1, B, R}, h_0.options());
  h[0].copy_(padded<float>(h_0, B, R));
  Tensor W_h = in_panels<float>(by_panel(weight_hh, 1).t()), W_x = in_panels<float>(by_panel(weight_ih, 1).t());
  Tensor table = in_panels<float>(bias.unsqueeze(0));  // (Q, 1 or D, 64): what any row of features, or a symbol, adds
  if (symbols) table = W_x + table;
  const int64_t* symbol = symbols ? integers(x) : nullptr;

  for (int64_t t = 0; t < T; t++) {
    const float *h_old = floats(h) + t * B * R, *x_t = symbols ? nullptr : floats(x) + t * B * D;
    for (int64_t q = 0; q < Q; q++) {
      float* h_t = floats(h) + (t + 1) * B * R + q * PANEL;
      if (!symbols) multiply(x_t, D, floats(W_x) + q * D * PANEL, h_t, R, B, D, false);
      multiply(h_old, R, floats(W_h) + q * H * PANEL, h_t, R, B, H, !symbols);
      const float* adds = floats(table) + q * table.size(1) * PANEL;
      for (int64_t b = 0; b < B; b++, h_t += R) {
        const float* in = symbols ? adds + symbol[t * B + b] * PANEL : adds;
        #pragma omp simd
        for (int64_t j = 0; j < PANEL; j++) h_t[j] = tanh_(h_t[j] + in[j]);  // (1)
      }
    }
  }
  return h;
}

// Returns the loss by x (None for symbols, or where it is not needed), h_0, weight_ih, weight_hh and bias.
std::tuple<std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor> backward(
    std::optional<Tensor> d_output, std::optional<Tensor> d_h_last, Tensor x, Tensor weight_ih, Tensor weight_hh,
    Tensor h, bool needs_dx) {
  const int64_t T = x.size(0), B = x.size(1), R = h.size(2), Q = R / PANEL, H = weight_hh.size(1), D = weight_ih.size(1);
  const int64_t span = steps_at_once(B);
  const bool symbols = x.dim() == 2;
  const int64_t* symbol = symbols ? integers(x) : nullptr;
  const auto real = h.options();
  Tensor d_h = d_h_last ? padded<float>(*d_h_last, B, R).clone() : at::zeros({B, R}, real);  // from the steps after t
  Tensor d_outputs = d_output ? padded<float>(*d_output, B, R) : d_h;
  Tensor W_h = in_panels<float>(by_panel(weight_hh, 1)), W_x = needs_dx ? in_panels<float>(by_panel(weight_ih, 1)) : W_h;
  Tensor dW_h = at::zeros({Q, H, PANEL}, real), dW_x = at::zeros({Q, D, PANEL}, real), d_bias = at::zeros({Q, PANEL}, real);
  Tensor dx = at::empty({needs_dx ? T : 0, B, panels(D) * PANEL}, real), da = at::empty({Q, span * B, PANEL}, real);

  for (int64_t t = T - 1; t >= 0; t--) {
    const auto da_t = [&](int64_t q) { return floats(da) + (q * span + t % span) * B * PANEL; };
    for (int64_t q = 0; q < Q; q++) {
      const float *dh = floats(d_h) + q * PANEL, *h_t = floats(h) + (t + 1) * B * R + q * PANEL;
      const float* d_out = d_output ? floats(d_outputs) + t * B * R + q * PANEL : nothing;
      float *d_adds = symbols ? floats(dW_x) + q * D * PANEL : floats(d_bias) + q * PANEL, *da_b = da_t(q);
      for (int64_t b = 0; b < B; b++, dh += R, h_t += R, d_out += d_output ? R : 0, da_b += PANEL) {
        float* d_in = symbols ? d_adds + symbol[t * B + b] * PANEL : d_adds;
        #pragma omp simd
        for (int64_t j = 0; j < PANEL; j++) {
          da_b[j] = (dh[j] + d_out[j]) * (1 - h_t[j] * h_t[j]);  // (1)
          d_in[j] += da_b[j];
        }
      }
    }
    for (int64_t q = 0; q < Q; q++) {
      multiply_back(da_t(q), W_h, q, floats(d_h), B, q > 0);
      if (needs_dx) multiply_back(da_t(q), W_x, q, floats(dx) + t * B * dx.size(2), B, q > 0);
    }
    if (t % span == 0) {  // the weights' share of the steps t, t + 1, ..., while they are in the cache
      const int64_t K = std::min(span, T - t) * B;
      add_outer(floats(h) + t * B * R, R, da, K, dW_h);
      if (!symbols) add_outer(floats(x) + t * B * D, D, da, K, dW_x);
    }
  }
  if (symbols) d_bias = dW_x.sum(1);
  return {needs_dx ? std::optional(dx.narrow(2, 0, D)) : std::nullopt, d_h.narrow(1, 0, H), from_panels(dW_x, 1, H),
          from_panels(dW_h, 1, H), d_bias.flatten().narrow(0, 0, H)};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(rnnreport, library) {
  library.def("check_rnn", check);
  library.def("rnn_forward", [](Tensor x, Tensor h_0, Tensor weight_ih, Tensor weight_hh, Tensor bias) {
    return forward(x.contiguous(), h_0, weight_ih, weight_hh, bias);
  });
  library.def("rnn_backward", backward);
}
