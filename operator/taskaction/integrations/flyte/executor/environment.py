"""The environment of a task: who it is, and how the SDK in it reaches the Actions service; pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from taskaction.cluster.gateway import Body
from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.plugin.base import Run

TOKEN_VOLUME = "taskaction-flyte-token"  # noqa: S105 - a name
TOKEN_FOLDER = "/var/run/secrets/taskaction.dev/flyte"  # noqa: S105 - a place
_TOKEN_SECONDS = 3600
"""How long a token is good; kubelet writes a new one well before."""


def identity(parameters: FlyteParameters, run: Run) -> dict[str, str]:
    """Return the variables that say which action this is; neither a task nor a run can change them."""
    return {
        "ACTION_NAME": parameters.action_name,
        "RUN_NAME": parameters.run_name,
        "FLYTE_INTERNAL_EXECUTION_PROJECT": parameters.project,
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": parameters.domain,
        "FLYTE_ATTEMPT_NUMBER": str(run.attempt - 1),
        "_U_ORG_NAME": parameters.org,
        "_U_RUN_BASE": parameters.run_output_base,
    }


def connection(settings: FlyteSettings) -> dict[str, str]:
    """Return the variables by which the SDK finds the Actions service and shows who it is.

    ``_U_INSECURE`` means no authentication to the SDK, not only no TLS: with a token it must stay unset, and an
    address that begins with http:// says by itself that there is no TLS.
    """
    if settings.endpoint is None:
        return {}
    found = {"_U_USE_ACTIONS": "1", "_U_EP_OVERRIDE": settings.endpoint}
    if settings.authentication:
        command = f'["cat", "{TOKEN_FOLDER}/token"]'
        return found | {"FLYTE_AUTH_TYPE": "ExternalCommand", "FLYTE_AUTH_COMMAND": command}
    return found | ({"_U_INSECURE": "true"} if settings.endpoint.startswith("http://") else {})


def merge_variables(
    own: Iterable[Mapping[str, Any]], *, below: Mapping[str, str], above: Mapping[str, str]
) -> list[Body]:
    """Return a container's variables over those ``below`` and under those ``above``, each name once."""
    found: dict[str, Body] = {name: _plain(name, value) for name, value in below.items()}
    for variable in own:  # the last one of a name counts, as in Kubernetes
        found.pop(str(variable.get("name")), None)
        found[str(variable.get("name"))] = dict(variable)
    for name, value in above.items():
        found.pop(name, None)
        found[name] = _plain(name, value)
    return list(found.values())


def token_volume(settings: FlyteSettings) -> Body:
    """Return the volume with the pod's token for the Actions service."""
    source: Body = {"path": "token", "expirationSeconds": _TOKEN_SECONDS}
    if settings.audience:
        source["audience"] = settings.audience
    return {"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": source}]}}


def token_mount() -> Body:
    """Return where it is found."""
    return {"name": TOKEN_VOLUME, "mountPath": TOKEN_FOLDER, "readOnly": True}


def _plain(name: str, value: str) -> Body:
    return {"name": name, "value": value}
