"""Chapter 1b: which sizes the LSTM's derivations are checked at."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from rnnreport.parameters import DISTINCT, Classes, Parameters, Seeds, ShortLengths, Small

LONGEST_BY_DIFFERENCES = 5  # of a longer sequence the gradient by the first state is lost in the rounding of the loss


class LSTMGradientParameters(Parameters):
    """What the page on the LSTM's gradients can be told."""

    seeds: Seeds
    lengths: ShortLengths
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
