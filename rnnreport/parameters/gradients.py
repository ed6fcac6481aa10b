"""Chapter 1: which sizes the derivations are checked at."""

from typing import Annotated

from rnnreport.parameters import DISTINCT, Classes, Parameters, Seeds, ShortLengths, Small, integer, number


class GradientParameters(Parameters, chapter="01_gradients"):
    """The parameters of chapter 1."""

    seeds: Seeds
    lengths: ShortLengths
    input_size: Small
    hidden_size: Small
    batch_size: Small
    classes: Classes
    spectral_radii: Annotated[list[Annotated[float, number(0.01, 10)]], DISTINCT]
    horizon: Annotated[int, integer(2, 1_000)]
