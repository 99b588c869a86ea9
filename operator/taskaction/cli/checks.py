"""What `doctor` looks at: each check gives findings that say what to mend; none changes anything."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from taskaction.api.rbac import RIGHTS, Scope
from taskaction.cli.objects import at
from taskaction.cli.output import moment, short
from taskaction.cli.session import Session
from taskaction.cluster.errors import ClusterError, ForbiddenError, NotFoundError, UnavailableError
from taskaction.cluster.gateway import (
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    LEASES,
    PODS,
    SUBJECT_ACCESS_REVIEWS,
    TASK_ACTIONS,
    Body,
    Resource,
)
from taskaction.control.sharding.lease_bodies import SELECTOR, Listed, holder
from taskaction.core.constants import API_VERSION, GROUP, VERSION
from taskaction.crdgen.manifest import KINDS, crd_manifest

OLDEST_MINOR = 34
"""The oldest minor version of Kubernetes that is tested."""
_DEAF_SECONDS = 120
_STUCK_SECONDS = 600
_PORT = 8080
_CRDS = Resource(
    group="apiextensions.k8s.io", version="v1", plural="customresourcedefinitions", kind="", namespaced=False
)
_POLICIES = Resource(
    group="admissionregistration.k8s.io",
    version="v1",
    plural="validatingadmissionpolicybindings",
    kind="",
    namespaced=False,
)
_OWN_REVIEWS = Resource(
    group="authorization.k8s.io", version="v1", plural="selfsubjectaccessreviews", kind="", namespaced=False
)
_GUARDS = ("rights", "run-rights", "parameters")
"""The admission policies without which people may do more than they should."""
_OWN_RIGHTS = (
    (GROUP, "taskactions", ("get", "list", "watch", "create", "patch", "delete", "abort", "signal")),
    (GROUP, "actionproviders", ("list", "use")),
    ("", "pods", ("list",)),
    ("", "pods/log", ("get",)),
)
_OF_CLUSTER = "TASKACTION_CLUSTER_PROVIDERS"
_GAUGE = re.compile(r"^taskaction_(\w+) (\S+)$", re.MULTILINE)


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do about it."""

    level: Level
    what: str
    text: str
    mend: str = ""


async def examined(session: Session, home: str) -> AsyncIterator[Finding]:
    """Give all findings as they come; ``home`` is the operator's namespace."""
    reached = await server(session)
    yield reached
    if reached.level is Level.PROBLEM:
        return
    for check in (crds, partial(operators, home=home), policies, own_rights, providers, stuck):
        try:
            for finding in await check(session):
                yield finding
        except NotFoundError:
            continue  # without the CRDs, of which a finding tells
        except ForbiddenError as error:
            yield Finding(Level.NOTE, "rights", f"something cannot be looked at: {error}")


async def server(session: Session) -> Finding:
    """Look whether the API server answers, and which version it is."""
    try:
        version = json.loads(await session.cluster.text("/version"))
    except UnavailableError as error:
        return Finding(
            Level.PROBLEM,
            "cluster",
            f"{session.server} cannot be reached: {error}",
            "start it, or choose another --context",
        )
    text = f"{session.server} answers, version {version.get('gitVersion')}"
    minor = re.sub(r"\D", "", str(version.get("minor", "")))
    if minor and int(minor) < OLDEST_MINOR:
        return Finding(
            Level.NOTE, "cluster", text, f"1.{OLDEST_MINOR} is the oldest version that is tested: upgrade it"
        )
    return Finding(Level.OK, "cluster", text)


async def crds(session: Session) -> list[Finding]:
    """Look whether all kinds are there, and as this version knows them."""
    served = {kind.plural for kind in await session.cluster.kinds(API_VERSION)}
    missing = [kind.plural for kind in KINDS if kind.plural not in served]
    mend = "install the chart, or `kubectl apply --server-side -f crds/` of this version"
    if missing:
        return [Finding(Level.PROBLEM, "crds", f"{', '.join(missing)} are not there", mend)]
    try:
        stored = await asyncio.gather(*(session.cluster.get(_CRDS, kind.crd) for kind in KINDS))
    except ForbiddenError:
        text = f"all {len(KINDS)} kinds are there; whether they are of this version, you may not see"
        return [Finding(Level.OK, "crds", text)]
    others = [
        kind.plural for kind, body in zip(KINDS, stored, strict=True) if body is not None and _differs(kind, body)
    ]
    if others:
        return [Finding(Level.NOTE, "crds", f"{', '.join(others)} are of another version than this program", mend)]
    return [Finding(Level.OK, "crds", f"all {len(KINDS)} kinds are there, as this version knows them")]


