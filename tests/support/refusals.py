"""What the API server says where it refuses: manifests of each kind, a dry run, and the checks of a message."""

from typing import Any

import pytest

from cluster.errors import KubectlError
from cluster.kubectl import Kubectl
from support.actions import API_VERSION
from support.api import create_object, patch_object

Body = dict[str, Any]


def manifest(kind: str, spec: Body, *, name: str = "subject", **metadata: Any) -> Body:
    """Give a manifest of one of the project's kinds."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def create(kubectl: Kubectl, body: Body, *options: str) -> Body:
    """Create an object and return it as the API server stored it, or with `--dry-run=server` would have."""
    return create_object(kubectl, body, *options)


def merge(kubectl: Kubectl, kind: str, name: str, change: Body, *options: str) -> Body:
    """Merge a change into an object and return it as it is then."""
    return patch_object(kubectl, kind, name, change, *options)


def refusal(kubectl: Kubectl, body: Body, *options: str) -> str:
    """Return what the API server says against a manifest; nothing is stored either way."""
    with pytest.raises(KubectlError) as caught:
        create_object(kubectl, body, "--dry-run=server", *options)
    return str(caught.value)


def merge_refusal(kubectl: Kubectl, kind: str, name: str, change: Body, *options: str) -> str:
    """Return what the API server says against a change; nothing is stored either way."""
    with pytest.raises(KubectlError) as caught:
        patch_object(kubectl, kind, name, change, "--dry-run=server", *options)
    return str(caught.value)


def assert_says(message: str, parts: tuple[str, ...]) -> None:
    """Check that a message holds every part: the field, and what to write instead."""
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in: {message}"
