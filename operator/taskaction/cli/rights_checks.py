"""Checks of `doctor` for objects that gave rights to others in earlier versions, and that this version refuses.

They read specs only, so they report the same before and after an upgrade.
"""

from collections.abc import Iterable
from contextlib import suppress

from taskaction.api.bodies import at
from taskaction.api.secret_namespaces import foreign_secret_problem
from taskaction.cli.findings import Finding, Severity
from taskaction.cli.session import Session
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, TASK_ACTIONS, Body

_RUN_AS = "spec.defaults.runAs.serviceAccountName"


async def check_granted_rights(session: Session) -> list[Finding]:
    """Check for providers that read other namespaces' Secrets, and for rights that their authors may not have had."""
    own: list[Body] = [one async for one in session.cluster.list(ACTION_PROVIDERS, session.namespace)]
    shared: list[Body] = []
    with suppress(ForbiddenError):  # a user with rights in one namespace need not see cluster providers
        shared = [one async for one in session.cluster.list(CLUSTER_ACTION_PROVIDERS)]
    actions: list[Body] = [one async for one in session.cluster.list(TASK_ACTIONS, session.namespace)]
    return [
        *_foreign_secrets(own, session.namespace),
        *_accounts(own, shared),
        *_parameters_from(actions, own, shared),
    ]


def _foreign_secrets(providers: Iterable[Body], namespace: str) -> list[Finding]:
    problems = [
        f"ActionProvider {one['metadata']['name']}: {problem}"
        for one in providers
        if (problem := foreign_secret_problem(one["spec"], namespace)) is not None
    ]
    if not problems:
        return [Finding(Severity.OK, "secrets of providers", f"no provider of {namespace} names another namespace")]
    remedy = (
        "copy the Secret to the provider's namespace, or make it a ClusterActionProvider; it is not Ready until then"
    )
    return [Finding(Severity.PROBLEM, "secrets of providers", "; ".join(problems), remedy)]


def _accounts(own: Iterable[Body], shared: Iterable[Body]) -> list[Finding]:
    named = [
        f"{one['metadata']['name']} ({account})" for one in (*own, *shared) if (account := at(one, _RUN_AS)) is not None
    ]
    if not named:
        return []
    text = f"providers that act as a ServiceAccount: {', '.join(named)}"
    remedy = "check that whoever may change them may also impersonate that account; the next change requires it"
    return [Finding(Severity.NOTE, "accounts of providers", text, remedy)]


def _parameters_from(actions: Iterable[Body], own: Iterable[Body], shared: Iterable[Body]) -> list[Finding]:
    with_account = {(kind, one["metadata"]["name"]) for kind, one in _by_kind(own, shared) if at(one, _RUN_AS)}
    names = [
        one["metadata"]["name"]
        for one in actions
        if at(one, "spec.parametersFrom")
        and not at(one, "spec.runAs")
        and not at(one, "status.finishedAt")
        and (at(one, "spec.providerRef.kind", "ActionProvider"), at(one, "spec.providerRef.name")) in with_account
    ]
    if not names:
        return []
    text = f"{', '.join(names)} read spec.parametersFrom as ServiceAccount default, not as that of their provider"
    remedy = "set spec.runAs to an account that may read them, or allow default to"
    return [Finding(Severity.NOTE, "parametersFrom", text, remedy)]


def _by_kind(own: Iterable[Body], shared: Iterable[Body]) -> list[tuple[str, Body]]:
    return [("ActionProvider", one) for one in own] + [("ClusterActionProvider", one) for one in shared]
