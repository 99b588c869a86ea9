"""Where a run's private data is kept: in Secrets that the run owns, made and read with the rights of its account.

A Secret is named by what is in it, so to write it again is to find it, and the one that a status names is never
changed: the next state gets another, and the old one goes when the status that named it has been replaced. What a
private parameter of an action is, the action reads from a Secret of its visit (``parametersFrom``).
"""

import base64
import re
from typing import Any

import orjson

from taskaction.cluster.errors import AlreadyExistsError, ForbiddenError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, SECRETS, Body, Cluster
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.translation import SCHEME, UnableToRunError
from taskaction.control.objects.objects import Persistently
from taskaction.core.constants import RUN_LABEL
from taskaction.core.names import digest, visit_name
from taskaction.flows.effects import StartAction
from taskaction.flows.parameters import Place
from taskaction.flows.privacy import private_places, restored, taken

STATE_KEY = "state"
_FLOW = f"{SCHEME}executor/flow"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_MARK_CHARS = 16

Kept = list[tuple[Place, Any]]


class VaultError(Exception):
    """Private data cannot be kept or read; says why, and the mend."""


class Vault:
    """Keeps what nobody may see."""

    def __init__(self, cluster: Cluster, persistently: Persistently, closed_namespaces: frozenset[str]) -> None:
        self._cluster = cluster
        self._persistently = persistently
        self._closed = closed_namespaces

    async def keep(self, record: RunRecord, kept: Kept) -> str:
        """Keep a run's private state; give the fingerprint by which it is found again.

        Raises:
            VaultError: the run's account may not.
        """
        text = orjson.dumps(kept)
        mark = digest(record.uid.encode() + text)[:_MARK_CHARS]
        if mark != record.stored.private_state:
            await self._create(record, _state_name(record, mark), {STATE_KEY: text})
        return mark

    async def opened(self, record: RunRecord, mark: str, document: Any) -> Any:
        """Give a state whole again; raises ``VaultError``."""
        name = _state_name(record, mark)
        found = await self._called(
            record, "get", lambda user: self._cluster.get(SECRETS, name, record.namespace, as_user=user)
        )
        data = (found or {}).get("data", {}).get(STATE_KEY)
        if data is None:
            raise VaultError(f"Secret {name!r} with the run's private state is gone")
        return restored(document, [(tuple(place), value) for place, value in orjson.loads(base64.b64decode(data))])

    async def forget(self, record: RunRecord, mark: str) -> None:
        """Delete a state that no status names any more; the garbage collector has what is left over."""
        name = _state_name(record, mark)
        await self._called(
            record, "delete", lambda user: self._cluster.delete(SECRETS, name, record.namespace, as_user=user)
        )

    async def hidden(self, record: RunRecord, start: StartAction) -> tuple[Any, list[dict[str, Any]]]:
        """Give what an action is given without its private parts, and where it reads these.

        Raises:
            VaultError: the run's account may not keep them.
            UnableToRunError: a private part is where no parameter can be read from a Secret.
        """
        places = [*start.private, *private_places(start.body)]
        shown, kept = taken(start.body, [_readable(place) for place in places])
        if not kept:
            return start.body, []
        if start.url == _FLOW:
            raise UnableToRunError(
                "what a flow is given is in the manifest of its run, for all to see: hand on nothing private"
            )
        name = visit_name(record.name, record.uid, start.visit)
        await self._create(record, name, {f"p{number}": orjson.dumps(value) for number, (_, value) in enumerate(kept)})
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
            await self._called(
                record, "create", lambda user: self._cluster.create(SECRETS, body, metadata.namespace, as_user=user)
            )
        except AlreadyExistsError as error:  # an earlier turn, or an earlier process, has made it
            found = await self._called(
                record, "get", lambda user: self._cluster.get(SECRETS, name, metadata.namespace, as_user=user)
            )
            if found is None or found.get("data") != body["data"]:
                raise VaultError(f"Secret {name!r} exists, and is not this run's: delete it") from error

    async def _called(self, record: RunRecord, verb: str, call: Any) -> Any:
        account = record.run.spec.run_as
        if account is None or record.namespace in self._closed:
            raise VaultError("private data needs spec.runAs, an account that may create, get and delete Secrets")
        user = f"system:serviceaccount:{record.namespace}:{account.service_account_name}"

        async def tried() -> Any:
            try:
                return await call(user)
            except ForbiddenError as error:
                return error

        answer = await self._persistently(tried)
        if isinstance(answer, ForbiddenError):
            raise VaultError(
                f"private data is kept in Secrets, and ServiceAccount {account.service_account_name!r} may not "
                f"{verb} them: add a RoleBinding that grants create, get and delete on secrets ({answer})"
            )
        return answer


def _state_name(record: RunRecord, mark: str) -> str:
    return visit_name(record.name, record.uid, f"state.{mark}")


def _readable(place: Place) -> Place:
    """Give the place that a parameter can be read to: names only, so of a list the property that holds it."""
    names: list[str | int] = []
    for part in place:
        if not isinstance(part, str) or not _NAME.fullmatch(part):
            break
        names.append(part)
    if not names:
        raise UnableToRunError("a private parameter must have a name of letters, digits, - and _")
    return tuple(names)


def split(document: Any) -> tuple[Any, Kept]:
    """Give a state without its private parts, and those."""
    places = private_places(document)
    return taken(document, places) if places else (document, [])
