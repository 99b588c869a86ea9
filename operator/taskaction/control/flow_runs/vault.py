"""Private data of runs in Secrets that the run owns, created and read with the permissions of its account.

A Secret is named by a hash of its content, so a repeated write finds it, and the Secret that a status names is never
changed. The next state gets another Secret, and the old one is deleted when the status that named it has been replaced.
An action reads its private parameters from a Secret of its visit (``parametersFrom``).
"""

import base64
import re
from collections.abc import Sequence
from typing import Any

import orjson

from taskaction.cluster.accounts import account_user
from taskaction.cluster.errors import AlreadyExistsError, ForbiddenError, MissingAccountError, QuotaReachedError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, SECRETS, Body, Cluster
from taskaction.control.flow_runs.documents import PrivateParts
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.translation import SCHEME, ActionNotRunnableError
from taskaction.control.objects.objects import RetryingCall
from taskaction.core.constants import RUN_LABEL
from taskaction.core.names import digest, visit_name
from taskaction.flows.effects import StartAction
from taskaction.flows.privacy import Place, private_places, restore_private, split_private
from taskaction.plugin.secrets import wrap

STATE_KEY = "state"

_FLOW = f"{SCHEME}executor/flow"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_MARK_CHARS = 16


class VaultError(Exception):
    """Private data cannot be stored or read; the message says why, with the remedy."""


class PrivateDataVault:
    """Store of private data."""

    def __init__(self, cluster: Cluster, persistently: RetryingCall, closed_namespaces: frozenset[str]) -> None:
        self._cluster = cluster
        self._persistently = persistently
        self._closed = closed_namespaces

    async def store_state(self, record: RunRecord, kept: PrivateParts) -> str:
        """Store a run's private state; return the fingerprint by which it is found again.

        Raises:
            VaultError: the run's account may not.
            QuotaReachedError: a ResourceQuota leaves no room for a Secret.
        """
        text = orjson.dumps(kept)
        mark = digest(record.uid.encode() + text)[:_MARK_CHARS]
        if mark != record.stored.private_state:
            await self._create(record, _state_name(record, mark), {STATE_KEY: text})
        return mark

    async def read_state(self, record: RunRecord, mark: str) -> PrivateParts:
        """Return the private parts of a state; raise ``VaultError``."""
        name = _state_name(record, mark)
        found = await self._call_as_account(
            record, "get", lambda user: self._cluster.get(SECRETS, name, record.namespace, as_user=user)
        )
        data = (found or {}).get("data", {}).get(STATE_KEY)
        if data is None:
            raise VaultError(f"Secret {name!r} with the private state of the run not found")
        return [(tuple(place), value) for place, value in orjson.loads(base64.b64decode(data))]

    async def delete_state(self, record: RunRecord, mark: str) -> None:
        """Delete a state that no status names any more; the garbage collector deletes what is left with the run."""
        name = _state_name(record, mark)
        await self._call_as_account(
            record, "delete", lambda user: self._cluster.delete(SECRETS, name, record.namespace, as_user=user)
        )

    async def hide_parameters(self, record: RunRecord, start: StartAction) -> tuple[Any, list[dict[str, Any]]]:
        """Return the input of an action without its private parts, and the sources from which it reads these.

        Raises:
            VaultError: the run's account may not store them.
            QuotaReachedError: a ResourceQuota leaves no room for a Secret.
            UnableToRunError: a private part is where no parameter can be read from a Secret.
        """
        places = [*start.private, *private_places(start.body)]
        shown, kept = split_private(start.body, [_parameter_path(place) for place in places])
        if not kept:
            return start.body, []
        if start.url == _FLOW:
            raise ActionNotRunnableError(
                "the input of a flow is visible in the manifest of its run; do not pass private data"
            )
        name = visit_name(record.name, record.uid, start.visit)
        data = {f"p{number}": orjson.dumps(value) for number, (_, value) in enumerate(kept)}
        await self._create(record, name, data)
        sources = [
            {
                "parameter": ".".join(map(str, place)),
                "secretKeyRef": {"name": name, "key": f"p{number}"},
                "format": "Json",
            }
            for number, (place, _) in enumerate(kept)
        ]
        return shown, sources

    async def _create(self, record: RunRecord, name: str, data: dict[str, bytes]) -> None:
        metadata = record.run.metadata
        owner = {
            "apiVersion": ACTION_FLOW_RUNS.api_version,
            "kind": ACTION_FLOW_RUNS.kind,
            "name": metadata.name,
            "uid": metadata.uid,
        }
        body: Body = {
            "apiVersion": SECRETS.api_version,
            "kind": SECRETS.kind,
            "metadata": {
                "name": name,
                "namespace": metadata.namespace,
                "labels": {RUN_LABEL: metadata.name},
                "ownerReferences": [owner],
            },
            "type": "taskaction.dev/private",
            "immutable": True,
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        try:
            await self._call_as_account(
                record, "create", lambda user: self._cluster.create(SECRETS, body, metadata.namespace, as_user=user)
            )
        except (AlreadyExistsError, QuotaReachedError) as error:  # an earlier turn or process may have created it
            found = await self._call_as_account(
                record, "get", lambda user: self._cluster.get(SECRETS, name, metadata.namespace, as_user=user)
            )
            if found is None and isinstance(error, QuotaReachedError):
                raise
            if found is None or found.get("data") != body["data"]:
                raise VaultError(f"Secret {name!r} exists and does not belong to this run; delete it") from error

    async def _call_as_account(self, record: RunRecord, verb: str, call: Any) -> Any:
        account = record.run.spec.run_as
        if account is None or record.namespace in self._closed:
            raise VaultError(
                "spec.runAs: required for private data; name an account that may create, get and delete Secrets"
            )
        user = account_user(record.namespace, account.service_account_name)

        async def tried() -> Any:
            try:
                return await call(user)
            except ForbiddenError as error:
                return error

        answer = await self._persistently(tried)
        if isinstance(answer, QuotaReachedError):
            raise answer
        if isinstance(answer, MissingAccountError):
            raise VaultError(str(answer)) from answer
        if isinstance(answer, ForbiddenError):
            raise VaultError(
                f"private data is kept in Secrets, and ServiceAccount {account.service_account_name!r} may not "
                f"{verb} them: add a RoleBinding that grants create, get and delete on secrets ({answer})"
            ) from answer
        return answer


def _state_name(record: RunRecord, mark: str) -> str:
    return visit_name(record.name, record.uid, f"state.{mark}")


def _parameter_path(place: Place) -> Place:
    """Return the path to which a parameter can be read: names only, so for a list the property that contains it."""
    names: list[str | int] = []
    for part in place:
        if not isinstance(part, str) or not _NAME.fullmatch(part):
            break
        names.append(part)
    if not names:
        raise ActionNotRunnableError("the name of a private parameter must consist of letters, digits, - and _")
    return tuple(names)


def wrap_private(document: Any, places: Sequence[Place] = ()) -> Any:
    """Return a document with what is private in it as values of Secrets, which no message quotes."""
    shown, kept = split_private(document, [*places, *private_places(document)])
    return restore_private(shown, [(place, wrap(value)) for place, value in kept])
