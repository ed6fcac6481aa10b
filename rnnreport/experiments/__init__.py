"""What the chapters run: for each, its parameters, and for each figure a function from these to a table of runs."""

from typing import Annotated

from pydantic import AfterValidator

from rnnreport.parameters import Count, Lengths, Parameters, Positive
from rnnreport.training import check_device


def _present(name: str) -> str:
    check_device(name)
    return name


class TrainingParameters(Parameters):
    """What all chapters that train can be told."""

    lengths: Lengths
    train_steps: Count
    learning_rate: Positive
    hidden_size: Count
    batch_size: Count
    device: Annotated[str, AfterValidator(_present)]
