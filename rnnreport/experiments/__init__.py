"""What the chapters run: for each, its parameters, and for each figure a function from these to a table of runs."""

from typing import Annotated

from pydantic import AfterValidator, Field

from rnnreport.parameters import Count, Lengths, Parameters, Rate, Seeds, Size
from rnnreport.training import check_device


def _present(name: str) -> str:
    check_device(name)
    return name


class TrainingParameters(Parameters):
    """What all chapters that train can be told."""

    seeds: Seeds
    lengths: Lengths
    train_steps: Count
    learning_rate: Rate
    hidden_size: Size
    batch_size: Size
    device: Annotated[
        str, Field(strict=True, description="a text that names a device, such as 'cpu'"), AfterValidator(_present)
    ]
