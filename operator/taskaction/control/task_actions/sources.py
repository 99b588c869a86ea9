"""Values from Secrets and ConfigMaps, read at call time with the rights of the account that the action runs as."""

import base64
import binascii
import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import orjson

from taskaction.api.enums import ValueFormat
from taskaction.api.task_action import KeyRef, ParametersSource
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import CONFIG_MAPS, SECRETS, Body, Cluster, Resource
from taskaction.control.objects.objects import Persistently
from taskaction.plugin.errors import AccessDeniedError, InvalidParametersError, MissingSourceError
from taskaction.plugin.redaction import longest_first, texts_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A ServiceAccount whose rights are used."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """The user name that is impersonated."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"


class Merged(NamedTuple):
    """Parameters as an executor gets them, and the texts among them that a Secret holds."""

    parameters: dict[str, Any]
    private: tuple[str, ...]


async def _once(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


@dataclass(frozen=True, slots=True)
class Sources:
    """Reads for one account; refuses the namespaces whose Secrets are nobody's business.

    Attributes:
        closed: namespaces that are never read: kube-system and the operator's own.
        trusted: the reader is a provider's configuration, which may name a namespace; the account of the same name
            there is used. What users write may not.
        persistently: how long is waited for an API server that does not answer; not at all unless somebody says so.
    """

    cluster: Cluster
    account: Account
    closed: frozenset[str]
    trusted: bool = False
    persistently: Persistently = _once

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> str:
        """Give one key of a Secret; see ``executors.base.SecretReader``."""
        account = self.account
        if namespace is not None and namespace != account.namespace:
            if not self.trusted:
                raise AccessDeniedError("an action reads Secrets of its own namespace only; offer others by a provider")
            account = Account(namespace=namespace, name=account.name)
        value = await self._read(SECRETS, KeyRef(name=name, key=key), account)
        if value is None:
            raise MissingSourceError(f"Secret {name!r} has no key {key!r}")
        return value

    async def merged(self, parameters: Mapping[str, Any], sources: tuple[ParametersSource, ...]) -> Merged:
        """Give ``parameters`` with the values of ``sources`` in their places, and which texts among them are private.

        Raises:
            ActionError: a source is missing, forbidden or not of its format; never with a value in the message.
        """
        merged = copy.deepcopy(dict(parameters)) if sources else dict(parameters)
        private: list[str] = []
        for source in sources:
            resource, ref = self._ref(source)
            text = await self._read(resource, ref, self.account)
            if text is None:
                continue
            value = _parsed(text, source)
            _put(merged, source, value)
            if resource is SECRETS:
                private += texts_of(value)
        return Merged(merged, longest_first(private))

    @staticmethod
    def _ref(source: ParametersSource) -> tuple[Resource, KeyRef]:
        if source.secret_key_ref is not None:
            return SECRETS, source.secret_key_ref
        if source.config_map_key_ref is not None:
            return CONFIG_MAPS, source.config_map_key_ref
        raise InvalidParametersError(f"spec.parametersFrom: {source.parameter} names neither a Secret nor a ConfigMap")

    async def _read(self, resource: Resource, ref: KeyRef, account: Account) -> str | None:
        """Give the text of a key, None where it is missing and that is allowed."""
        namespace = account.namespace
        if namespace in self.closed:
            raise AccessDeniedError(f"objects in namespace {namespace!r} are never read for actions")
        body = await self.persistently(lambda: self._got(resource, ref, account))
        if isinstance(body, ForbiddenError):
            raise AccessDeniedError(
                f"ServiceAccount {account.name!r} may not read {resource.kind} {ref.name!r} in namespace "
                f"{namespace!r}: add a RoleBinding that grants it the verb get on {resource.plural}"
            ) from body
        value = ((body or {}).get("data") or {}).get(ref.key)
        if value is None and not ref.optional:
            what = f"has no key {ref.key!r}" if body is not None else "does not exist"
            raise MissingSourceError(f"{resource.kind} {ref.name!r} in namespace {namespace!r} {what}")
        return value if value is None or resource is CONFIG_MAPS else _decoded(value, ref)

    async def _got(self, resource: Resource, ref: KeyRef, account: Account) -> Body | ForbiddenError | None:
        """Give the object, or the answer that the account may not read it: that one is final."""
        try:
            return await self.cluster.get(resource, ref.name, account.namespace, as_user=account.user)
        except ForbiddenError as error:
            return error


def _decoded(value: str, ref: KeyRef) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidParametersError(f"Secret {ref.name!r}: key {ref.key!r} is no UTF-8 text") from error


def _parsed(text: str, source: ParametersSource) -> Any:
    if source.format is ValueFormat.TEXT:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # The cause is left out on purpose: it quotes the secret text.
        raise InvalidParametersError(f"spec.parametersFrom: the value of {source.parameter} is no JSON") from None


def _put(target: dict[str, Any], source: ParametersSource, value: Any) -> None:
    *above, last = source.parameter.split(".")
    for name in above:
        inner = target.setdefault(name, {})
        if not isinstance(inner, dict):
            raise InvalidParametersError(
                f"spec.parametersFrom: {source.parameter} reaches into a value that is no object"
            )
        target = inner
    target[last] = value
