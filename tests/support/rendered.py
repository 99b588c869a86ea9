"""Manifests that helm prints, read by libyaml: a chart has 20,000 lines, and some hundred tests render it."""

from typing import Any

import yaml


def read_manifests(text: str) -> list[dict[str, Any]]:
    """Return the documents that are not empty."""
    return [manifest for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader) if manifest]
