"""Checks of `doctor`: each one returns findings with a remedy; none changes anything."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from taskaction.api.bodies import at, parse_time
from taskaction.api.rbac import RIGHTS
from taskaction.api.rights import Scope
from taskaction.cli.field_checks import check_fields
from taskaction.cli.findings import Finding, Severity
from taskaction.cli.output import format_span
from taskaction.cli.rights_checks import check_granted_rights
from taskaction.cli.secret_checks import check_exposed_secrets
from taskaction.cli.session import Session
from taskaction.cluster.accounts import account_user
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
from taskaction.control.sharding.lease_bodies import SELECTOR, ListedLeases, ReplicaState, holder_of, replica_state
from taskaction.core.constants import API_VERSION, GROUP, VERSION
from taskaction.crdgen.manifest import KINDS, crd_manifest

OLDEST_MINOR = 34
"""Oldest tested minor version of Kubernetes."""
_STALE_SECONDS = 120
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
_GUARDS = ("rights", "run-rights", "schedule-rights", "provider-rights", "origin", "deletion", "parameters")
"""Admission policies that enforce what RBAC cannot."""
_OWN_RIGHTS = (
    (GROUP, "taskactions", ("get", "list", "watch", "create", "patch", "delete", "abort", "signal")),
    (GROUP, "actionproviders", ("list", "use")),
    ("", "pods", ("list",)),
    ("", "pods/log", ("get",)),
)
_OF_CLUSTER = "TASKACTION_CLUSTER_PROVIDERS"
_GAUGE = re.compile(r"^taskaction_(\w+) (\S+)$", re.MULTILINE)


async def run_checks(session: Session, home: str) -> AsyncIterator[Finding]:
    """Yield the findings of all checks; ``home`` is the operator's namespace."""
    reached = await check_server(session)
    yield reached
    if reached.level is Severity.PROBLEM:
        return
    for check in (
        check_crds,
        partial(check_operators, home=home),
        check_policies,
        check_own_rights,
        check_providers,
        check_granted_rights,
        check_exposed_secrets,
        check_fields,
        check_stuck_deletions,
    ):
        try:
            for finding in await check(session):
                yield finding
        except NotFoundError:
            continue  # the CRDs are missing, which another finding reports
        except ForbiddenError as error:
            yield Finding(Severity.NOTE, "rights", f"not permitted to check: {error}")


async def check_server(session: Session) -> Finding:
    """Check that the API server responds, and its version."""
    try:
        version = json.loads(await session.cluster.text("/version"))
    except UnavailableError as error:
        return Finding(
            Severity.PROBLEM,
            "cluster",
            f"cannot reach {session.server}: {error}",
            "start the cluster, or choose another --context",
        )
    text = f"{session.server} responds, version {version.get('gitVersion')}"
    minor = re.sub(r"\D", "", str(version.get("minor", "")))
    if minor and int(minor) < OLDEST_MINOR:
        return Finding(Severity.NOTE, "cluster", text, f"upgrade it: 1.{OLDEST_MINOR} is the oldest tested version")
    return Finding(Severity.OK, "cluster", text)


async def check_crds(session: Session) -> list[Finding]:
    """Check that all CRDs are installed and match this version."""
    served = {kind.plural for kind in await session.cluster.kinds(API_VERSION)}
    missing = [kind.plural for kind in KINDS if kind.plural not in served]
    remedy = "install the chart, or `kubectl apply --server-side -f crds/` of this version"
    if missing:
        return [Finding(Severity.PROBLEM, "crds", f"{', '.join(missing)} are not installed", remedy)]
    try:
        stored = await asyncio.gather(*(session.cluster.get(_CRDS, kind.crd) for kind in KINDS))
    except ForbiddenError:
        text = f"all {len(KINDS)} CRDs are installed; you are not permitted to see their version"
        return [Finding(Severity.OK, "crds", text)]
    others = [
        kind.plural for kind, body in zip(KINDS, stored, strict=True) if body is not None and _differs(kind, body)
    ]
    if others:
        return [Finding(Severity.NOTE, "crds", f"{', '.join(others)} do not match the version of this program", remedy)]
    return [Finding(Severity.OK, "crds", f"all {len(KINDS)} CRDs are installed and match this version")]


