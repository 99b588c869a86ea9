"""Values from Secrets and ConfigMaps, read at call time with the permissions of the action's account."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from taskaction.api.enums import ValueFormat
from taskaction.api.task_action import KeyRef, ParametersSource
from taskaction.cluster.accounts import account_user
from taskaction.cluster.errors import ForbiddenError, MissingAccountError
from taskaction.cluster.gateway import CONFIG_MAPS, SECRETS, Body, Cluster, Resource
from taskaction.control.objects.objects import RetryingCall
from taskaction.core.json_values import JsonSyntaxError, JsonValueError, parse_json
from taskaction.plugin.errors import AccessDeniedError, InvalidParametersError, MissingSourceError
from taskaction.plugin.schema_cost import value_units
from taskaction.plugin.secrets import Secret, SecretKey, wrap

T = TypeVar("T")
_MOST_UNITS = 10_000
"""Maximum number of parts of one value, each of which may be the value of a Secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountRef:
    """ServiceAccount whose permissions are used."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """The user name to impersonate."""
        return account_user(self.namespace, self.name)


async def _once(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


@dataclass(frozen=True, slots=True)
class ParameterSources:
    """Reader of Secrets and ConfigMaps for one account; refuses closed namespaces.

    Attributes:
        closed: namespaces that are never read: kube-system and the operator's own.
        any_namespace: the reader serves a ClusterActionProvider, which may name a namespace; the account of the same
            name there is used. Actions and namespaced providers read in their own namespace only.
        persistently: how to retry while the API server does not respond; by default not at all.
    """

    cluster: Cluster
    account: ServiceAccountRef
    closed: frozenset[str]
    any_namespace: bool = False
    persistently: RetryingCall = _once

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> Secret:
        """Return one key of a Secret; see ``plugin.base.SecretReader``."""
        account = self.account
        if namespace is not None and namespace != account.namespace:
            if not self.any_namespace:
                raise AccessDeniedError(
                    f"Secret {name!r}: only a ClusterActionProvider may name another namespace ({namespace!r}): "
                    f"copy the Secret to namespace {account.namespace!r}, or use a ClusterActionProvider"
                )
            account = ServiceAccountRef(namespace=namespace, name=account.name)
        value = await self._read(SECRETS, KeyRef(name=name, key=key), account)
        if value is None:
            raise MissingSourceError(f"Secret {name!r} has no key {key!r}")
        return Secret(value)

    async def merge_parameters(
        self, parameters: Mapping[str, Any], sources: tuple[ParametersSource, ...]
    ) -> dict[str, Any]:
        """Return ``parameters`` with the values of ``sources``; those of Secrets are ``Secret``.

        Raises:
            ActionError: a source is missing, forbidden or malformed; never with a value in the message.
        """
        merged = dict(parameters)
        for source in sources:
            resource, ref = self._key_reference(source)
            text = await self._read(resource, ref, self.account)
            if text is None:
                continue
            value = _parse_value(text, source)
            if resource is SECRETS:
                whole = source.format is ValueFormat.TEXT
                value = wrap(value, SecretKey(ref.name, ref.key) if whole else None)
            merged = _with_parameter(merged, source, source.parameter.split("."), value)
        return merged

    @staticmethod
    def _key_reference(source: ParametersSource) -> tuple[Resource, KeyRef]:
        if source.secret_key_ref is not None:
            return SECRETS, source.secret_key_ref
        if source.config_map_key_ref is not None:
            return CONFIG_MAPS, source.config_map_key_ref
        raise InvalidParametersError(f"spec.parametersFrom: {source.parameter} names neither a Secret nor a ConfigMap")

    async def _read(self, resource: Resource, ref: KeyRef, account: ServiceAccountRef) -> str | None:
        """Return the text of a key; None if it is missing and optional."""
        namespace = account.namespace
        if namespace in self.closed:
            raise AccessDeniedError(f"actions cannot read objects in namespace {namespace!r}")
        body = await self.persistently(lambda: self._read_object(resource, ref, account))
        if isinstance(body, MissingAccountError):
            raise AccessDeniedError(str(body)) from body
        if isinstance(body, ForbiddenError):
            raise AccessDeniedError(
                f"ServiceAccount {account.name!r} may not read {resource.kind} {ref.name!r} in namespace "
                f"{namespace!r}: add a RoleBinding that grants it the verb get on {resource.plural}"
            ) from body
        value = ((body or {}).get("data") or {}).get(ref.key)
        if value is None and not ref.optional:
            what = f"has no key {ref.key!r}" if body is not None else "does not exist"
            raise MissingSourceError(f"{resource.kind} {ref.name!r} in namespace {namespace!r} {what}")
        return value if value is None or resource is CONFIG_MAPS else _decode(value, ref)

    async def _read_object(
        self, resource: Resource, ref: KeyRef, account: ServiceAccountRef
    ) -> Body | ForbiddenError | None:
        """Return the object, or the error if the account may not read it: a retry does not help then."""
        try:
            return await self.cluster.get(resource, ref.name, account.namespace, as_user=account.user)
        except ForbiddenError as error:
            return error


class NoSecretReader:
    """Reader of an action or run for whose account admission did not ask; refuses everything."""

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> Secret:  # noqa: ARG002 - theirs
        """Refuse; see ``plugin.base.SecretReader``."""
        raise AccessDeniedError(f"spec.runAs: required to read key {key!r} of Secret {name!r}; name a ServiceAccount")


def _decode(value: str, ref: KeyRef) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidParametersError(f"Secret {ref.name!r}: key {ref.key!r} is not UTF-8 text") from error


def _parse_value(text: str, source: ParametersSource) -> Any:
    if source.format is ValueFormat.TEXT:
        return text
    try:
        value = parse_json(text)
        if value_units(value, _MOST_UNITS) <= _MOST_UNITS:
            return value
        problem = f"has more than {_MOST_UNITS} parts; read only what the action needs"
    except JsonSyntaxError:
        problem = "is not valid JSON"
    except JsonValueError as error:
        problem = f"contains a value that {error.reason}"
    # Without the cause and the place, because these quote the secret text.
    raise InvalidParametersError(f"spec.parametersFrom: the value of {source.parameter} {problem}")


def _with_parameter(
    target: dict[str, Any], source: ParametersSource, names: Sequence[str], value: Any
) -> dict[str, Any]:
    """Return ``target`` with a value at a path; only the objects on the path are copied."""
    first, *rest = names
    if not rest:
        return {**target, first: value}
    inner = target.get(first, {})
    if not isinstance(inner, dict):
        raise InvalidParametersError(
            f"spec.parametersFrom: {source.parameter} leads into a value that is not an object"
        )
    return {**target, first: _with_parameter(inner, source, rest, value)}
