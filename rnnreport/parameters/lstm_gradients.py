"""Chapter 1b: which sizes the LSTM's derivations are checked at."""

from typing import Annotated, Self

from pydantic import model_validator

from rnnreport.parameters import DISTINCT, Classes, Parameters, Seeds, ShortLengths, Small, number

LONGEST_BY_DIFFERENCES = 5  # of a longer sequence the gradient by the first state is lost in the rounding of the loss


class LSTMGradientParameters(Parameters, chapter="01b_lstm_gradients"):
    """The parameters of chapter 1b."""

    seeds: Seeds
    lengths: ShortLengths
    input_size: Small
    hidden_size: Small
    batch_size: Small
    classes: Classes
    taus: Annotated[list[Annotated[float, number(1, 1_000)]], DISTINCT]
    r_on: Annotated[float, number(0.05, 1)]

    @model_validator(mode="after")
    def _shortest_bears_differences(self) -> Self:
        if min(self.lengths) > LONGEST_BY_DIFFERENCES:
            raise ValueError(
                f"lengths must hold one of at most {LONGEST_BY_DIFFERENCES}, at which finite differences are taken, "
                f"not {self.lengths}"
            )
        return self
