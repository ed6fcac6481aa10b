"""Chapter 1c: the networks whose gradients are followed back."""

from typing import Annotated, Self, get_args

from pydantic import Field, model_validator

from rnnreport.backends import Backend
from rnnreport.parameters import Count, Parameters, Rate, Sample, Seeds, Size


class CellPathParameters(Parameters):
    """What the page on the LSTM's cell path can be told."""

    seeds: Seeds
    length: Annotated[int, Field(strict=True, ge=3, le=1_000, description="an integer from 3 to 1,000")]
    train_steps: Count
    learning_rate: Rate
    rnn_learning_rate: Rate
    hidden_size: Annotated[int, Field(strict=True, ge=1, le=256, description="an integer from 1 to 256")]
    batch_size: Size
    test_palindromes: Sample
    measured_palindromes: Annotated[int, Field(strict=True, ge=1, le=1_000, description="an integer from 1 to 1,000")]
    backend: Annotated[Backend, Field(description=f"one of {', '.join(map(repr, get_args(Backend)))}")]

    @model_validator(mode="after")
    def _measured_ones_exist(self) -> Self:
        if self.measured_palindromes > self.test_palindromes:
            raise ValueError(
                "measured_palindromes must be at most test_palindromes, from which they are taken "
                f"({self.test_palindromes}), not {self.measured_palindromes}"
            )
        return self
