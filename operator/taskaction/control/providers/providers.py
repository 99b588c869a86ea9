"""The existing providers and whether they are ready, computed from their objects without I/O."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from taskaction.api.enums import ConditionStatus, ProviderKind
from taskaction.api.metadata import Condition
from taskaction.api.parameters import size_problem
from taskaction.api.provider import (
    ActionProvider,
    ActionProviderSpec,
    ActionProviderStatus,
    ClusterActionProvider,
    Provider,
)
from taskaction.api.reasons import ConditionType, Reason
from taskaction.api.secret_namespaces import foreign_secret_problem
from taskaction.control.objects.requests import ProviderKey
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncate
from taskaction.execution.limits import UNLIMITED, SourceLimits
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.json_schema import (
    SchemaChecker,
    compile_schema,
    is_cheap_schema,
    model_problem,
    nesting_problem,
)
from taskaction.plugin.registry import Registry

INPUT_SCHEMA = "spec.inputSchema"
OUTPUT_SCHEMA = "spec.outputSchema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A validated provider: compiled schemas, and the reason if it is not ready."""

    provider: Provider
    reason: Reason
    message: str
    inputs: SchemaChecker | None = None
    outputs: SchemaChecker | None = None

    @property
    def ready(self) -> bool:
        """Whether actions can be started."""
        return self.reason is Reason.READY

    @property
    def key(self) -> ProviderKey:
        """The key by which actions refer to it."""
        return key_of(self.provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSchemas:
    """Compiled schemas of a provider, or what is wrong with them."""

    inputs: SchemaChecker | None = None
    outputs: SchemaChecker | None = None
    problem: str | None = None


class ProviderTable:
    """Table of offers by kind, namespace and name."""

    def __init__(self, registry: Registry, kinds: Collection[ProviderKind] = tuple(ProviderKind)) -> None:
        """Create a table; only providers of ``kinds`` are watched."""
        self._registry = registry
        self._kinds = kinds
        self._offers: dict[ProviderKey, Offer] = {}

    def get(self, key: ProviderKey) -> Offer | None:
        """Return the offer with this key."""
        return self._offers.get(key)

    def is_kind_watched(self, kind: ProviderKind) -> bool:
        """Whether providers of a kind are watched."""
        return kind in self._kinds

    def explain_absence(self, key: ProviderKey) -> str:
        """Return why there is no offer with this key."""
        kind, _, name = key
        if self.is_kind_watched(kind):
            return f"{kind} {name!r} not found"
        return f"the operator does not watch {kind} (TASKACTION_CLUSTER_PROVIDERS=false); use an ActionProvider"

    def list_offers(self) -> list[Offer]:
        """Return all offers."""
        return list(self._offers.values())

    def is_new(self, provider: Provider) -> bool:
        """Whether a provider has another specification than the known one."""
        known = self._offers.get(key_of(provider))
        return known is None or not is_same_specification(known.provider, provider)

    def put(self, provider: Provider, schemas: ProviderSchemas) -> Offer:
        """Validate a provider, and add it or replace the one of the same name."""
        offer = self._validate(provider, schemas)
        self._offers[offer.key] = offer
        return offer

    def update_status(self, provider: Provider) -> None:
        """Replace the status of a known specification by a newer one; verdicts and policies compare the spec itself."""
        known = self._offers.get(key_of(provider))
        if known is None:
            return
        before, after = known.provider.metadata.resource_version, provider.metadata.resource_version
        if not (before.isdecimal() and after.isdecimal() and int(after) < int(before)):
            same = provider.model_copy(update={"spec": known.provider.spec})
            self._offers[known.key] = replace(known, provider=same)

    def drop(self, key: ProviderKey, uid: str) -> None:
        """Remove a deleted provider; a newer one of the same name stays."""
        known = self._offers.get(key)
        if known is not None and known.provider.metadata.uid == uid:
            del self._offers[key]

    def _validate(self, provider: Provider, schemas: ProviderSchemas) -> Offer:
        spec = provider.spec
        executor = self._registry.get(spec.executor)
        if executor is None:
            return _unusable(
                provider, Reason.UNKNOWN_EXECUTOR, f"spec.executor: {self._registry.unknown_message(spec.executor)}"
            )
        if (problem := _config_problem(executor, spec.config)) is not None:
            return _unusable(provider, Reason.INVALID_CONFIG, problem)
        if isinstance(provider, ActionProvider) and (problem := _foreign_secret_problem(provider)) is not None:
            return _unusable(provider, Reason.SECRET_NOT_ALLOWED, problem)
        if schemas.problem is not None:
            return _unusable(provider, Reason.INVALID_SCHEMA, schemas.problem)
        return Offer(provider=provider, reason=Reason.READY, message="", inputs=schemas.inputs, outputs=schemas.outputs)


def _config_problem(executor: AbstractExecutor, config: dict[str, Any]) -> str | None:
    path = "spec.config"
    if (problem := nesting_problem(config, path) or size_problem(config, path=path)) is not None:
        return problem
    if executor.CONFIG is not None:
        return model_problem(executor.CONFIG, config, path)
    return f"spec.config: {executor.ACTION_NAME} takes no configuration; remove it" if config else None


def _foreign_secret_problem(provider: ActionProvider) -> str | None:
    spec = provider.spec
    webhook = spec.webhook.to_json() if spec.webhook is not None else None
    return foreign_secret_problem({"config": spec.config, "webhook": webhook}, provider.metadata.namespace)


def provider_status(offer: Offer, now: datetime) -> ActionProviderStatus:
    """Return the status that reports the validation; equal to the current status if nothing changed."""
    before = offer.provider.status
    known = next((condition for condition in before.conditions if condition.type == ConditionType.READY), None)
    state = ConditionStatus.TRUE if offer.ready else ConditionStatus.FALSE
    generation = offer.provider.metadata.generation
    flipped = known is None or known.status is not state
    ready = Condition(
        type=ConditionType.READY,
        status=state,
        reason=offer.reason,
        message=truncate(offer.message, MESSAGE_LIMIT_CHARS),
        last_transition_time=now if known is None or flipped else known.last_transition_time,
        observed_generation=generation,
    )
    return before.model_copy(update={"conditions": (ready,), "observed_generation": generation})


def limits_of(spec: ActionProviderSpec) -> SourceLimits:
    """Return the limits of a provider in the terms of the queue."""
    limits = spec.limits
    if limits is None:
        return UNLIMITED
    return SourceLimits(
        concurrent=limits.max_concurrent,
        per_partition=limits.max_concurrent_per_partition or 1,
        queued=limits.max_queued,
    )


def is_allowed_in(provider: Provider, namespace: str) -> bool:
    """Whether actions in ``namespace`` may use the provider."""
    if isinstance(provider, ActionProvider):
        return provider.metadata.namespace == namespace
    patterns = provider.spec.allowed_namespaces
    return patterns is None or any(
        namespace.startswith(pattern[:-1]) if pattern.endswith("*") else namespace == pattern for pattern in patterns
    )


def read_provider(kind: ProviderKind, body: dict[str, Any]) -> Provider:
    """Return the provider in an object; raise pydantic's ``ValidationError`` if it is none."""
    model: type[Provider] = ActionProvider if kind is ProviderKind.ACTION_PROVIDER else ClusterActionProvider
    return model.from_body(body)


def compile_cheap_schemas(spec: ActionProviderSpec) -> ProviderSchemas | None:
    """Return the compiled schemas of a provider; None if the event loop must not compile them."""
    schemas = [(spec.input_schema, INPUT_SCHEMA), (spec.output_schema, OUTPUT_SCHEMA)]
    try:
        if not all(is_cheap_schema(schema, path) for schema, path in schemas if schema is not None):
            return None
        inputs, outputs = (compile_schema(schema, path) for schema, path in schemas)
    except ValueError as error:
        return ProviderSchemas(problem=str(error))
    return ProviderSchemas(inputs=inputs, outputs=outputs)


def key_of(provider: Provider) -> ProviderKey:
    """Return the key by which actions refer to a provider."""
    return (provider.kind, provider.metadata.namespace, provider.metadata.name)


def is_same_specification(known: Provider | None, seen: Provider) -> bool:
    """Whether two versions of a provider have the same specification."""
    return known is not None and (known.metadata.uid, known.metadata.generation) == (
        seen.metadata.uid,
        seen.metadata.generation,
    )


def _unusable(provider: Provider, reason: Reason, message: str) -> Offer:
    return Offer(provider=provider, reason=reason, message=message)
