"""Source of a workload: inline parameters, or the config of a provider with templates."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from taskaction.executors.exposure import exposure_error, format_place
from taskaction.executors.templates import render, values_of
from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.json_schema import model_problem

Model = TypeVar("Model", bound=BaseModel)


def parse_model(model: type[Model], run: Run) -> Model:
    """Return the workload of ``run`` as ``model``.

    Templates are rendered for providers only: programs of inline actions may contain ``{{``.

    Raises:
        InvalidParametersError: the source is invalid; the message names the field.
    """
    path, source = ("config", render(run.config, values_of(run))) if run.config else ("parameters", run.parameters)
    try:
        return model.model_validate(source)
    except ValidationError as error:
        problem = model_problem(model, source, path)
        if problem is None:  # it would be valid, if it were no value of a Secret
            raise exposure_error(f"{path}.{format_place(error.errors()[0]['loc'])}") from None
        raise InvalidParametersError(problem) from error
