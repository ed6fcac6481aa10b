"""Question 1.1 as code, and the same for the LSTM and the temporal gate.

Several ways to the same gradients:

- :func:`gradients`, :func:`lstm_gradients` and :func:`gate_gradients`, the derivations of chapter 1, written by hand;
- :func:`autograd`, PyTorch's derivative of the equations, which decides who is right;
- :func:`numeric`, central differences, which need no calculus at all;
- :func:`printed_wph` and :func:`printed_whh`, the expressions of the 2018 report, evaluated as they stand.

:mod:`rnnreport.gradients.proof` proves a single step of a derivation, with SymPy too; it is imported by its own name.

Shapes: T steps, B sequences in the batch, D input size, H hidden units, K classes. Sequences are time first, and the
loss is the mean over the batch, so every gradient carries a factor 1/B. Use float64: a gradient that vanishes leaves
float32's range within a few hundred steps.
"""

from rnnreport.gradients.judges import by_autograd, by_differences, relative_difference
from rnnreport.gradients.lstm import LSTMWeights, gate_branch, gate_gradients, lstm_draw, lstm_forward, lstm_gradients
from rnnreport.gradients.printed import (
    KINDEST,
    LITERAL,
    REPAIRED,
    WHH_READINGS,
    WPH_READINGS,
    WhhReading,
    printed_whh,
    printed_wph,
)
from rnnreport.gradients.rnn import (
    Weights,
    autograd,
    contributions_by_lag,
    deltas,
    draw,
    forward,
    gradients,
    jacobian_bound,
    jacobian_norms,
    jacobians,
    numeric,
    output_error,
)
