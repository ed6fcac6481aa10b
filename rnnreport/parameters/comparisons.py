"""Chapter 3b: other cells, and two classic tests of a long memory."""

from typing import Annotated, Self

from pydantic import model_validator

from rnnreport import corpora
from rnnreport.parameters import DISTINCT, Count, Length3, Rate, Rates, Sample, TextName, integer
from rnnreport.parameters.training import TrainingParameters

TEXT_WINDOW = 30  # characters, the course's


class ComparisonParameters(TrainingParameters, chapter="03b_comparisons"):
    """The parameters of chapter 3b."""

    layers: Annotated[int, integer(1, 8)]
    learning_rates: Rates
    palindrome_length: Length3
    palindrome_steps: Count
    sum_length: Annotated[int, integer(20, 10_000)]
    sum_steps: Count
    corpus: TextName
    text_steps: Count
    lengths: Annotated[list[Annotated[int, integer(20, 10_000)]], DISTINCT]
    delays: Annotated[list[Length3], DISTINCT]
    copy_steps: Count
    rnn_learning_rate: Rate
    test_sequences: Sample

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            corpora.load(self.corpus).check_length(TEXT_WINDOW)
        except corpora.CorpusError as error:
            raise ValueError(f"corpus: {error}") from error
        return self
