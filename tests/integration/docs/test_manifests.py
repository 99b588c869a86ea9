"""What the documents print is what the API server accepts: readers copy it."""

import re
from pathlib import Path

import pytest
import yaml

from cluster.kubectl import Kubectl
from local.manifests import GROUP, ROOT

FENCE = re.compile(r"^( *)```yaml.*?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("README.md"))]


def manifests(page: Path) -> list[dict]:
    """Give the whole objects of the project's kinds that a page prints; parts of objects are for reading only."""
    blocks = (re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in FENCE.findall(page.read_text()))
    found = [item for block in blocks for item in yaml.safe_load_all(block)]
    return [item for item in found if isinstance(item, dict) and str(item.get("apiVersion", "")).startswith(GROUP)]


WITH_MANIFESTS = [page for page in PAGES if manifests(page)]


def test_there_are_such_pages() -> None:
    assert {"tutorial.md", "using.md", "webhooks.md"} <= {page.name for page in WITH_MANIFESTS}


@pytest.mark.parametrize("page", WITH_MANIFESTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_prints_is_accepted(page: Path, kubectl: Kubectl) -> None:
    for item in manifests(page):
        item["metadata"].pop("namespace", None)
        kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(item))
