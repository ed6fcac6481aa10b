"""Chapter 2: the vanilla RNN and the LSTM on palindromes."""

from typing import Annotated, get_args

from pydantic import AfterValidator, Field

from rnnreport.configuration import Encoding, ModelName, OptimizerName
from rnnreport.parameters import DISTINCT, Count, Ladder, Length, Length3, Rate, Rates, Sample
from rnnreport.parameters.training import TrainingParameters


def _with_rnn(models: list[str]) -> list[str]:
    if "rnn" not in models:
        raise ValueError
    return models


class RNNVersusLSTMParameters(TrainingParameters, chapter="02_rnn_versus_lstm"):
    """The parameters of chapter 2."""

    models: Annotated[
        list[ModelName],
        Field(description=f"a list of different models among {str(get_args(ModelName))[1:-1]}, 'rnn' one of them"),
        DISTINCT,
        AfterValidator(_with_rnn),
    ]
    early_steps: Count
    longest_rate: Rate
    learning_rates: Rates
    optimizers: Annotated[list[OptimizerName], DISTINCT]
    optimizer_length: Length
    optimizer_steps: Count
    ladder: Ladder
    ladder_steps: Count
    far_ladder: Ladder
    far_steps: Count
    kept_length: Length3
    kept_steps: Count
    encoding: Annotated[Encoding, Field(description="'scalar' or 'one-hot'")]
    test_palindromes: Sample

    def grown_rate(self, length: int) -> float:
        """The learning rate of figures 2a and 2b, which grows evenly with T, from learning_rate to longest_rate."""
        shortest, longest = min(self.lengths), max(self.lengths)
        share = (length - shortest) / (longest - shortest) if longest > shortest else 0.0
        return float(f"{self.learning_rate + share * (self.longest_rate - self.learning_rate):.6g}")
