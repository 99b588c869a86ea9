"""Overlay of a pod's spec on another one, as Flyte does with pod templates; pure and deterministic."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from taskaction.cluster.gateway import Body

PRIMARY, DEFAULT = "primary", "default"
"""What Flyte calls the containers of a PodTemplate that underlie the task's own container, and every container."""
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "env": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
}
"""Lists whose entries have a name of a kind: an entry of the upper spec takes the place of the lower one's."""


def overlay(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> Body:
    """Return ``upper`` merged over ``lower``: objects and lists are joined; otherwise ``upper`` wins."""
    found: Body = copy.deepcopy(dict(lower))
    for name, value in upper.items():
        below = found.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            found[name] = overlay(value, below)
        elif name in _KEYS and isinstance(value, Sequence) and isinstance(below, Sequence):
            found[name] = _merge_lists(value, below, _KEYS[name])
        elif name == "tolerations" and isinstance(below, Sequence):
            found[name] = [*below, *(one for one in copy.deepcopy(value) if one not in below)]
        else:
            found[name] = copy.deepcopy(value)
    return found


def overlay_template(pod: Mapping[str, Any], template: Mapping[str, Any], primary: str) -> Body:
    """Return a pod (``metadata`` and ``spec``) on a PodTemplate's: ``primary`` is the name of the task's container."""
    lower = copy.deepcopy(dict(template))
    below = {str(one.get("name")): one for one in (lower.get("spec") or {}).get("containers") or ()}
    every = below.pop(DEFAULT, {})
    own = below.pop(PRIMARY, {})
    names = [str(one["name"]) for one in pod["spec"]["containers"]]
    for name in names:
        below[name] = overlay(own if name == primary else below.get(name, {}), every)
    others = [name for name in below if name not in names]
    lower["spec"] = {
        **(lower.get("spec") or {}),
        "containers": [below[name] | {"name": name} for name in names + others],
    }
    return overlay(pod, lower)


def _merge_lists(upper: Sequence[Any], lower: Sequence[Any], key: str) -> list[Any]:
    entries: dict[Any, Any] = {one.get(key): copy.deepcopy(one) for one in lower}
    for one in upper:
        name = one.get(key)
        entries[name] = overlay(one, entries[name]) if name in entries and key == "name" else copy.deepcopy(one)
    return list(entries.values())
