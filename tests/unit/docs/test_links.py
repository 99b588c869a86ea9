"""The documents keep up with the code: no dead link, and every setting, metric and reason is explained somewhere."""

import ast
import re
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from taskaction.api.reasons import Reason
from taskaction.config import PREFIX, OperatorConfig
from taskaction.core.durations import parse_duration
from taskaction.metrics import Metrics

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
FOREIGN = re.compile(r"^[a-z][a-z0-9+.-]*:")
APPLICATION = ROOT / "operator" / "taskaction" / "app.py"


@cache
def prose(path: Path) -> str:
    """Give a document without its blocks of code, where brackets mean something else."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    return [link for link in LINK.findall(CODE.sub("", prose(path))) if not FOREIGN.match(link)]


@cache
def anchors(path: Path) -> frozenset[str]:
    """Give the anchors that GitHub makes of a document's headings; the second of a name gets `-1`."""
    found: list[str] = []
    for heading in HEADING.findall(prose(path)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        again = sum(re.sub(r"-\d+$", "", known) == slug for known in found)
        found.append(f"{slug}-{again}" if again else slug)
    return frozenset(found)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    dead = []
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        is_missing = not target.exists() or not target.is_relative_to(ROOT)
        if is_missing or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            dead.append(link)
    assert dead == []


def test_links_are_found_at_all() -> None:
    assert "docs/architecture.md" in links(ROOT / "README.md")
    assert "what-a-kill--9-loses-or-repeats" in anchors(ROOT / "docs" / "architecture.md")


def test_every_setting_is_explained() -> None:
    assert missing([PREFIX + name.upper() for name in OperatorConfig.model_fields], "operating.md") == []


def test_every_setting_is_given_once_with_its_default() -> None:
    rows = re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| (.+?) \|", document("operating.md"), re.MULTILINE)
    said = [(name.lower(), default.strip("`")) for name, default in rows]
    fields = OperatorConfig.model_fields
    assert sorted(name for name, _ in said) == sorted(fields)
    in_words = {  # no single value to write down
        "identity",
        "context",
        "watch_namespaces",
        "http_allowed_cidrs",
        "runs_buffer_high_watermark",
        "max_runs_buffer_util_pct_per_action",
    }
    wrong = [pair for pair in said if pair[0] not in in_words and not is_default(*pair)]
    assert wrong == []


def test_every_metric_is_explained() -> None:
    samples = {family.name: family.type for family in Metrics().registry.collect()}
    names = [f"{name}_total" if kind == "counter" else name for name, kind in samples.items()]
    assert missing(names + gauges(), "operating.md") == []


def test_every_reason_is_explained() -> None:
    assert missing([str(reason) for reason in Reason], "using.md") == []


def is_default(name: str, said: str) -> bool:
    default = OperatorConfig.model_fields[name].default
    return parse_duration(said) == default if isinstance(default, timedelta) else said == str(default)


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def missing(words: list[str], name: str) -> list[str]:
    """Give the words that a document does not name as code; a word in a sentence may mean something else."""
    named = {word for code in CODE.findall(prose(ROOT / "docs" / name)) for word in re.findall(r"\w+", code)}
    return [word for word in words if word not in named]


def gauges() -> list[str]:
    """Give the gauges that the application adds, as its source names them: it needs a cluster to be made."""
    tables = [
        call.args[0]
        for call in ast.walk(ast.parse(APPLICATION.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "gauges"
    ]
    names = [key.value for table in tables if isinstance(table, ast.Dict) for key in table.keys]
    assert names
    return [f"taskaction_{name}" for name in names]
