"""Chapter 1: which sizes the derivations are checked at."""

from rnnreport.parameters import Count, Counts2, Lengths, Parameters, Positives, Ratio, Seeds


class GradientParameters(Parameters):
    """What chapter 1 can be told."""

    seeds: Seeds
    lengths: Lengths
    input_size: Count
    hidden_size: Count
    batch_size: Count
    classes: Counts2
    spectral_radii: Positives
    horizon: Counts2


class LSTMGradientParameters(Parameters):
    """What the page on the LSTM's gradients can be told."""

    seeds: Seeds
    lengths: Lengths
    input_size: Count
    hidden_size: Count
    batch_size: Count
    classes: Counts2
    taus: Positives
    r_on: Ratio
