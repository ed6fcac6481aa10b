"""Chapter 6, the appendix on speed: the two records that it shows."""

import json
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from rnnreport import checksums
from rnnreport.experiments import recorded
from rnnreport.parameters import FileName, ParameterError, Parameters, located
from rnnreport.shown import brief

Comparison = dict[str, Any]  # contenders that did the same work in turns: an entry of the record
Record = dict[str, Any]  # ``comparisons``, their ``conditions``, and ``apart``, those of tasks that have their own


class SpeedParameters(Parameters, chapter="06_speed"):
    """The parameters of the appendix on speed."""

    benchmarks_file: Annotated[FileName, Field(min_length=1, description="the name of a file, in UTF-8")]
    learning_file: FileName

    @model_validator(mode="after")
    def _readable(self) -> Self:
        read(self.benchmarks_file)
        if self.learning_file and not recorded.is_there(self.learning_file):
            raise ValueError(
                "learning_file must be '' or a file that `rnnreport bench --learning` made; there is no "
                f"{brief(self.learning_file)}"
            )
        return self


def read(file: str) -> Record:
    """A record of ``make bench``, by its path, as :func:`located`. Raises ParameterError where there is none."""
    try:
        record = json.loads(checksums.verify(located(file)).read_text(encoding="utf-8"))
        return {
            "conditions": record["conditions"],
            "apart": record.get("apart", {}),
            "comparisons": record["comparisons"],
        }
    except checksums.DamagedError as error:
        raise ParameterError(f"benchmarks_file: {error}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(f"benchmarks_file must be a file that `make bench` wrote, not {file!r}") from error
