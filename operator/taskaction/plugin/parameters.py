"""The base class of parameter models: camelCase names, and an unknown name is an error that names it."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from taskaction.api.base import PositiveDuration


def _longer_than_nothing(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("must be longer than 0s")
    return value


Patience = Annotated[PositiveDuration, AfterValidator(_longer_than_nothing)]
"""Time to wait for something. The API server does not check parameters, so this type checks the bound itself."""


class Parameters(BaseModel):
    """Parameters of one executor; a misspelt name is an error."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )
