"""Chapter 1: which sizes the derivations are checked at."""

from typing import Annotated

from pydantic import Field

from rnnreport.parameters import DISTINCT, Classes, Parameters, Seeds, ShortLengths, Small


class GradientParameters(Parameters):
    """What chapter 1 can be told."""

    seeds: Seeds
    lengths: ShortLengths
    input_size: Small
    hidden_size: Small
    batch_size: Small
    classes: Classes
    spectral_radii: Annotated[
        list[Annotated[float, Field(strict=True, ge=0.01, le=10)]],
        Field(description="a list of different numbers from 0.01 to 10"),
        DISTINCT,
    ]
    horizon: Annotated[int, Field(strict=True, ge=2, le=1_000, description="an integer from 2 to 1,000")]
