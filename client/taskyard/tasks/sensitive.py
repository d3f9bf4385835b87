"""`Sensitive()`: marks a part of a payload that only the handler may see (docs/adr/0018-sensitive-fields.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sensitive:
    """`token: Annotated[str, Sensitive()]`. The handler gets the value as it is; every view, log and error has
    `**********` in its place. pydantic's SecretStr, SecretBytes and Secret[T] are sensitive by themselves."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(sensitive_value, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "writeOnly": True}


def sensitive_value(value: Any) -> Any:
    """Returns the value. As a validator in pydantic's schema it is the mark that `Sensitive` leaves there."""
    return value
