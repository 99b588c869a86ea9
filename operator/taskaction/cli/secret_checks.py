"""Check of `doctor` for actions that would show the value of a Secret, and that this version refuses."""

from taskaction.api.bodies import at
from taskaction.api.enums import ValueFormat
from taskaction.cli.findings import Finding, Severity
from taskaction.cli.session import Session
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.plugin.registry import Registry

_CONTAINERS = frozenset({"job", "pod"})
_VARIABLE = "env."


async def check_exposed_secrets(session: Session) -> list[Finding]:
    """Check for unfinished actions whose ``parametersFrom`` puts the value of a Secret into an object or a message."""
    names = [
        f"{body['metadata']['name']} ({found})"
        async for body in session.cluster.list(TASK_ACTIONS, session.namespace)
        if not at(body, "status.finishedAt") and (found := _exposed_parameter(body)) is not None
    ]
    if not names:
        return [Finding(Severity.OK, "values of Secrets", f"no action of {session.namespace} would show one")]
    text = f"actions that would show the value of a Secret, and end Failed with SecretExposed: {', '.join(names)}"
    remedy = "for job and pod, read it into env.NAME with format Text; otherwise name the Secret instead of its value"
    return [Finding(Severity.PROBLEM, "values of Secrets", text, remedy)]


def _exposed_parameter(body: Body) -> str | None:
    """Return the parameter that would show a value, or None."""
    name = at(body, "spec.executor") or ""
    executor = Registry.find_installed(name)
    for source in at(body, "spec.parametersFrom") or ():
        parameter = str(source.get("parameter"))
        reference = parameter.startswith(_VARIABLE) and source.get("format", ValueFormat.TEXT) == ValueFormat.TEXT
        shows = (executor is not None and not executor.ACCEPTS_SECRETS) or (name in _CONTAINERS and not reference)
        if source.get("secretKeyRef") is not None and shows:
            return parameter
    return None
