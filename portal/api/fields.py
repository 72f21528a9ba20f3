"""The fields of requests. What has the wrong form is no try; what is wrong is judged elsewhere."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from auth_core import Secret

_SECRET = r"^([0-9]{4}|[0-9]{8})$"  # noqa: S105 - the form of one
_PASSWORD = r"^[0-9]{8}$"  # noqa: S105 - the form of one
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]+$"


class Body(BaseModel):
    """A request's body: these fields and no others. It shows nothing of what was given."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return []


def _secret(pattern: str, what: str) -> Any:
    form = re.compile(pattern)

    def validated(given: object) -> Secret:
        if not isinstance(given, str) or form.fullmatch(given) is None:
            raise ValueError(f"give {what}")
        return Secret(given)

    return validated


def _schema(pattern: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": pattern, "format": "password", "writeOnly": True, **more}
    )


SecretField = Annotated[
    Secret, PlainValidator(_secret(_SECRET, "4 or 8 digits")), _schema(_SECRET, examples=["4821"])
]
PasswordField = Annotated[
    Secret, PlainValidator(_secret(_PASSWORD, "8 digits")), _schema(_PASSWORD)
]
CafCode = Annotated[str, Field(pattern=r"^[0-9]{3}$", examples=["751"])]
PostalCode = Annotated[str, Field(pattern=r"^[0-9]{5}$", examples=["75011"])]
Matricule = Annotated[str, Field(pattern=r"^[0-9]{7}$", examples=["0123456"])]
DayMonth = Annotated[str, Field(pattern=r"^[0-9]{4}$", description="JJMM", examples=["1403"])]
Device = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{43}$",
        description="What an earlier login answered; it keeps an allowance of tries of its own.",
    ),
]
Line = Annotated[str, Field(min_length=1, max_length=80, pattern=_PRINTABLE)]
Agent = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00-\x20\x7f-\xa0][^\x00-\x1f\x7f-\x9f]*$",
        description="Who acts; kept in the audit trail.",
        examples=["Mme Martin"],
    ),
]
