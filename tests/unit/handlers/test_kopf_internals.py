"""Everything of kopf that is used and not public: it was checked against the pinned version, and only that one.

If kopf's pin changes, the first test fails. Read the others, and the parts of kopf that they name; then change VERSION.
"""

import ast
import inspect
import re
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import kopf
import pytest
from kopf._core.reactor.inventory import ResourceMemories

import taskaction
from taskaction.handlers.no_storage import NoMemories

VERSION = "1.45.2"
ROOT = Path(__file__).parents[3]
PACKAGE = Path(taskaction.__file__).parent
PRIVATE = {"handlers/no_storage.py": {"kopf._core.reactor.inventory"}}
"""The modules that import anything private of kopf, and what."""


@pytest.mark.parametrize("pins", ["dev.txt", "runtime.txt"])
def test_the_pinned_version_is_the_one_that_was_checked(pins: str) -> None:
    pinned = re.search(r"^kopf==(\S+)", (ROOT / "hack" / "requirements" / pins).read_text(), re.MULTILINE)
    assert pinned is not None
    assert (pinned[1], version("kopf")) == (VERSION, VERSION)


def test_only_the_memories_are_imported() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): modules
        for path in PACKAGE.rglob("*.py")
        if (modules := {name for name in _imports(path) if name.startswith("kopf._")})
    }
    assert found == PRIVATE


def test_the_watches_take_memories_of_that_class() -> None:
    parameter = inspect.signature(kopf.spawn_tasks).parameters["memories"]
    assert parameter.annotation == ResourceMemories | None


async def test_what_kopf_forgets_was_never_kept() -> None:
    """kopf calls ``recall`` for each event, and ``forget`` for a deletion, which the filters may drop."""
    processing = inspect.getsource(import_module("kopf._core.reactor.processing"))
    assert set(re.findall(r"memories\.(\w+)\(", processing)) == {"recall", "forget"}
    memories = NoMemories()
    body = {"metadata": {"uid": "one"}}
    first = await memories.recall(body, noticed_by_listing=True, memobase=None)
    assert first.noticed_by_listing
    assert await memories.recall(body) is not first
    assert list(memories.iter_all_memories()) == []
    await memories.forget(body)


def test_the_overridden_method_has_kopfs_parameters() -> None:
    theirs = inspect.signature(ResourceMemories.recall).parameters
    assert {"self", "raw_body", "ephemeral"} <= set(theirs)
    assert theirs["ephemeral"].default is False


def test_lists_and_watches_are_read_as_the_filters_expect() -> None:
    """The filters replace ``response.content``: a list is read whole, a watch by ``iter_chunked``."""
    api = import_module("kopf._cogs.clients.api")
    assert "content.iter_chunked(" in inspect.getsource(api.iter_jsonlines)
    assert "response.content" in inspect.getsource(api.stream)
    assert re.findall(r"response\.(?!content)\w+\(", inspect.getsource(api.get)) == ["response.json("]


def test_the_lines_of_log_that_are_dropped_are_kopfs() -> None:
    assert "will retry" in inspect.getsource(import_module("kopf._cogs.clients.api"))
    assert "not in the main thread" in inspect.getsource(import_module("kopf._core.reactor.running"))


def _imports(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text()))
    return {
        name
        for node in tree
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
