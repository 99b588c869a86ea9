"""Requests with the rights of an action's account, and messages for the refusals of the API server.

An action can do nothing that its account cannot do: every request impersonates the account
(docs/adr/0008-workloads-by-impersonation-and-one-watch.md). An exception are the Events about an object that the action
created, which say why it waits: few accounts may read Events.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from taskaction.cluster.accounts import account_user
from taskaction.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    MissingAccountError,
    NotFoundError,
    QuotaReachedError,
    UnavailableError,
)
from taskaction.cluster.gateway import EVENTS, Body, Cluster, Resource
from taskaction.core.clock import Clock
from taskaction.core.constants import ORIGIN_ANNOTATION, UID_LABEL
from taskaction.executors.exposure import hide_values, refuse_exposed
from taskaction.plugin.base import Run
from taskaction.plugin.errors import AccessDeniedError, ActionExecutionError, InvalidParametersError
from taskaction.plugin.origin import OriginGuard, origin_problem, owner_problem

_OWN_LACK = re.compile(r'User "system:serviceaccount:[^"]*" cannot')
_WARNINGS_READ = 50


class QuotaExceededError(ActionExecutionError):
    """A ResourceQuota leaves no room at present; room may become free later."""

    CODE = "QuotaExceeded"


class Actor:
    """Client that creates, reads and deletes objects for actions.

    It asks once per apiVersion which kinds the API server serves, and again if a kind is missing.
    """

    def __init__(self, cluster: Cluster, closed_namespaces: frozenset[str], clock: Clock) -> None:
        self._cluster = cluster
        self._closed = closed_namespaces
        self._guard = OriginGuard(cluster, clock)
        self._kinds: dict[tuple[str, str], Resource] = {}

    async def resource(self, api_version: str, kind: str) -> Resource | None:
        """Return the API resource of a kind, or None if the API server does not know the kind.

        Raises:
            UnavailableError: the API server does not respond.
        """
        key = (api_version, kind)
        if key not in self._kinds:
            served = await self._cluster.kinds(api_version)
            self._kinds |= {(api_version, one.kind): one for one in served}
        return self._kinds.get(key)

    async def create(self, resource: Resource, body: Body, run: Run) -> Body:
        """Create an object of an attempt, or return the one that an earlier call of the same attempt created.

        Raises:
            ActionError: the API server refuses it, or another owner has an object of this name.
            UnavailableError: no response came, so whether the object was created is unknown.
        """
        refuse_exposed(body)
        metadata = body["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        try:
            return hide_values(resource, await self._cluster.create(resource, body, namespace, as_user=self._user(run)))
        except (AlreadyExistsError, QuotaReachedError) as error:  # the API server checks quotas before names
            return await self._find_existing(resource, body, run, error)
        except ForbiddenError as error:
            raise self._access_denied_error(error, "create", resource, namespace, run) from error
        except NotFoundError as error:
            raise InvalidParametersError(f"{resource.kind} {name!r} cannot be created: {error}") from error
        except InvalidError as error:
            raise InvalidParametersError(f"the API server refuses {resource.kind} {name!r}: {error}") from error

    async def _find_existing(self, resource: Resource, intended: Body, run: Run, error: ClusterError) -> Body:
        """Return the object that an earlier call created; otherwise raise what ``error`` means."""
        metadata = intended["metadata"]
        what = f"{resource.kind} {metadata['name']!r}"
        found = await self.get(resource, metadata["name"], metadata.get("namespace", ""), run)
        if found is None and isinstance(error, QuotaReachedError):
            raise QuotaExceededError(f"{what}: {error}") from error
        if found is None:
            raise UnavailableError(f"{what} existed and has just been deleted") from error
        if (problem := await self._foreign_problem(intended, found, run)) is not None:
            message = f"{what} already exists and is not this action's: {problem}"
            raise ActionExecutionError(message, code="AlreadyExists") from error
        return found

    async def _foreign_problem(self, intended: Body, found: Body, run: Run) -> str | None:
        """Return why an existing object is not the action's own, or None; anybody can set a label, but no origin."""
        if found["metadata"].get("labels", {}).get(UID_LABEL) != run.uid:
            return "use another name or delete it"
        if ORIGIN_ANNOTATION not in (intended["metadata"].get("annotations") or {}):
            problem = owner_problem(intended, found)
            return f"{problem}; use another name or delete it" if problem is not None else None
        if (problem := origin_problem(intended, found)) is not None:
            return f"{problem}; delete it"
        if await self._guard.is_enforced(run.namespace):
            return None
        return "the policy origin.taskaction.dev, which would prove who created it, is not installed; delete it"

    async def get(self, resource: Resource, name: str, namespace: str, run: Run) -> Body | None:
        """Return an object, or None if it does not exist; the values of a Secret are ``Secret``."""
        try:
            body = await self._cluster.get(resource, name, namespace, as_user=self._user(run))
        except ForbiddenError as error:
            raise self._access_denied_error(error, "get", resource, namespace, run) from error
        return hide_values(resource, body) if body is not None else None

    async def list_labelled(
        self, resource: Resource, namespace: str, labels: Mapping[str, str], run: Run
    ) -> list[Body]:
        """Return the objects of a namespace that have all ``labels``."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        try:
            return [
                hide_values(resource, body)
                async for body in self._cluster.list(
                    resource, namespace, label_selector=selector, as_user=self._user(run)
                )
            ]
        except ForbiddenError as error:
            raise self._access_denied_error(error, "list", resource, namespace, run) from error

    async def list_warnings(self, namespace: str, uid: str) -> list[Body]:
        """Return some warning Events about an object, read as the operator itself.

        Raises:
            ClusterError: they cannot be read.
        """
        found: list[Body] = []
        selector = f"involvedObject.uid={uid},type=Warning"
        async for event in self._cluster.list(EVENTS, namespace, field_selector=selector, page=_WARNINGS_READ):
            found.append(event)
            if len(found) == _WARNINGS_READ:
                break
        return found

    async def delete(
        self, resource: Resource, name: str, namespace: str, run: Run, *, uid: str | None, propagation: str
    ) -> bool:
        """Delete an object; return False if it does not exist or another object has its name."""
        try:
            return await self._cluster.delete(
                resource, name, namespace, uid=uid, propagation=propagation, as_user=self._user(run)
            )
        except ForbiddenError as error:
            raise self._access_denied_error(error, "delete", resource, namespace, run) from error

    async def patch(
        self, resource: Resource, name: str, namespace: str, operations: Sequence[Mapping[str, Any]], run: Run
    ) -> Body | None:
        """Patch an object; return None if it is deleted, replaced, or no longer accepts the change."""
        try:
            body = await self._cluster.patch(resource, name, namespace, operations, as_user=self._user(run))
        except ForbiddenError as error:
            raise self._access_denied_error(error, "patch", resource, namespace, run) from error
        except (NotFoundError, ConflictError, InvalidError):
            return None
        return hide_values(resource, body)

    def _user(self, run: Run) -> str:
        if run.namespace in self._closed:
            raise AccessDeniedError(
                f"actions cannot use accounts of namespace {run.namespace!r}: use another namespace"
            )
        return account_user(run.namespace, run.service_account)

    @staticmethod
    def _access_denied_error(
        error: ForbiddenError, verb: str, resource: Resource, namespace: str, run: Run
    ) -> AccessDeniedError:
        """Return an error that names who lacks the right, or the admission rule that refuses the request."""
        text = str(error)
        if isinstance(error, MissingAccountError):
            return AccessDeniedError(text)
        if "cannot impersonate" in text:
            return AccessDeniedError(
                f"the operator may not impersonate ServiceAccount {run.service_account!r} in namespace "
                f"{run.namespace!r}: an administrator of the namespace must grant it"
            )
        if not _OWN_LACK.search(text):
            return AccessDeniedError(f"{resource.kind}: {text}")
        kinds = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        role, where, at = "role", f"in namespace {namespace!r}", f" -n {namespace}"
        if not resource.namespaced:
            role, where, at = "clusterrole", "in the whole cluster", ""
        account = f"{run.namespace}:{run.service_account}"
        verbs = ",".join(dict.fromkeys(("create", "get", "list", "delete", verb)))
        return AccessDeniedError(
            f"ServiceAccount {run.service_account!r} may not {verb} {kinds} {where}: "
            f"kubectl create {role} NAME --verb={verbs} --resource={kinds}{at}; "
            f"kubectl create {role}binding NAME --{role}=NAME --serviceaccount={account}{at}"
        )
