"""Selectors: equality and existence of labels, equality of a few fields; no sets."""

import re
from collections.abc import Mapping
from typing import Any

from taskaction.cluster.errors import InvalidError
from taskaction.cluster.gateway import Body

_OPERATOR = re.compile("(!?=)=?")
_FIELDS = ("metadata.name", "metadata.namespace", "involvedObject.uid", "involvedObject.name", "type")


def matches_selectors(body: Body, fields: str, labels: str) -> bool:
    """Whether an object matches both selectors."""
    return _meets(fields, fields_of(body)) and _meets(labels, body["metadata"].get("labels") or {})


def fields_of(body: Body) -> Mapping[str, str]:
    """Return the fields of an object that a field selector can use."""
    found = {name: _at(body, name) for name in _FIELDS}
    spec, status = body.get("spec"), body.get("status")
    if isinstance(status, dict):
        found["status.phase"] = str(status.get("phase", ""))
    if isinstance(spec, dict):
        found["spec.executor"] = str(spec.get("executor") or "")
        found["spec.providerRef.name"] = _at(body, "spec.providerRef.name")
        found["spec.parentRef.name"] = _at(body, "spec.parentRef.name")
    return {"status.phase": "", **found}


def _at(body: Body, path: str) -> str:
    found: Any = body
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _meets(selector: str, values: Mapping[str, str]) -> bool:
    for requirement in filter(None, (part.strip() for part in selector.split(","))):
        if " in " in requirement or " notin " in requirement:
            raise InvalidError(f"set-based selectors are not supported in memory: {requirement}")
        found = _OPERATOR.search(requirement)
        if found is None:
            if (requirement.removeprefix("!") in values) == requirement.startswith("!"):
                return False
            continue
        name, value = requirement[: found.start()].strip(), requirement[found.end() :].strip()
        if (values.get(name) == value) != (found[1] == "="):
            return False
    return True
