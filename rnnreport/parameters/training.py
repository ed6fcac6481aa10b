"""The parameters that all chapters share which train and show recorded runs."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from rnnreport.backends import Backend
from rnnreport.configuration import check_device
from rnnreport.experiments import recorded
from rnnreport.parameters import Count, FileName, Lengths, Parameters, Rate, Seeds, Size


def _present(device: str) -> str:
    if device != "cpu":  # which every machine has; whether it has another takes torch to say, a second and a half
        check_device(device)
    return device


def _recorded(file: str) -> str:
    if file and not recorded.is_there(file):
        raise ValueError(f"recorded_file must be '' or a file that `rnnreport record` made; there is no {file!r}")
    return file


RecordedFile = Annotated[FileName, AfterValidator(_recorded)]


class TrainingParameters(Parameters):
    """The parameters that each of these chapters has."""

    seeds: Seeds
    lengths: Lengths
    train_steps: Count
    learning_rate: Rate
    hidden_size: Size
    batch_size: Size
    device: Annotated[
        str, Field(strict=True, description="a text that names a device, such as 'cpu'"), AfterValidator(_present)
    ]
    backend: Backend
    recorded_file: RecordedFile

    @property
    def common(self) -> dict[str, Any]:
        """The settings that all runs of the chapter share: sizes, and the device."""
        return self.model_dump(include={"hidden_size", "batch_size", "test_palindromes", "device"})
