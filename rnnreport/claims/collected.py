"""Verdicts as chapters show them and a build collects them: what is known of them without pandas."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from rnnreport.parameters import ParameterError, located
from rnnreport.shown import brief

METADATA = "rnnreport-verdict"  # where a shown verdict carries its data, for the ledger
VerdictName = Literal["reproduced", "contradicted", "underpowered", "not run"]
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)


class Collected(BaseModel):
    """A verdict as a build collects it, with the chapter that shows it."""

    id: str
    verdict: VerdictName
    evidence: str
    chapter: str


def collected(file: str) -> dict[str, dict[str, str]]:
    """What a build collected into the file of that name, by the claims' ids; nothing for "".

    Raises ParameterError where the file does not hold that.
    """
    try:
        found = located(file).read_bytes() if file else b"[]"
        return {verdict.id: verdict.model_dump() for verdict in TypeAdapter(list[Collected]).validate_json(found)}
    except (OSError, ValidationError) as error:
        raise ParameterError(
            f"verdicts_file must be '' or a file that a build left, verdicts.json, not {brief(file)}"
        ) from error