def _differs(kind: Any, body: Body) -> bool:
    mine = crd_manifest(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    theirs = [one for one in at(body, "spec.versions", []) if one["name"] == VERSION]
    return not theirs or bool(at(theirs[0], "schema.openAPIV3Schema") != mine)


async def operators(session: Session, home: str) -> list[Finding]:
    """Look which replicas there are, whether all shards are held, and how the operators are."""
    try:
        leases = [one async for one in session.cluster.list(LEASES, "", label_selector=SELECTOR)]
    except ForbiddenError:
        leases = [one async for one in session.cluster.list(LEASES, home, label_selector=SELECTOR)]
    homes = sorted({one["metadata"]["namespace"] for one in leases})
    if not homes:
        text = f"no operator has ever had a Lease in namespace {home}"
        return [
            Finding(Level.PROBLEM, "operator", text, "install the chart, or name its namespace: --operator-namespace")
        ]
    found = []
    for where in homes:
        found += _leases(where, Listed.of(one for one in leases if one["metadata"]["namespace"] == where))
        found += await _pods(session, where)
    return found


def _leases(home: str, listed: Listed) -> list[Finding]:
    live = [one for one in listed.replicas if not _has_run_out(one)]
    held = [one for one in listed.shards.values() if holder(one) and not _has_run_out(one)]
    holders = sorted({holder(one) for one in held})
    text = f"namespace {home}: {len(live)} replicas, {len(held)} of {len(listed.shards)} shards held"
    if not held:
        mend = "start it, and look at its log: actions wait until then"
        return [Finding(Level.PROBLEM, "operator", f"namespace {home}: no operator is alive", mend)]
    if len(held) < len(listed.shards):
        mend = "wait for a lease's time (15 s); if it stays so, look at the operator's log"
        return [Finding(Level.PROBLEM, "operator", text, mend)]
    return [Finding(Level.OK, "operator", f"{text} by {', '.join(holders)}")]


def _has_run_out(lease: Body) -> bool:
    renewed = moment(at(lease, "spec.renewTime"))
    seconds = at(lease, "spec.leaseDurationSeconds", 0)
    return renewed is None or datetime.now(UTC) - renewed > timedelta(seconds=2 * seconds)


async def _pods(session: Session, home: str) -> list[Finding]:
    selector = "app.kubernetes.io/component=operator"
    try:
        pods = [one async for one in session.cluster.list(PODS, home, label_selector=selector)]
    except ForbiddenError as error:
        return [Finding(Level.NOTE, "operator", f"its pods cannot be looked at: {error}")]
    if not pods:
        return [
            Finding(Level.NOTE, "operator", f"it runs outside of the cluster, or not by the chart of namespace {home}")
        ]
    found = [await _health(session, home, pod["metadata"]["name"]) for pod in pods]
    scopes = {Scope.CLUSTER, Scope.OWN} if _looks_beyond_namespaces(pods[0]) else {Scope.OWN}
    return found + await _rights_of(session, home, at(pods[0], "spec.serviceAccountName", "default"), scopes)


def _looks_beyond_namespaces(pod: Body) -> bool:
    """Say whether an operator looks at ClusterActionProviders, by its settings."""
    settings = {one["name"]: one.get("value", "") for one in at(pod, "spec.containers")[0].get("env", [])}
    return bool(settings.get(_OF_CLUSTER, "").lower() != "false")


async def _health(session: Session, home: str, pod: str) -> Finding:
    where = f"/api/v1/namespaces/{home}/pods/{pod}:{_PORT}/proxy/metrics"
    try:
        gauges = {name: float(value) for name, value in _GAUGE.findall(await session.cluster.text(where))}
    except ClusterError as error:
        return Finding(Level.NOTE, "operator", f"pod {pod} does not show its metrics: {error}")
    old = gauges.get("watch_age_seconds", 0.0)
    text = (
        f"pod {pod} has last heard of its watches {old:.0f} s ago, {gauges.get('actions_live', 0):.0f} actions are live"
    )
    if old > _DEAF_SECONDS:
        return Finding(
            Level.PROBLEM, "operator", text, "it is deaf: see whether it reaches the API server, or restart it"
        )
    return Finding(Level.OK, "operator", text)


async def _rights_of(session: Session, home: str, account: str, scopes: Collection[Scope]) -> list[Finding]:
    user = f"system:serviceaccount:{home}:{account}"
    wanted = [one for one in RIGHTS if one.scope in scopes]
    asked = [(one.group, kind, verb, home) for one in wanted for kind in one.resources for verb in one.verbs]
    served = [one for one in RIGHTS if one.scope is Scope.SERVED]
    asked += [
        (one.group, kind, verb, session.namespace) for one in served for kind in one.resources for verb in one.verbs
    ]
    try:
        allowed = await asyncio.gather(*(_allowed(session, *one, user=user) for one in asked))
    except ForbiddenError as error:
        return [Finding(Level.NOTE, "operator's rights", f"cannot be asked for: {error}")]
    lacking = [f"{verb} {kind}" for (_, kind, verb, _), good in zip(asked, allowed, strict=True) if not good]
    if lacking:
        mend = f"install the chart's roles, and let it serve namespace {session.namespace}"
        return [Finding(Level.PROBLEM, "operator's rights", f"{account} may not {', '.join(lacking)}", mend)]
    return [Finding(Level.OK, "operator's rights", f"{account} may do all it has to in namespace {session.namespace}")]


async def policies(session: Session) -> list[Finding]:
    """Look whether the admission policies are bound that guard what RBAC cannot see."""
    bound = {one["metadata"]["name"] async for one in session.cluster.list(_POLICIES)}
    missing = [name for name in _GUARDS if f"{name}.{GROUP}" not in bound]
    if missing:
        mend = "install the chart with admissionPolicies.enabled, or `kubectl apply -f crds/policies/`"
        text = f"{', '.join(missing)} are not bound: whoever makes actions may use any provider and account"
        return [Finding(Level.PROBLEM, "policies", text, mend)]
    return [Finding(Level.OK, "policies", f"{', '.join(_GUARDS)} are bound")]


async def own_rights(session: Session) -> list[Finding]:
    """Look what the person who asks may do in the namespace."""
    asked = [(group, kind, verb, session.namespace) for group, kind, verbs in _OWN_RIGHTS for verb in verbs]
    allowed = await asyncio.gather(*(_allowed(session, *one) for one in asked))
    lacking = [f"{verb} {kind}" for (_, kind, verb, _), good in zip(asked, allowed, strict=True) if not good]
    if lacking:
        mend = f"ask for a RoleBinding in namespace {session.namespace}, if you need it"
        return [Finding(Level.NOTE, "your rights", f"you may not {', '.join(lacking)}", mend)]
    return [Finding(Level.OK, "your rights", f"you may do everything with actions in namespace {session.namespace}")]


async def _allowed(session: Session, group: str, resource: str, verb: str, namespace: str, user: str = "") -> bool:
    kind, _, subresource = resource.partition("/")
    place = {"group": group, "resource": kind, "subresource": subresource, "verb": verb, "namespace": namespace}
    where = SUBJECT_ACCESS_REVIEWS if user else _OWN_REVIEWS
    review: Body = {
        "apiVersion": where.api_version,
        "kind": "SubjectAccessReview" if user else "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": place} | ({"user": user} if user else {}),
    }
    return bool(at(await session.cluster.create(where, review), "status.allowed", default=False))


