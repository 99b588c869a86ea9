"""What is known of the input that the actions of flows take: by providers' schemas, and by executors' own models.

Which Action Provider is behind a plain URL is not asked here: that takes a call to an address of the user's, which is
made when the action starts, and then its schema is checked before anything is sent.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from pydantic import BaseModel

from taskaction.api.enums import ProviderKind
from taskaction.control.providers.providers import ProviderKey, Providers, allowed_in
from taskaction.flows.bodies import Unknown, bodies
from taskaction.flows.errors import Problem, below
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.json_schema import SchemaChecker, compile_schema
from taskaction.plugin.registry import Registry

SCHEME = "taskaction://"
_PROVIDERS = {"provider": ProviderKind.ACTION_PROVIDER, "cluster-provider": ProviderKind.CLUSTER_ACTION_PROVIDER}


@dataclass(frozen=True, slots=True)
class Input:
    """What an address takes.

    Attributes:
        checker: the schema, where there is one.
        problem: why nothing can be run there.
        inline: it can be called for the items of a Map that is ``Inline``.
    """

    checker: SchemaChecker | None = None
    problem: str | None = None
    inline: bool = True


class Inputs(Protocol):
    """Knows what executors and providers take; nothing of what it does not know."""

    def of_executor(self, name: str) -> Input:
        """Give what an executor takes."""

    def of_provider(self, kind: ProviderKind, namespace: str, name: str) -> Input:
        """Give what a provider takes; one that is not there may come later."""


class NoInputs:
    """Knows nothing."""

    def of_executor(self, name: str) -> Input:  # noqa: ARG002 - the protocol's signature
        """Give what an executor takes."""
        return Input()

    def of_provider(self, kind: ProviderKind, namespace: str, name: str) -> Input:  # noqa: ARG002 - the same
        """Give what a provider takes."""
        return Input()


class OfferedInputs:
    """Knows the executors of this process, and the providers of the cluster."""

    def __init__(self, registry: Registry, providers: Providers) -> None:
        self._registry = registry
        self._providers = providers

    def of_executor(self, name: str) -> Input:
        """Give what an executor takes."""
        executor = self._registry.get(name)
        if executor is None:
            return Input(problem=self._registry.unknown_message(name))
        return Input(model_checker(executor.PARAMETERS), inline=executor.INLINE)

    def of_provider(self, kind: ProviderKind, namespace: str, name: str) -> Input:
        """Give what a provider takes; one that is not there may come later."""
        offer = self._providers.get(_key(kind, namespace, name))
        if offer is None:
            return Input()
        if not allowed_in(offer.provider, namespace):
            return Input(problem=f"{kind} {name!r} may not be used in namespace {namespace!r} (its allowedNamespaces)")
        return Input(offer.inputs)


class InstalledInputs:
    """Knows the executors that are installed, and the providers of some manifests; for use without any cluster."""

    def __init__(
        self, executor: Callable[[str], type[AbstractExecutor] | None], schemas: Mapping[tuple[str, str], Any]
    ) -> None:
        """``schemas`` are the input schemas of providers, by kind and name."""
        self._executor = executor
        self._schemas = schemas

    def of_executor(self, name: str) -> Input:
        """Give what an executor takes; one that is not installed here may be in the cluster."""
        executor = self._executor(name)
        return Input(model_checker(executor.PARAMETERS), inline=executor.INLINE) if executor is not None else Input()

    def of_provider(self, kind: ProviderKind, namespace: str, name: str) -> Input:  # noqa: ARG002 - one namespace
        """Give what a provider takes."""
        try:
            return Input(compile_schema(self._schemas.get((str(kind), name)), "inputSchema"))
        except ValueError:
            return Input()  # the provider's own status says so


def providers_named(definition: Any, namespace: str) -> frozenset[ProviderKey]:
    """Give the providers that a definition may refer to, whether it is valid or not."""
    found: set[ProviderKey] = set()
    waiting = [definition]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and one.startswith(SCHEME):
            target, _, name = one.removeprefix(SCHEME).partition("/")
            if (kind := _PROVIDERS.get(target)) is not None:
                found.add(_key(kind, namespace, name))
    return frozenset(found)


def input_problems(definition: Mapping[str, Any], namespace: str, inputs: Inputs) -> Iterator[Problem]:
    """Give what is wrong with the input of the actions of a definition that is valid otherwise."""
    for body in bodies(definition):
        if body.inline and not body.url.startswith(f"{SCHEME}executor/"):
            yield Problem(
                f"{body.place}.{body.named}", "a Map that is Inline can call executors only: leave out Inline"
            )
        if not body.url.startswith(SCHEME):
            continue
        target, _, name = body.url.removeprefix(SCHEME).partition("/")
        kind = _PROVIDERS.get(target)
        found = inputs.of_executor(name) if kind is None else inputs.of_provider(kind, namespace, name)
        if found.problem is not None:
            yield Problem(f"{body.place}.{body.named}", found.problem)
        if body.inline and not found.inline:
            yield Problem(
                f"{body.place}.{body.named}", f"the executor {name!r} cannot be called inline: leave out Inline"
            )
        if found.checker is not None and not isinstance(body.value, Unknown):
            for parts, message in found.checker.certain_problems(body.value, Unknown):
                yield Problem(_place(f"{body.place}.Parameters", parts), f"{message} (by the input of {body.url})")


@lru_cache(maxsize=256)
def model_checker(model: type[BaseModel] | None) -> SchemaChecker | None:
    """Give a checker for an executor's own parameters."""
    return None if model is None else compile_schema(model.model_json_schema(by_alias=True), model.__name__)


def _key(kind: ProviderKind, namespace: str, name: str) -> ProviderKey:
    return (kind, "" if kind is ProviderKind.CLUSTER_ACTION_PROVIDER else namespace, name)


def _place(place: str, parts: tuple[int | str, ...]) -> str:
    for part in parts:
        place = f"{place}[{part}]" if isinstance(part, int) else below(place, part)
    return place
