"""Chapter 5: which verdicts the ledger lists."""

from typing import Annotated

from pydantic import AfterValidator, Field

from rnnreport.claims.collected import VERDICTS, VerdictName, collected
from rnnreport.parameters import DISTINCT, FileName, Parameters


def _readable(file: str) -> str:
    collected(file)
    return file


class ClaimsParameters(Parameters):
    """What chapter 5 can be told."""

    verdicts: Annotated[
        list[VerdictName],
        Field(description=f"a list of different verdicts among {', '.join(map(repr, VERDICTS))}"),
        DISTINCT,
    ]
    verdicts_file: Annotated[FileName, AfterValidator(_readable)]
