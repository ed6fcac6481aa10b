"""Chapter 3: the LSTM behind a temporal gate."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from rnnreport.parameters import DISTINCT, Count, Ladder, Length, Sample
from rnnreport.parameters.training import TrainingParameters

Sampling = Literal["standard", "high-resolution", "asynchronous"]


class TemporalGateParameters(TrainingParameters):
    """What chapter 3 can be told."""

    tau: Annotated[float, Field(strict=True, ge=0.5, le=1_000, description="a number from 0.5 to 1,000")]
    s: Annotated[float, Field(strict=True, ge=-10_000, le=10_000, description="a number from -10,000 to 10,000")]
    r_on: Annotated[float, Field(strict=True, ge=0.001, le=1, description="a number from 0.001 to 1")]
    test_palindromes: Sample
    ladder: Ladder
    lstm_ladder: Ladder
    ladder_steps: Count
    burst_steps: Count
    period_starts: Annotated[
        list[Annotated[float, Field(strict=True, ge=0.05, le=50)]],
        Field(description="a list of different numbers from 0.05 to 50"),
        DISTINCT,
    ]
    marked_length: Length
    marked_steps: Count
    adding_length: Annotated[int, Field(strict=True, ge=20, le=10_000, description="an integer from 20 to 10,000")]
    adding_steps: Count
    samplings: Annotated[
        list[Sampling],
        Field(description=f"a list of different samplings among {', '.join(map(repr, get_args(Sampling)))}"),
        DISTINCT,
    ]
    frequency_steps: Count
