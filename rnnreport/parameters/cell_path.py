"""Chapter 1c: the networks whose gradients are followed back."""

from typing import Annotated, Self

from pydantic import model_validator

from rnnreport.backends import Backend
from rnnreport.parameters import Count, Parameters, Rate, Sample, Seeds, Size, integer
from rnnreport.parameters.training import RecordedFile


class CellPathParameters(Parameters, chapter="01c_cell_path"):
    """The parameters of chapter 1c."""

    seeds: Seeds
    length: Annotated[int, integer(3, 1_000)]
    train_steps: Count
    learning_rate: Rate
    rnn_learning_rate: Rate
    hidden_size: Annotated[int, integer(1, 256)]
    batch_size: Size
    test_palindromes: Sample
    measured_palindromes: Annotated[int, integer(1, 1_000)]
    backend: Backend
    recorded_file: RecordedFile

    @model_validator(mode="after")
    def _measured_ones_exist(self) -> Self:
        if self.measured_palindromes > self.test_palindromes:
            raise ValueError(
                "measured_palindromes must be at most test_palindromes, from which they are taken "
                f"({self.test_palindromes}), not {self.measured_palindromes}"
            )
        return self