async def providers(session: Session) -> list[Finding]:
    """Look whether the providers that may be used here are ready."""
    found: list[Body] = [one async for one in session.cluster.list(ACTION_PROVIDERS, session.namespace)]
    with suppress(ForbiddenError):  # who has rights in a namespace alone need not know of others
        found += [one async for one in session.cluster.list(CLUSTER_ACTION_PROVIDERS)]
    bad = [one["metadata"]["name"] for one in found if not _is_ready(one)]
    if bad:
        return [
            Finding(Level.PROBLEM, "providers", f"{', '.join(bad)} are not ready", "see `taskaction providers -o wide`")
        ]
    return [Finding(Level.OK, "providers", f"{len(found)} providers, all ready")]


def _is_ready(body: Body) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in at(body, "status.conditions", []))


async def stuck(session: Session) -> list[Finding]:
    """Look for actions that should be gone, or have never been looked at."""
    now = datetime.now(UTC)
    going: list[str] = []
    async for body in session.cluster.list(TASK_ACTIONS, session.namespace):
        since = moment(at(body, "metadata.deletionTimestamp"))
        if since is not None and (now - since).total_seconds() > _STUCK_SECONDS:
            going.append(f"{body['metadata']['name']} (for {short((now - since).total_seconds())})")
    if going:
        mend = "see whether an operator is alive; without one, remove their finalizer taskaction.dev/abort"
        return [Finding(Level.PROBLEM, "deletions", f"wait to go: {', '.join(going[:_SHOWN])}", mend)]
    return [Finding(Level.OK, "deletions", f"none is stuck in namespace {session.namespace}")]


_SHOWN = 10


def as_objects(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Give findings for programs."""
    return [{"level": str(one.level), "what": one.what, "text": one.text, "mend": one.mend} for one in findings]
