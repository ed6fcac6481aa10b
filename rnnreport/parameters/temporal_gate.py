"""Chapter 3: the LSTM behind a temporal gate."""

from typing import Annotated, Literal

from rnnreport.parameters import DISTINCT, Count, Ladder, Length, Sample, integer, number
from rnnreport.parameters.training import TrainingParameters

FrequencyNetwork = Literal[
    "LSTM",
    "LSTM, as published",
    "gated",
    "gated, no leak",
    "gated, peepholes",
    "gated, as published, logits",
    "gated, as published",
]


class TemporalGateParameters(TrainingParameters, chapter="03_temporal_gate"):
    """The parameters of chapter 3."""

    tau: Annotated[float, number(0.5, 1_000)]
    s: Annotated[float, number(-10_000, 10_000)]
    r_on: Annotated[float, number(0.001, 1)]
    test_palindromes: Sample
    ladder: Ladder
    lstm_ladder: Ladder
    ladder_steps: Count
    burst_steps: Count
    period_starts: Annotated[list[Annotated[float, number(0.05, 50)]], DISTINCT]
    marked_length: Length
    marked_steps: Count
    adding_length: Annotated[int, integer(20, 10_000)]
    adding_steps: Count
    samplings: Annotated[list[Literal["standard", "high-resolution", "asynchronous", "two-waves"]], DISTINCT]
    frequency_networks: Annotated[list[FrequencyNetwork], DISTINCT]
    frequency_steps: Count
