"""No link of the documents is dead where they are read on the code host."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "changelog.d").glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
FOREIGN = re.compile(r"^[a-z][a-z0-9+.-]*:")


@cache
def prose(path: Path) -> str:
    """Give a document without its blocks of code, where brackets mean something else."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    return [link for link in LINK.findall(CODE.sub("", prose(path))) if not FOREIGN.match(link)]


def folder(path: Path) -> Path:
    """The folder that links are relative to; fragments move into the changelog, which is at the root."""
    is_fragment = path.parent.name == "changelog.d" and path.name != "README.md"
    return ROOT if is_fragment else path.parent


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
        target = (folder(path) / name).resolve() if name else path
        is_missing = not target.exists() or not target.is_relative_to(ROOT)
        if is_missing or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_elsewhere_is_an_address(path: Path) -> None:
    for link in [link for link in LINK.findall(CODE.sub("", prose(path))) if FOREIGN.match(link)]:
        parts = urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), link


def test_links_are_found_at_all() -> None:
    assert "docs/architecture.md" in links(ROOT / "README.md")
    assert "what-a-kill--9-loses-or-repeats" in anchors(ROOT / "docs" / "architecture.md")