def _differs(kind: Any, body: Body) -> bool:
    mine = crd_manifest(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    theirs = [one for one in at(body, "spec.versions", []) if one["name"] == VERSION]
    return not theirs or bool(at(theirs[0], "schema.openAPIV3Schema") != mine)


async def check_operators(session: Session, home: str) -> list[Finding]:
    """Check the replicas, that all shards have an owner, and the health of the operators."""
    try:
        leases = [one async for one in session.cluster.list(LEASES, "", label_selector=SELECTOR)]
    except ForbiddenError:
        leases = [one async for one in session.cluster.list(LEASES, home, label_selector=SELECTOR)]
    homes = sorted({one["metadata"]["namespace"] for one in leases})
    if not homes:
        text = f"no operator Lease in namespace {home}"
        return [
            Finding(
                Severity.PROBLEM, "operator", text, "install the chart, or set its namespace with --operator-namespace"
            )
        ]
    found = []
    for where in homes:
        found += _check_leases(
            where, ListedLeases.from_leases(one for one in leases if one["metadata"]["namespace"] == where)
        )
        found += await _check_pods(session, where)
    return found


def _check_leases(home: str, listed: ListedLeases) -> list[Finding]:
    live = [one for one in listed.replicas if not _is_expired(one) and replica_state(one) is not ReplicaState.FENCED]
    names = {holder_of(one) for one in live}
    held = [one for one in listed.shards.values() if holder_of(one) in names]
    holders = sorted({holder_of(one) for one in held})
    text = f"namespace {home}: {len(live)} replicas, {len(held)} of {len(listed.shards)} shards held"
    if not held:
        remedy = "start the operator and check its log: actions wait until then"
        return [Finding(Severity.PROBLEM, "operator", f"namespace {home}: no operator is running", remedy)]
    if len(held) < len(listed.shards):
        remedy = (
            "wait for the duration of a Lease (TASKACTION_LEASE_DURATION); if this persists, check the operator's log"
        )
        return [Finding(Severity.PROBLEM, "operator", text, remedy)]
    return [Finding(Severity.OK, "operator", f"{text} by {', '.join(holders)}")]


def _is_expired(lease: Body) -> bool:
    renewed = parse_time(at(lease, "spec.renewTime"))
    seconds = at(lease, "spec.leaseDurationSeconds", 0)
    return renewed is None or datetime.now(UTC) - renewed > timedelta(seconds=2 * seconds)


async def _check_pods(session: Session, home: str) -> list[Finding]:
    selector = "app.kubernetes.io/component=operator"
    try:
        pods = [one async for one in session.cluster.list(PODS, home, label_selector=selector)]
    except ForbiddenError as error:
        return [Finding(Severity.NOTE, "operator", f"not permitted to list its pods: {error}")]
    if not pods:
        return [
            Finding(
                Severity.NOTE,
                "operator",
                f"no pods in namespace {home}: it runs outside the cluster, or another chart installed it",
            )
        ]
    found = [await _check_health(session, home, pod["metadata"]["name"]) for pod in pods]
    scopes = {Scope.CLUSTER, Scope.OWN} if _watches_cluster_providers(pods[0]) else {Scope.OWN}
    return found + await _check_rights(session, home, at(pods[0], "spec.serviceAccountName", "default"), scopes)


def _watches_cluster_providers(pod: Body) -> bool:
    """Whether the settings of an operator make it watch ClusterActionProviders."""
    settings = {one["name"]: one.get("value", "") for one in at(pod, "spec.containers")[0].get("env", [])}
    return bool(settings.get(_OF_CLUSTER, "").lower() != "false")


async def _check_health(session: Session, home: str, pod: str) -> Finding:
    where = f"/api/v1/namespaces/{home}/pods/{pod}:{_PORT}/proxy/metrics"
    try:
        gauges = {name: float(value) for name, value in _GAUGE.findall(await session.cluster.text(where))}
    except ClusterError as error:
        return Finding(Severity.NOTE, "operator", f"cannot read the metrics of pod {pod}: {error}")
    old = gauges.get("watch_age_seconds", 0.0)
    text = f"pod {pod}: last watch event {old:.0f} s ago, {gauges.get('actions_live', 0):.0f} live actions"
    if old > _STALE_SECONDS:
        return Finding(
            Severity.PROBLEM,
            "operator",
            text,
            "its watches are stale: check its connection to the API server, or restart it",
        )
    return Finding(Severity.OK, "operator", text)


async def _check_rights(session: Session, home: str, account: str, scopes: Collection[Scope]) -> list[Finding]:
    user = account_user(home, account)
    wanted = [one for one in RIGHTS if one.scope in scopes]
    asked = [(one.group, kind, verb, home) for one in wanted for kind in one.resources for verb in one.verbs]
    served = [one for one in RIGHTS if one.scope is Scope.SERVED]
    asked += [
        (one.group, kind, verb, session.namespace) for one in served for kind in one.resources for verb in one.verbs
    ]
    try:
        allowed = await asyncio.gather(*(_is_allowed(session, *one, user=user) for one in asked))
    except ForbiddenError as error:
        return [Finding(Severity.NOTE, "operator's rights", f"not permitted to check: {error}")]
    lacking = [f"{verb} {kind}" for (_, kind, verb, _), good in zip(asked, allowed, strict=True) if not good]
    if lacking:
        remedy = f"install the roles of the chart for namespace {session.namespace}"
        return [Finding(Severity.PROBLEM, "operator's rights", f"{account} may not {', '.join(lacking)}", remedy)]
    return [
        Finding(Severity.OK, "operator's rights", f"{account} has all required rights in namespace {session.namespace}")
    ]


async def check_policies(session: Session) -> list[Finding]:
    """Check that the admission policies that enforce what RBAC cannot are bound."""
    bound = {one["metadata"]["name"] async for one in session.cluster.list(_POLICIES)}
    missing = [name for name in _GUARDS if f"{name}.{GROUP}" not in bound]
    if missing:
        remedy = "install the chart with admissionPolicies.enabled, or `kubectl apply -f crds/policies/`"
        text = (
            f"{', '.join(missing)} are not bound: anyone who can create actions can use any provider and ServiceAccount"
        )
        return [Finding(Severity.PROBLEM, "policies", text, remedy)]
    return [Finding(Severity.OK, "policies", f"{', '.join(_GUARDS)} are bound")]


async def check_own_rights(session: Session) -> list[Finding]:
    """Check the rights of the current user in the namespace."""
    asked = [(group, kind, verb, session.namespace) for group, kind, verbs in _OWN_RIGHTS for verb in verbs]
    allowed = await asyncio.gather(*(_is_allowed(session, *one) for one in asked))
    lacking = [f"{verb} {kind}" for (_, kind, verb, _), good in zip(asked, allowed, strict=True) if not good]
    if lacking:
        remedy = f"if you need them, ask an administrator for a RoleBinding in namespace {session.namespace}"
        return [Finding(Severity.NOTE, "your rights", f"you may not {', '.join(lacking)}", remedy)]
    return [Finding(Severity.OK, "your rights", f"you have all rights on actions in namespace {session.namespace}")]


async def _is_allowed(session: Session, group: str, resource: str, verb: str, namespace: str, user: str = "") -> bool:
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


async def check_providers(session: Session) -> list[Finding]:
    """Check that the providers of the namespace and the cluster are ready."""
    found: list[Body] = [one async for one in session.cluster.list(ACTION_PROVIDERS, session.namespace)]
    with suppress(ForbiddenError):  # a user with rights in one namespace need not see cluster providers
        found += [one async for one in session.cluster.list(CLUSTER_ACTION_PROVIDERS)]
    bad = [one["metadata"]["name"] for one in found if not _is_ready(one)]
    if bad:
        return [
            Finding(
                Severity.PROBLEM, "providers", f"{', '.join(bad)} are not ready", "see `taskaction providers -o wide`"
            )
        ]
    return [Finding(Severity.OK, "providers", f"{len(found)} providers, all ready")]


def _is_ready(body: Body) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in at(body, "status.conditions", []))


async def check_stuck_deletions(session: Session) -> list[Finding]:
    """Check for actions whose deletion does not finish."""
    now = datetime.now(UTC)
    going: list[str] = []
    async for body in session.cluster.list(TASK_ACTIONS, session.namespace):
        since = parse_time(at(body, "metadata.deletionTimestamp"))
        if since is not None and (now - since).total_seconds() > _STUCK_SECONDS:
            going.append(f"{body['metadata']['name']} (for {format_span((now - since).total_seconds())})")
    if going:
        remedy = "check that an operator is running; without one, remove their finalizer taskaction.dev/abort"
        return [Finding(Severity.PROBLEM, "deletions", f"still being deleted: {', '.join(going[:_SHOWN])}", remedy)]
    return [Finding(Severity.OK, "deletions", f"no deletion is stuck in namespace {session.namespace}")]


_SHOWN = 10


def as_objects(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return findings as plain objects for JSON and YAML."""
    return [
        {
            "level": str(one.level),
            "what": one.what,
            "text": one.text,
            "remedy": one.remedy,
            "mend": one.remedy,  # former name, for scripts that use it
        }
        for one in findings
    ]
