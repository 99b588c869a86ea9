"""Known inputs of the actions of flows, by the schemas of providers and the models of executors.

The Action Provider behind a plain URL is not asked here, because that requires a call to an address of the user. The
call is made when the action starts, and its schema is checked before anything is sent.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import orjson
from pydantic import BaseModel

from taskaction.api.enums import ProviderKind
from taskaction.control.objects.requests import ProviderKey
from taskaction.control.providers.providers import ProviderTable, is_allowed_in
from taskaction.flows.bodies import Unknown, action_bodies
from taskaction.flows.errors import Problem, child_path
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.json_schema import SchemaChecker, compile_schema
from taskaction.plugin.registry import Registry

SCHEME = "taskaction://"
_EXECUTOR = "executor"
_ADDRESS = re.compile(rb'"taskaction://(?:[^"\\]|\\.)*"')
_PROVIDERS = {"provider": ProviderKind.ACTION_PROVIDER, "cluster-provider": ProviderKind.CLUSTER_ACTION_PROVIDER}


@dataclass(frozen=True, slots=True)
class ActionInput:
    """Input of an address.

    Attributes:
        checker: the schema, if there is one.
        problem: why nothing can run there.
        inline: whether items of a Map with ``Inline`` can call it.
    """

    checker: SchemaChecker | None = None
    problem: str | None = None
    inline: bool = True


class InputRegistry(Protocol):
    """Registry of the inputs of executors and providers; unknown ones have no schema and no problem."""

    def executor_input(self, name: str) -> ActionInput:
        """Return the input of an executor."""

    def provider_input(self, kind: ProviderKind, namespace: str, name: str) -> ActionInput:
        """Return the input of a provider; a missing provider may be created later."""


class UnknownInputs:
    """Registry without any knowledge."""

    def executor_input(self, name: str) -> ActionInput:  # noqa: ARG002 - the protocol's signature
        """Return an input without a schema."""
        return ActionInput()

    def provider_input(self, kind: ProviderKind, namespace: str, name: str) -> ActionInput:  # noqa: ARG002 - the same
        """Return an input without a schema."""
        return ActionInput()


class ClusterInputs:
    """Registry of the executors of this process and the providers of the cluster."""

    def __init__(self, registry: Registry, providers: ProviderTable) -> None:
        self._registry = registry
        self._providers = providers

    def executor_input(self, name: str) -> ActionInput:
        """Return the input of an executor."""
        executor = self._registry.get(name)
        if executor is None:
            return ActionInput(problem=self._registry.unknown_message(name))
        return ActionInput(model_checker(executor.PARAMETERS), inline=executor.INLINE)

    def provider_input(self, kind: ProviderKind, namespace: str, name: str) -> ActionInput:
        """Return the input of a provider; a missing provider may be created later."""
        offer = self._providers.get(_key(kind, namespace, name))
        if offer is None:
            return ActionInput()
        if not is_allowed_in(offer.provider, namespace):
            return ActionInput(problem=f"{kind} {name!r} does not allow namespace {namespace!r} (allowedNamespaces)")
        return ActionInput(offer.inputs)


class InstalledInputs:
    """Registry of the installed executors and the providers of some manifests, for use without a cluster."""

    def __init__(
        self, executor: Callable[[str], type[AbstractExecutor] | None], schemas: Mapping[tuple[str, str], Any]
    ) -> None:
        """Create a registry; ``schemas`` are the input schemas of providers, by kind and name."""
        self._executor = executor
        self._schemas = schemas

    def executor_input(self, name: str) -> ActionInput:
        """Return the input of an executor; one that is not installed may be in the cluster."""
        executor = self._executor(name)
        return (
            ActionInput(model_checker(executor.PARAMETERS), inline=executor.INLINE)
            if executor is not None
            else ActionInput()
        )

    def provider_input(self, kind: ProviderKind, namespace: str, name: str) -> ActionInput:  # noqa: ARG002 - one namespace
        """Return the input of a provider."""
        try:
            return ActionInput(compile_schema(self._schemas.get((str(kind), name)), "inputSchema"))
        except ValueError:
            return ActionInput()  # the status of the provider reports it


class KnownInputs:
    """Registry of the inputs of one definition, collected before its validation."""

    def __init__(self, inputs: Mapping[tuple[str, str], ActionInput]) -> None:
        """Create a registry; ``inputs`` are by the target and name of their address."""
        self._inputs = inputs

    def executor_input(self, name: str) -> ActionInput:
        """Return the input of an executor."""
        return self._inputs.get((_EXECUTOR, name), ActionInput())

    def provider_input(self, kind: ProviderKind, namespace: str, name: str) -> ActionInput:  # noqa: ARG002 - one namespace
        """Return the input of a provider."""
        target = next(target for target, known in _PROVIDERS.items() if known is kind)
        return self._inputs.get((target, name), ActionInput())

    def are_cheap_for(self, definition: Any) -> bool:
        """Whether the event loop may check the actions of a definition."""
        return all(one.checker is None or one.checker.is_cheap_for(definition) for one in self._inputs.values())


def collect_inputs(definition: Any, namespace: str, inputs: InputRegistry) -> KnownInputs:
    """Return the inputs to which a definition may refer, whether it is valid or not."""
    found: dict[tuple[str, str], ActionInput] = {}
    for target, name in _find_references(definition):
        kind = _PROVIDERS.get(target)
        known = inputs.executor_input(name) if kind is None else inputs.provider_input(kind, namespace, name)
        found[target, name] = known
    return KnownInputs(found)


def find_provider_references(definition: Any, namespace: str) -> frozenset[ProviderKey]:
    """Return the providers to which a definition may refer, whether it is valid or not."""
    return frozenset(
        _key(_PROVIDERS[target], namespace, name)
        for target, name in _find_references(definition)
        if target in _PROVIDERS
    )


def _find_references(definition: Any) -> Iterator[tuple[str, str]]:
    """Yield target and name of the addresses in a definition; by its text, because it may have a million parts."""
    try:
        text = orjson.dumps(definition)
    except TypeError:
        return  # nested too deeply for JSON, and refused for that
    for found in dict.fromkeys(_ADDRESS.findall(text)):
        target, _, name = str(orjson.loads(found)).removeprefix(SCHEME).partition("/")
        if target == _EXECUTOR or target in _PROVIDERS:
            yield target, name


def find_input_problems(definition: Mapping[str, Any], namespace: str, inputs: InputRegistry) -> Iterator[Problem]:
    """Yield the problems with the input of the actions of an otherwise valid definition."""
    for body in action_bodies(definition):
        if body.inline and not body.url.startswith(f"{SCHEME}executor/"):
            yield Problem(f"{body.place}.{body.named}", "a Map with Inline can call executors only; remove Inline")
        if not body.url.startswith(SCHEME):
            continue
        target, _, name = body.url.removeprefix(SCHEME).partition("/")
        kind = _PROVIDERS.get(target)
        found = inputs.executor_input(name) if kind is None else inputs.provider_input(kind, namespace, name)
        if found.problem is not None:
            yield Problem(f"{body.place}.{body.named}", found.problem)
        if body.inline and not found.inline:
            yield Problem(f"{body.place}.{body.named}", f"executor {name!r} cannot be called inline; remove Inline")
        if found.checker is not None and not isinstance(body.value, Unknown):
            for parts, message in found.checker.certain_problems(body.value, Unknown):
                yield Problem(_child_path(f"{body.place}.Parameters", parts), f"{message} (input schema of {body.url})")


@lru_cache(maxsize=256)
def model_checker(model: type[BaseModel] | None) -> SchemaChecker | None:
    """Return a checker for an executor's own parameters."""
    return None if model is None else SchemaChecker(model.model_json_schema(by_alias=True))


def _key(kind: ProviderKind, namespace: str, name: str) -> ProviderKey:
    return (kind, "" if kind is ProviderKind.CLUSTER_ACTION_PROVIDER else namespace, name)


def _child_path(place: str, parts: tuple[int | str, ...]) -> str:
    for part in parts:
        place = f"{place}[{part}]" if isinstance(part, int) else child_path(place, part)
    return place
