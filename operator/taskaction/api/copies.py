"""Copies of ended actions and runs, which run the same spec again; pure."""

from collections.abc import Mapping
from typing import Any

from taskaction.api.bodies import at
from taskaction.core.constants import API_VERSION, GROUP

RETRY_OF = f"{GROUP}/retry-of"
"""On a copy: annotation with the name of the original action, and label with its uid."""


def copy_for_retry(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new object with the same spec, without the fields that apply only to the old object."""
    metadata = body["metadata"]
    own = {"abort", "signal", "suspend", "idempotencyKey", "notAfter", "parentRef"}
    spec = {name: part for name, part in body["spec"].items() if name not in own}
    origin = at(metadata, "annotations", {}).get(RETRY_OF, metadata["name"])
    kept = {key: text for key, text in at(metadata, "labels", {}).items() if not key.startswith(f"{GROUP}/")}
    made = {
        "generateName": f"{origin[:240]}-",
        "labels": kept | {RETRY_OF: metadata["uid"]},
        "annotations": {RETRY_OF: metadata["name"]},
    }
    return {"apiVersion": API_VERSION, "kind": body["kind"], "metadata": made, "spec": spec}
