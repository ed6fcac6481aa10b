// Characters out of a stack of LSTM layers, one at a time: _run of rnnreport/sampling.py. Everything is float.
#include "kernels.h"

namespace {

// The first symbol whose cumulated probability, of softmax(logits / temperature), reaches the share u of the whole.
int64_t choose(const float* logits, int64_t V, double temperature, double u, std::vector<double>& cumulated) {
  const double best = *std::max_element(logits, logits + V);
  double sum = 0;
  for (int64_t v = 0; v < V; v++) cumulated[v] = sum += std::exp((logits[v] - best) / temperature);
  const int64_t first = std::lower_bound(cumulated.begin(), cumulated.end(), u * sum) - cumulated.begin();
  return std::min(first, V - 1);  // a sum that is no number is never reached
}

// text: (T + length, B), its first T rows given; the others are written: chosen by u, (length, B) in (0, 1], or without
// it the likeliest. h: (B, L H) and c: (L, B, H) are the states, and move on. The weights are those of _Weights, there.
void sample(Tensor text, int64_t length, std::optional<Tensor> u, double temperature, Tensor table,
            std::vector<Tensor> matrices, std::vector<Tensor> biases, Tensor W_p, Tensor b_p, Tensor h, Tensor c) {
  const int64_t steps = text.size(0) - 1, given = text.size(0) - length, B = text.size(1);
  const int64_t L = c.size(0), H = c.size(2), V = W_p.size(1);
  Tensor gates = at::empty({B, 4 * H}, c.options()), scores = at::empty({B, V}, c.options());
  std::vector<double> cumulated(V);
  int64_t* symbols = text.data_ptr<int64_t>();

  for (int64_t t = 0; t < steps; t++, symbols += B) {
    for (int64_t layer = 0; layer < L; layer++) {
      const int64_t below = layer ? H : 0;  // the layer reads the new h below it, which stands beside its own
      float* a = floats(gates);
      product(floats(h) + layer * H - below, L * H, floats(matrices[layer]), a, B, 4 * H, H + below, false);
      for (int64_t b = 0; b < B; b++, a += 4 * H) {
        const float* in = layer ? floats(biases[layer - 1]) : floats(table) + symbols[b] * 4 * H;
        float *h_b = floats(h) + (b * L + layer) * H, *c_b = floats(c) + (layer * B + b) * H;
        #pragma omp simd
        for (int64_t j = 0; j < H; j++) {
          float i = sigmoid(a[j] + in[j]), f = sigmoid(a[H + j] + in[H + j]);                        // (5), (6)
          float o = sigmoid(a[2 * H + j] + in[2 * H + j]), g = tanh_(a[3 * H + j] + in[3 * H + j]);  // (7), (4)
          c_b[j] = f * c_b[j] + i * g;                                                               // (8)
          h_b[j] = o * tanh_(c_b[j]);                                                                // (9)
        }
      }
    }
    if (t < given - 1) continue;  // the following character is given
    product(floats(h) + (L - 1) * H, L * H, floats(W_p), floats(scores), B, V, H, false);
    for (int64_t b = 0; b < B; b++) {
      float *logits = floats(scores) + b * V, *bias = floats(b_p);
      for (int64_t v = 0; v < V; v++) logits[v] += bias[v];
      const int64_t draw = (t - given + 1) * B + b;
      symbols[B + b] = u ? choose(logits, V, temperature, u->const_data_ptr<double>()[draw], cumulated)
                         : std::max_element(logits, logits + V) - logits;
    }
  }
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(rnnreport, library) { library.def("sample", sample); }
