"""The base of executors' parameter models: camelCase outside, and an unknown name is an error that names it."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Parameters(BaseModel):
    """Parameters of one executor; a misspelt name must not be ignored in silence."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )
