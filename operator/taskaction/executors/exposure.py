"""Values of Secrets in objects: those to create name a Secret instead, and those that are read show none; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import SECRETS, Body, Resource
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.secrets import Place, Secret, secrets_in, wrap

_CONTAINERS = ("initContainers", "containers")
_SHOWN_FIELDS = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
"""Fields of a Secret that hold no value of it."""


def exposure_error(field: str) -> InvalidParametersError:
    """Return the error for a field that would show the value of a Secret."""
    return InvalidParametersError(
        f"{field}: would show the value of a Secret to everybody who may read the object; for job and pod, use "
        "env.NAME with format Text and a key that holds the whole value: it becomes valueFrom.secretKeyRef. Otherwise "
        "name the Secret in the manifest instead of its value",
        code=Reason.SECRET_EXPOSED,
    )


def refuse_exposed(body: Body) -> None:
    """Raise ``InvalidParametersError`` if an object would show the value of a Secret."""
    found = next(secrets_in(body), None)
    if found is not None:
        raise exposure_error(format_place(found[0]))


def refer_to_secrets(template: Body) -> None:
    """Change each environment variable with the value of a Secret into a reference to the key of the Secret."""
    for variable in _variables(template.get("spec")):
        value = variable.get("value")
        if isinstance(value, Secret) and value.origin is not None:
            del variable["value"]
            variable["valueFrom"] = {"secretKeyRef": {"name": value.origin.name, "key": value.origin.key}}


def hide_values(resource: Resource, body: Body) -> Body:
    """Return an object as executors read it: of a Secret, all but its identity is a ``Secret``.

    Checks compare with the values all the same, and everything that describes or returns them shows ``[redacted]``.
    """
    if resource.kind != SECRETS.kind:
        return body
    hidden = {name: value if name in _SHOWN_FIELDS else wrap(value) for name, value in body.items()}
    metadata = body["metadata"]
    if "annotations" in metadata:  # kubectl keeps a copy of the manifest there
        hidden["metadata"] = metadata | {"annotations": wrap(metadata["annotations"])}
    return hidden


def format_place(place: Place) -> str:
    """Return a place as a path for messages."""
    return ".".join(map(str, place))


def _variables(spec: Any) -> Iterator[dict[str, Any]]:
    for field in _CONTAINERS:
        containers = spec.get(field) if isinstance(spec, Mapping) else None
        for container in containers if isinstance(containers, list) else ():
            variables = container.get("env") if isinstance(container, Mapping) else None
            yield from (one for one in (variables if isinstance(variables, list) else ()) if isinstance(one, dict))
