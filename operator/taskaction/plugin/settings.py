"""Models of settings, read from environment variables: of processes, and of executors that declare some.

An instance that a program creates has the values that it passes; only ``from_environment`` reads variables.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Self, TypeVar, get_args

from pydantic import AliasChoices, SecretBytes, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from taskaction.core.errors import ConfigurationError
from taskaction.core.names import truncate

_SHOWN_CHARS = 200
_ALLOWED = {
    "bool_parsing": "use true or false",
    "dict_type": "use a JSON object",
    "float_parsing": "use a number",
    "int_parsing": "use a whole number",
    "string_too_short": "must not be empty",
}
"""What is allowed, by pydantic's type of error; other messages say it themselves."""
_OF_SERVICES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+)$")
"""Ends of the variables that Kubernetes puts into pods near a Service."""
_OF_AUTHORS = ("value_error", "assertion_error")
"""Types of errors whose messages the author of a validator wrote, and which may quote the value."""


@dataclass(frozen=True, slots=True)
class FormerName:
    """Mark of a field that had another name, whose variable still works with a warning at the start."""

    name: str


@dataclass(frozen=True, slots=True)
class SharedVariable:
    """Mark of a field that takes its value from the variable of another setting if its own is not set.

    Attributes:
        name: the other variable, without the prefix and in lower case.
        pick: returns the text for this field from that of the other variable; None if that has none.
    """

    name: str
    pick: Callable[[str], str | None]


class Settings(BaseSettings):
    """Base class of settings: the variable that consists of the prefix and a field's name sets that field.

    A subclass has its prefix as an argument: ``class MySettings(Settings, env_prefix="TASKACTION_MINE_")``. Variables
    of no field are ignored: Kubernetes itself puts ``TASKACTION_…_SERVICE_HOST`` into pods near such a Service. No
    message or log shows a value of the type ``SecretStr``, or of a field with ``repr=False``.
    """

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, use_attribute_docstrings=True, enable_decoding=False, arbitrary_types_allowed=True
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_former_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        former = former_names(cls)
        return {**{former[name]: value for name, value in values.items() if name in former}, **values}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature of pydantic-settings
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the passed values as the only source, so that no test depends on its environment."""
        return (init_settings,)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **values: Any) -> Self:
        """Read the settings; ``values`` of fields win over variables.

        Raises:
            ConfigurationError: settings are invalid or missing; the message names all of them, and shows no secret.
        """
        variables = _in_capitals(environment)
        source = EnvSettingsSource(cls)
        source.env_vars = {name.lower(): text for name, text in _under_new_names(cls, variables).items()}
        try:
            return cls(**{**source(), **values})
        except ValidationError as error:
            problems = error.errors(include_url=False)
            lines = [_describe(cls, variables, values, problem) for problem in problems]
            raise ConfigurationError("\n".join(lines)) from None  # the error of pydantic shows secrets


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class SettingsReader:
    """Reader of settings from the environment of a process; without one, all settings have their defaults."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __call__(self, model: type[S]) -> S:
        """Return the settings of ``model``; raises ``ConfigurationError`` like ``Settings.from_environment``."""
        return model.from_environment(self.environment)

    def check(self, *models: type[Settings], others: Iterable[str] = ()) -> "CheckedSettings":
        """Return the settings of a process that may start.

        A warning names each variable that looks like a setting of a model and is none; ``others`` are beginnings of the
        variables of other processes.

        Raises:
            ConfigurationError: settings are invalid or missing; the message names those of all ``models``.
        """
        problems: list[str] = []
        variables: dict[str, Any] = {}
        for model in models:
            try:
                variables |= _show_all(self(model))
            except ConfigurationError as error:
                problems.append(str(error))
        if problems:
            raise ConfigurationError("\n".join(problems))
        given = _in_capitals(self.environment)
        warnings = [warning for model in models for warning in _warnings(model, given)]
        warnings += _unknown_warnings(given, models, others)
        return CheckedSettings(variables, warnings)


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """Settings of a process, for its log.

    Attributes:
        variables: the values by the names of their variables, defaults included; secrets are masked or left out.
        warnings: one for each variable with a former name; it names the old and the new variable.
    """

    variables: Mapping[str, Any]
    warnings: Sequence[str]


def variable_of(model: type[Settings], name: str) -> str:
    """Return the environment variable for a field, or for a former name of one."""
    alias = model.model_fields[name].validation_alias if name in model.model_fields else None
    if isinstance(alias, AliasChoices):  # the field's own name, and a variable that other programs read, too
        return str(alias.choices[-1])
    return f"{model.model_config.get('env_prefix', '')}{name}".upper()


def variables_of(model: type[Settings]) -> frozenset[str]:
    """Return all environment variables that a model reads, those with former names included."""
    shared = {
        mark.name for info in model.model_fields.values() for mark in info.metadata if isinstance(mark, SharedVariable)
    }
    return frozenset(variable_of(model, name) for name in (*model.model_fields, *former_names(model), *shared))


