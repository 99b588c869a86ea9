"""Proof that an object was created for a visit of a run, an attempt of an action, or a caller of a service.

Anybody who may create an object can give it any name, label and owner, so none of these proves who created it. The
policy ``origin.taskaction.dev`` lets only the operator's accounts, and the account that the object names in
``spec.runAs``, set the annotation ``taskaction.dev/origin``. Where the policy does not act, an object of the expected
name that this process did not create is refused.
"""

from collections.abc import Mapping
from typing import Any

from taskaction.api.task_action_rules import MUTABLE_SPEC_FIELDS
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Cluster
from taskaction.core.clock import Clock
from taskaction.core.constants import ORIGIN_ANNOTATION, ORIGIN_PROBE

_KEPT_SECONDS = 10.0
"""Age up to which an earlier answer of the API server counts; only that the policy acts is remembered."""


def with_origin(body: Body, origin: str) -> Body:
    """Return ``body`` with the annotation that says what it is created for."""
    metadata = body["metadata"]
    annotations = (metadata.get("annotations") or {}) | {ORIGIN_ANNOTATION: origin}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def origin_problem(intended: Body, found: Body) -> str | None:
    """Return why ``found`` is not the object that ``intended`` describes, or None if it is.

    Fields that users may change later do not count. ``intended`` has no field for which the API server has a default.
    """
    mine, theirs = intended["metadata"], found["metadata"]
    origin = (mine.get("annotations") or {}).get(ORIGIN_ANNOTATION)
    if origin is None or (theirs.get("annotations") or {}).get(ORIGIN_ANNOTATION) != origin:
        return f"its annotation {ORIGIN_ANNOTATION} is not {origin!r}"
    if (problem := owner_problem(intended, found)) is not None:
        return problem
    wanted, spec = intended["spec"], found.get("spec") or {}
    fixed = (spec.keys() | wanted.keys()) - MUTABLE_SPEC_FIELDS
    differing = sorted(name for name in fixed if not _is_same(wanted.get(name), spec.get(name)))
    return f"its spec.{differing[0]} differs" if differing else None


def owner_problem(intended: Body, found: Body) -> str | None:
    """Return why ``found`` does not belong to the owner that ``intended`` names, or None if it does."""
    owners = [owner["uid"] for owner in found["metadata"].get("ownerReferences") or ()]
    if any(owner["uid"] not in owners for owner in intended["metadata"].get("ownerReferences") or ()):
        return "its metadata.ownerReferences do not name the owner"
    return None


def _is_same(wanted: Any, found: Any) -> bool:
    """Whether a stored JSON value is the wanted one; 1 and 1.0 are the same number to the API server, true is none."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return wanted.keys() == found.keys() and all(_is_same(value, found[name]) for name, value in wanted.items())
    if isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        return len(wanted) == len(found) and all(map(_is_same, wanted, found))
    return bool(wanted == found) and isinstance(wanted, bool) == isinstance(found, bool)


class OriginGuard:
    """Check whether the policy that protects the annotation acts, by a request that it refuses to everybody."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._seen: dict[str, float] = {}

    async def is_enforced(self, namespace: str) -> bool:
        """Whether the policy acts in a namespace.

        Raises:
            UnavailableError: the API server does not respond.
        """
        now = self._clock.monotonic()
        if now - self._seen.get(namespace, -_KEPT_SECONDS) < _KEPT_SECONDS:
            return True
        if not await self._is_probe_refused(namespace):
            return False
        self._seen = {name: at for name, at in self._seen.items() if now - at < _KEPT_SECONDS} | {namespace: now}
        return True

    async def _is_probe_refused(self, namespace: str) -> bool:
        body = {
            "apiVersion": TASK_ACTIONS.api_version,
            "kind": TASK_ACTIONS.kind,
            "metadata": {"generateName": "probe-", "namespace": namespace},
            "spec": {"executor": "noop"},
        }
        try:
            await self._cluster.check_create(TASK_ACTIONS, with_origin(body, ORIGIN_PROBE), namespace)
        except ForbiddenError as error:
            return ORIGIN_ANNOTATION in str(error)
        return False
