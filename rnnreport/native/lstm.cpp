// The LSTM over a whole sequence, one layer a call: _LSTM of rnnreport/recurrence.py, with its temporal gate or without.
//
// Matrix products take factors of type E, float or bfloat16; sums, states and activations are float. Unlike there the
// input is projected step by step, and units come in panels of 16 with their four gates side by side, in torch's order
// i, f, g, o: what a panel needs stays in the cache. k is None, or the openness (T, H) or (T, B, H). p is None, or the
// peepholes, (3, H), of peephole_lstm_step in rnnreport/cells.py.
#include "kernels.h"

namespace {

constexpr int64_t UNITS = PANEL / 4;

// Refuses what the kernels would read past the end of.
void check(Tensor x, Tensor h_0, Tensor c_0, Tensor weight_ih, Tensor weight_hh, Tensor bias, std::optional<Tensor> k) {
  const int64_t T = x.size(0), B = h_0.size(0), H = weight_hh.size(1);
  TORCH_CHECK(h_0.sizes() == at::IntArrayRef({B, H}) && c_0.sizes() == h_0.sizes(),
              "h_0 and c_0 must have the shape (B, H)");
  check_weights(weight_ih, weight_hh, bias, 4);
  TORCH_CHECK(!k || k->sizes() == at::IntArrayRef({T, H}) || k->sizes() == at::IntArrayRef({T, B, H}),
              "k must have the shape (T, H) or (T, B, H)");
  check_floats({h_0, c_0, weight_ih, weight_hh, bias, k.value_or(bias)});
  check_input(x, B, weight_ih.size(1));
}

// k, (T, 1 or B, R): 0 for the units that there are not.
Tensor openness(const Tensor& k, int64_t R) {
  const Tensor rows = k.dim() == 2 ? k.unsqueeze(1) : k;
  return padded<float>(rows, rows.size(1), R);
}

// The rows of peepholes for a panel's units.
struct Peepholes {
  float *i, *f, *o;
  Peepholes(const Tensor& p, int64_t q) : i(floats(p) + q * UNITS), f(i + p.size(1)), o(f + p.size(1)) {}
};

// Returns h(0)...h(T) and c(0)...c(T), (T+1, B, R): the H units, and zeros up to R, whole panels. And what the backward
// pass needs: the candidates for c, (T, B, R), which without k are c(1)...c(T) themselves; the gates, (T, Q, B, 64); and
// as left factors h, which is that above if E is float, and x, or the symbols as they are.
template <class E, bool gated, bool peeping>
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> forward(
    Tensor x, Tensor h_0, Tensor c_0, Tensor weight_ih, Tensor weight_hh, Tensor bias, std::optional<Tensor> k,
    std::optional<Tensor> p) {
  const int64_t T = x.size(0), B = x.size(1), H = weight_hh.size(1), Q = (H + UNITS - 1) / UNITS, R = Q * UNITS;
  const int64_t D = summed<E>(weight_ih.size(1));
  const bool symbols = x.dim() == 2;
  const auto real = h_0.options();
  Tensor h = at::empty({T + 1, B, R}, real), c = at::empty({T + 1, B, R}, real), gates = at::empty({T, Q, B, PANEL}, real);
  h[0].copy_(padded<float>(h_0, B, R)), c[0].copy_(padded<float>(c_0, B, R));
  Tensor c_hat = gated ? at::empty({T, B, R}, real) : c.narrow(0, 1, T);
  Tensor h_left = pairs<E> ? at::empty(h.sizes(), real.dtype(at::kBFloat16)) : h;
  if (pairs<E>) h_left[0].copy_(h[0]);
  Tensor x_left = symbols ? x : padded<E>(x.flatten(0, 1), summed<E>(T * B), D);
  Tensor W_h = in_panels<E>(by_panel(weight_hh, 4).t()), W_x = symbols ? W_h : in_panels<E>(by_panel(weight_ih, 4).t());
  Tensor table = by_panel(bias.unsqueeze(1), 4).view({Q, 1, PANEL});  // what any row of features, or a symbol, adds
  if (symbols) table = in_panels<float>(by_panel(weight_ih, 4).t()) + table;
  Tensor open = gated ? openness(*k, R) : c, peepholes = peeping ? padded<float>(*p, 3, R) : at::zeros({3, R}, real);
  const int64_t k_rows = open.size(1), k_row = k_rows > 1 ? R : 0;
  const int64_t* symbol = symbols ? integers(x) : nullptr;
  const auto factors = [](Tensor& x) { return x.data_ptr<E>(); };

  Release at_the_end;
  for (int64_t t = 0; t < T; t++) {
    for (int64_t q = 0; q < Q; q++) {
      const int64_t at = t * B * R + q * UNITS;
      const float *c_old = floats(c) + at, *h_old = floats(h) + at, *k_t = floats(open) + t * k_rows * R + q * UNITS;
      float *c_t = floats(c) + at + B * R, *h_t = floats(h) + at + B * R, *c_new = floats(c_hat) + at;
      const Peepholes p_q(peepholes, q);
      E* left = factors(h_left) + at + B * R;
      const float* adds = floats(table) + q * table.size(1) * PANEL;
      float* a = floats(gates) + (t * Q + q) * B * PANEL;
      if (!symbols) multiply(factors(x_left) + t * B * D, D, factors(W_x) + q * D * PANEL, a, PANEL, B, D, false);
      multiply(factors(h_left) + t * B * R, R, factors(W_h) + q * summed<E>(H) * PANEL, a, PANEL, B, H, !symbols);
      for (int64_t b = 0; b < B; b++) {
        const float* in = symbols ? adds + symbol[t * B + b] * PANEL : adds;
        #pragma omp simd
        for (int64_t j = 0; j < UNITS; j++) {
          float a_i = a[j] + in[j], a_f = a[16 + j] + in[16 + j], a_o = a[48 + j] + in[48 + j];
          if (peeping) a_i += p_q.i[j] * c_old[j], a_f += p_q.f[j] * c_old[j];
          float i = sigmoid(a_i), f = sigmoid(a_f), g = tanh_(a[32 + j] + in[32 + j]);     // (5), (6), (4)
          float c_j = f * c_old[j] + i * g;                                                // (8), or (13)
          if (peeping) a_o += p_q.o[j] * c_j;
          float o = sigmoid(a_o), h_j = o * tanh_(c_j);                                    // (7), (9), or (15)
          a[j] = i; a[16 + j] = f; a[32 + j] = g; a[48 + j] = o;
          c_new[j] = c_j;
          if (gated) {
            c_t[j] = c_old[j] + k_t[j] * (c_j - c_old[j]);                                 // (14)
            h_j = h_old[j] + k_t[j] * (h_j - h_old[j]);                                    // (16)
          }
          h_t[j] = h_j;
          if (pairs<E>) put(left + j, h_j);
        }
        a += PANEL, c_old += R, h_old += R, k_t += k_row, c_t += R, h_t += R, c_new += R, left += R;
      }
    }
  }
  return {h, c, c_hat, gates, h_left, x_left};
}

// Returns the loss by x (None for symbols, or where it is not needed), h_0, c_0, weight_ih, weight_hh, bias, k and p.
template <class E, bool gated, bool peeping>
std::tuple<std::optional<Tensor>, Tensor, Tensor, Tensor, Tensor, Tensor, std::optional<Tensor>, std::optional<Tensor>>
backward(
    std::optional<Tensor> d_output, std::optional<Tensor> d_h_last, std::optional<Tensor> d_c_last, Tensor weight_ih,
    Tensor weight_hh, std::optional<Tensor> k, std::optional<Tensor> p, Tensor h, Tensor c, Tensor c_hat, Tensor gates,
    Tensor h_left, Tensor x_left, bool needs_dx) {
  const int64_t T = gates.size(0), Q = gates.size(1), B = gates.size(2), R = Q * UNITS, H = weight_hh.size(1);
  const int64_t D = weight_ih.size(1), N = panels(H) * PANEL, span = steps_at_once(B);
  const bool symbols = x_left.scalar_type() == at::kLong;
  const auto real = c.options();
  const auto start = [&](const std::optional<Tensor>& d_last) {
    return d_last ? padded<float>(*d_last, B, N).clone() : at::zeros({B, N}, real);
  };
  Tensor d_h = start(d_h_last), d_c = start(d_c_last);  // from the steps after t
  Tensor d_outputs = d_output ? padded<float>(*d_output, B, R) : d_h;
  Tensor W_h = in_panels<E>(by_panel(weight_hh, 4)), W_x = needs_dx ? in_panels<E>(by_panel(weight_ih, 4)) : W_h;
  Tensor dW_h = at::zeros({Q, H, PANEL}, real), dW_x = at::zeros({Q, D, PANEL}, real), d_bias = at::zeros({Q, PANEL}, real);
  Tensor dx = at::empty({needs_dx ? T : 0, B, panels(D) * PANEL}, real);
  Tensor da = at::zeros({Q, summed<E>(span * B), PANEL}, h_left.options());
  Tensor open = gated ? openness(*k, R) : c, d_k = gated ? at::zeros(open.sizes(), real) : c;
  Tensor peepholes = peeping ? padded<float>(*p, 3, R) : at::zeros({3, R}, real), d_peepholes = at::zeros({3, R}, real);
  const int64_t k_rows = open.size(1), k_row = k_rows > 1 ? R : 0, d_out_row = d_output ? R : 0;
  const int64_t* symbol = symbols ? integers(x_left) : nullptr;

  Release at_the_end;
  for (int64_t t = T - 1; t >= 0; t--) {
    const auto da_t = [&](int64_t q) { return da.data_ptr<E>() + (q * da.size(1) + t % span * B) * PANEL; };
    for (int64_t q = 0; q < Q; q++) {
      const int64_t at = t * B * R + q * UNITS, k_at = t * k_rows * R + q * UNITS;
      const float *c_old = floats(c) + at, *h_old = floats(h) + at, *c_new = floats(c_hat) + at, *k_t = floats(open) + k_at;
      const float *a = floats(gates) + (t * Q + q) * B * PANEL, *d_out = d_output ? floats(d_outputs) + at : nothing;
      float *dh = floats(d_h) + q * UNITS, *dc = floats(d_c) + q * UNITS, *dk = floats(d_k) + k_at;
      const Peepholes p_q(peepholes, q), d_p(d_peepholes, q);
      float* d_adds = symbols ? floats(dW_x) + q * D * PANEL : floats(d_bias) + q * PANEL;
      E* da_b = da_t(q);
      for (int64_t b = 0; b < B; b++) {
        float* d_in = symbols ? d_adds + symbol[t * B + b] * PANEL : d_adds;
        #pragma omp simd
        for (int64_t j = 0; j < UNITS; j++) {
          float i = a[j], f = a[16 + j], g = a[32 + j], o = a[48 + j], z = tanh_(c_new[j]);
          float dh_t = dh[j] + d_out[j], dc_t = dc[j], past = 0;
          if (gated) {  // (14), (16): a share k goes into the candidates, 1 - k past them
            dk[j] += dh_t * (o * z - h_old[j]) + dc_t * (c_new[j] - c_old[j]);
            dh[j] = dh_t * (1 - k_t[j]), past = dc_t * (1 - k_t[j]);
            dh_t *= k_t[j], dc_t *= k_t[j];
          }
          float da_o = dh_t * z * o * (1 - o);                                        // (9), (15), then (7)
          dc_t += dh_t * o * (1 - z * z);
          if (peeping) dc_t += da_o * p_q.o[j];
          float da_i = dc_t * g * i * (1 - i), da_f = dc_t * c_old[j] * f * (1 - f);  // (8), (13), then (5), (6)
          float da_g = dc_t * i * (1 - g * g);                                        // (4)
          dc[j] = dc_t * f + past;
          if (peeping) {
            dc[j] += da_i * p_q.i[j] + da_f * p_q.f[j];
            d_p.i[j] += da_i * c_old[j], d_p.f[j] += da_f * c_old[j], d_p.o[j] += da_o * c_new[j];
          }
          d_in[j] += da_i; d_in[16 + j] += da_f; d_in[32 + j] += da_g; d_in[48 + j] += da_o;
          put(da_b + j, da_i); put(da_b + 16 + j, da_f); put(da_b + 32 + j, da_g); put(da_b + 48 + j, da_o);
        }
        a += PANEL, c_old += R, h_old += R, c_new += R, k_t += k_row, d_out += d_out_row;
        dh += N, dc += N, dk += k_row, da_b += PANEL;
      }
    }
    for (int64_t q = 0; q < Q; q++) {
      multiply_back(da_t(q), W_h, q, floats(d_h), B, gated || q > 0);
      if (needs_dx) multiply_back(da_t(q), W_x, q, floats(dx) + t * B * dx.size(2), B, q > 0);
    }
    if (t % span == 0) {  // the weights' share of the steps t, t + 1, ..., while they are in the cache
      const int64_t K = std::min(span, T - t) * B;
      if (K < summed<E>(K)) da.select(1, K).zero_();
      add_outer(h_left.data_ptr<E>() + t * B * R, R, da, K, dW_h);
      if (!symbols) add_outer(x_left.data_ptr<E>() + t * B * x_left.size(1), x_left.size(1), da, K, dW_x);
    }
  }
  if (symbols) d_bias = dW_x.sum(1);
  if (gated) d_k = d_k.narrow(2, 0, H).reshape(k->sizes());
  return {needs_dx ? std::optional(dx.narrow(2, 0, D)) : std::nullopt, d_h.narrow(1, 0, H), d_c.narrow(1, 0, H),
          from_panels(dW_x, 4, H), from_panels(dW_h, 4, H), from_panels(d_bias.unsqueeze(1), 4, H).flatten(),
          gated ? std::optional(d_k) : std::nullopt,
          peeping ? std::optional(d_peepholes.narrow(1, 0, H)) : std::nullopt};
}

// The instance for float or bfloat16, with a gate or without, with peepholes or without.
#define INSTANCE(pass) \
  (p ? k ? pass<float, true, true> : pass<float, false, true> \
     : k ? pass<float, true, false> : bf16 ? pass<bfloat16, false, false> : pass<float, false, false>)

auto lstm_forward(Tensor x, Tensor h_0, Tensor c_0, Tensor weight_ih, Tensor weight_hh, Tensor bias,
                  std::optional<Tensor> k, std::optional<Tensor> p, bool bf16) {
  TORCH_CHECK(!p || p->sizes() == at::IntArrayRef({3, weight_hh.size(1)}), "peepholes must have the shape (3, H)");
  check_floats({p.value_or(bias)});
  return INSTANCE(forward)(x.contiguous(), h_0, c_0, weight_ih, weight_hh, bias, k, p);
}

auto lstm_backward(std::optional<Tensor> d_output, std::optional<Tensor> d_h_last, std::optional<Tensor> d_c_last,
                   Tensor weight_ih, Tensor weight_hh, std::optional<Tensor> k, std::optional<Tensor> p, Tensor h,
                   Tensor c, Tensor c_hat, Tensor gates, Tensor h_left, Tensor x_left, bool needs_dx) {
  const bool bf16 = h_left.scalar_type() == at::kBFloat16;
  return INSTANCE(backward)(
      d_output, d_h_last, d_c_last, weight_ih, weight_hh, k, p, h, c, c_hat, gates, h_left, x_left, needs_dx);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(rnnreport, library) {
  library.def("check_lstm", check);
  library.def("lstm_forward", lstm_forward);
  library.def("lstm_backward", lstm_backward);
  library.def("fast_bf16", [] { return at::native::cpublas::could_pack(at::kBFloat16); });
}
