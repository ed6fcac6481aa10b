"""Chapter 8: the two records that it shows."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from rnnreport.parameters import FileName, Parameters


class TrustParameters(Parameters, chapter="08_trust"):
    """The parameters of chapter 8."""

    mutants_file: Annotated[FileName, Field(min_length=1, description="the name of a file, in UTF-8")]
    abuse_file: Annotated[FileName, Field(min_length=1, description="the name of a file, in UTF-8")]

    @model_validator(mode="after")
    def _readable(self) -> Self:
        from rnnreport.experiments import trust  # with pandas, which takes long to import

        trust.mutants(self.mutants_file)
        trust.abuse(self.abuse_file)
        return self
