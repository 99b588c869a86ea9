"""Where a workload is described: inline in the parameters, or in a provider's config with templates to fill in."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from taskaction.executors.templates import rendered, values_of
from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.json_schema import model_problem

Model = TypeVar("Model", bound=BaseModel)


def model_of(model: type[Model], run: Run) -> Model:
    """Give what ``run`` asks for as ``model``.

    Templates are filled in for providers only: programs of inline actions may well contain ``{{``.

    Raises:
        InvalidParametersError: it does not fit the model; the message names the field.
    """
    path, source = ("config", rendered(run.config, values_of(run))) if run.config else ("parameters", run.parameters)
    try:
        return model.model_validate(source)
    except ValidationError as error:
        raise InvalidParametersError(model_problem(model, source, path) or str(error)) from error
