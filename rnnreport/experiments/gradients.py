"""Chapter 1: which sizes the derivations are checked at."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from rnnreport.parameters import DISTINCT, Parameters, Seeds

# The derivations are held against finite differences entry by entry, and against the report's sums over every index.
Small = Annotated[int, Field(strict=True, ge=1, le=64, description="an integer from 1 to 64")]
Classes = Annotated[int, Field(strict=True, ge=2, le=64, description="an integer from 2 to 64")]
Short = Annotated[int, Field(strict=True, ge=2, le=100)]
Lengths = Annotated[list[Short], Field(description="a list of different integers from 2 to 100"), DISTINCT]


class GradientParameters(Parameters):
    """What chapter 1 can be told."""

    seeds: Seeds
    lengths: Lengths
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


LONGEST_BY_DIFFERENCES = 5  # of a longer sequence the gradient by the first state is lost in the rounding of the loss


class LSTMGradientParameters(Parameters):
    """What the page on the LSTM's gradients can be told."""

    seeds: Seeds
    lengths: Lengths
    input_size: Small
    hidden_size: Small
    batch_size: Small
    classes: Classes
    taus: Annotated[
        list[Annotated[float, Field(strict=True, ge=1, le=1_000)]],
        Field(description="a list of different numbers from 1 to 1,000"),
        DISTINCT,
    ]
    r_on: Annotated[float, Field(strict=True, ge=0.05, le=1, description="a number from 0.05 to 1")]

    @model_validator(mode="after")
    def _shortest_bears_differences(self) -> Self:
        if min(self.lengths) > LONGEST_BY_DIFFERENCES:
            raise ValueError(
                f"lengths must hold one of at most {LONGEST_BY_DIFFERENCES}, at which finite differences are taken, "
                f"not {self.lengths}"
            )
        return self
