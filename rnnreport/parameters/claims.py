"""The first page and chapter 5: what a build has collected, and which verdicts the ledger lists."""

from typing import Annotated

from pydantic import AfterValidator

from rnnreport.claims.collected import VerdictName, collected
from rnnreport.parameters import DISTINCT, FileName, Parameters


def _readable(file: str) -> str:
    collected(file)
    return file


class IndexParameters(Parameters, chapter="index"):
    """The parameters of the first page."""

    collected_file: Annotated[FileName, AfterValidator(_readable)]


class ClaimsParameters(IndexParameters, chapter="05_claims"):
    """The parameters of chapter 5."""

    verdicts: Annotated[list[VerdictName], DISTINCT]