def former_names(model: type[Settings]) -> dict[str, str]:
    """Return the names of fields by their former names."""
    return {
        mark.name: name
        for name, info in model.model_fields.items()
        for mark in info.metadata
        if isinstance(mark, FormerName)
    }


def _in_capitals(environment: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): text for name, text in environment.items()}


def _under_new_names(model: type[Settings], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables, with each field's under its present name; that wins, and a shared variable loses."""
    shared = {variable_of(model, name): text for name, (_, text) in _shared_texts(model, variables).items()}
    return {**shared, **_under_former_names(model, variables)}


def _under_former_names(model: type[Settings], variables: Mapping[str, str]) -> dict[str, str]:
    renamed = {variable_of(model, old): variable_of(model, new) for old, new in former_names(model).items()}
    return {**{renamed[name]: text for name, text in variables.items() if name in renamed}, **variables}


def _shared_texts(model: type[Settings], variables: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the shared variable of each field that one can set, and its text for the field."""
    marks = ((name, mark) for name, info in model.model_fields.items() for mark in info.metadata)
    shared = ((name, mark, variable_of(model, mark.name)) for name, mark in marks if isinstance(mark, SharedVariable))
    texts = ((name, variable, mark.pick(variables.get(variable, ""))) for name, mark, variable in shared)
    return {name: (variable, text) for name, variable, text in texts if text is not None}


def _warnings(model: type[Settings], variables: Mapping[str, str]) -> Iterator[str]:
    for old, new in former_names(model).items():
        variable, present = variable_of(model, old), variable_of(model, new)
        if variable in variables and present in variables:
            yield f"{variable} is ignored, because {present} is set; remove {variable}"
        elif variable in variables:
            yield f"{variable} is deprecated; use {present}"
    for name, (variable, text) in _shared_texts(model, variables).items():
        if variable_of(model, name) not in _under_former_names(model, variables):
            present = variable_of(model, name)
            yield f"{variable} is deprecated as a name of {present}; set {present}={text}, too"


def _unknown_warnings(
    variables: Mapping[str, str], models: Sequence[type[Settings]], others: Iterable[str]
) -> Iterator[str]:
    """Yield a warning for each variable that begins like those of the models, and that none of them reads."""
    known = frozenset[str]().union(*map(variables_of, models))
    own = {str(model.model_config.get("env_prefix", "")) for model in models} - {""}
    foreign = tuple(prefix for prefix in others if prefix not in own)
    for name in sorted(variables):
        ours = name.startswith(tuple(own)) and not name.startswith(foreign)
        if ours and name not in known and not _OF_SERVICES.search(name):
            close = get_close_matches(name, known, n=1)
            yield f"{name} is ignored, because it is no setting" + (f"; did you mean {close[0]}?" if close else "")


def _show_all(settings: Settings) -> dict[str, Any]:
    """Return the values by their variables; a field that is in no text form of the model is left out."""
    shown = {name for name, info in type(settings).model_fields.items() if info.repr}
    values = settings.model_dump(mode="json", by_alias=True, include=shown, fallback=str)
    return {variable_of(type(settings), name): value for name, value in values.items()}


def _describe(
    model: type[Settings], variables: Mapping[str, str], values: Mapping[str, Any], problem: ErrorDetails
) -> str:
    """Return one line with the variable, its value unless it is secret, and what is allowed."""
    text = problem["msg"].removeprefix("Value error, ").replace("Input should ", "must ", 1)
    allowed = _ALLOWED.get(problem["type"], text)
    if not problem["loc"]:  # about several settings at once
        return allowed
    name = str(problem["loc"][0])
    if name in values:
        return f"{name}: invalid value {_show(values[name])}; {allowed}"
    names = [name, *(old for old, new in former_names(model).items() if new == name)]
    shared = [variable for where, (variable, _) in _shared_texts(model, variables).items() if where == name]
    given = (found for found in [*(variable_of(model, each) for each in names), *shared] if found in variables)
    variable = next(given, None)
    if variable is None:
        return f"{variable_of(model, name)}: required, but not set"
    if not _is_secret(model.model_fields[name]):
        return f"{variable}: invalid value {_show(variables[variable])}; {allowed}"
    if problem["type"] in _OF_AUTHORS:
        return f"{variable}: invalid value"
    return f"{variable}: invalid value; {allowed}"


def _is_secret(info: FieldInfo) -> bool:
    return not info.repr or _contains_secret(info.annotation)


def _contains_secret(annotation: Any) -> bool:
    is_secret = isinstance(annotation, type) and issubclass(annotation, (SecretStr, SecretBytes))
    return is_secret or any(map(_contains_secret, get_args(annotation)))


def _show(value: object) -> str:
    return truncate(json.dumps(value, default=str, ensure_ascii=False), _SHOWN_CHARS)
