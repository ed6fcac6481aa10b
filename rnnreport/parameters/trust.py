"""Chapter 8: the two records that it shows."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from rnnreport import checksums
from rnnreport.parameters import FileName, Parameters, located


class TrustParameters(Parameters, chapter="08_trust"):
    """The parameters of chapter 8."""

    mutants_file: Annotated[FileName, Field(min_length=1, description="the name of a file, in UTF-8")]
    abuse_file: Annotated[FileName, Field(min_length=1, description="the name of a file, in UTF-8")]

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if not (_is_ours(self.mutants_file, "mutants.parquet") and _is_ours(self.abuse_file, "abuse.csv")):
            from rnnreport.experiments import trust  # with pandas, which takes long to import

            trust.mutants(self.mutants_file)
            trust.abuse(self.abuse_file)
        return self


def _is_ours(file: str, name: str) -> bool:
    """Whether it is this record of the project's own, as it was written, which needs no reading to be known as good."""
    path = located(file).resolve()
    try:
        return path == checksums.DATA / name and checksums.is_vouched_for(path)
    except (OSError, checksums.DamagedError):
        return False  # reading says what is wrong
