// The openness of the temporal gate, equation (12): temporal_gate of rnnreport/cells.py, in float64 as there.
#include "kernels.h"

namespace {

// The phase at x = t - s, in [0, 1): what is left of x over the last whole period, in periods.
inline double phase(double x, double tau, double per_tau) {
  double left = std::fma(-std::floor(x * per_tau), tau, x);
  left += left < 0 ? tau : 0;  // where the quotient was rounded up to a whole number, or down from one
  left -= left >= tau ? tau : 0;
  return left * per_tau;
}

// t: (N,), gate: (3, H), tau, s and r_on, all float64. Returns k, (N, H), float32.
Tensor openness(Tensor t, Tensor gate, double leak) {
  const int64_t N = t.size(0), H = gate.size(1);
  Tensor k = at::empty({N, H}, t.options().dtype(at::kFloat));
  const double *tau = gate.const_data_ptr<double>(), *s = tau + H, *r_on = s + H;
  for (int64_t n = 0; n < N; n++) {
    const double t_n = t.const_data_ptr<double>()[n];
    float* k_n = floats(k) + n * H;
    #pragma omp simd
    for (int64_t j = 0; j < H; j++) {
      double phi = phase(t_n - s[j], tau[j], 1 / tau[j]), rising = 2 * phi / r_on[j];
      k_n[j] = float(phi < r_on[j] ? std::min(rising, 2 - rising) : leak * phi);  // (12), with leak = 0
    }
  }
  return k;
}

// Returns the loss by tau, s and r_on, (3, H), float64.
Tensor openness_backward(Tensor d_k, Tensor t, Tensor gate, double leak) {
  const int64_t N = t.size(0), H = gate.size(1);
  d_k = d_k.contiguous();
  Tensor d_gate = at::zeros({3, H}, gate.options());
  const double *tau = gate.const_data_ptr<double>(), *s = tau + H, *r_on = s + H;
  double *d_tau = d_gate.data_ptr<double>(), *d_s = d_tau + H, *d_r_on = d_s + H;
  for (int64_t n = 0; n < N; n++) {
    const double t_n = t.const_data_ptr<double>()[n];
    const float* dk = floats(d_k) + n * H;
    #pragma omp simd
    for (int64_t j = 0; j < H; j++) {
      double x = t_n - s[j], phi = phase(x, tau[j], 1 / tau[j]), slope = 2 / r_on[j];
      bool open = phi < r_on[j], rising = phi < r_on[j] / 2;
      double d_phi = dk[j] * (open ? rising ? slope : -slope : leak);
      d_tau[j] -= d_phi * x / (tau[j] * tau[j]);
      d_s[j] -= d_phi / tau[j];
      d_r_on[j] -= open ? d_phi * phi / r_on[j] : 0;
    }
  }
  return d_gate;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(rnnreport, library) {
  library.def("openness", openness);
  library.def("openness_backward", openness_backward);
}
