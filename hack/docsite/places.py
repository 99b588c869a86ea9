"""Where each file of the repository is in the site: links between them work on the code host and in the site; pure.

Documents keep links as the code host reads them. `docs/` is the site's root; README.md, the examples and a few more
pages join it under names of their own, and any other file that a page links to is served as it is.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

DOCS = "docs/"
FILES = "files/"
"""The folder of the site with files that are no pages."""

_MOVED = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "changelog.d/README.md": "changes-not-released.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contribute.md",
    "SECURITY.md": "security-policy.md",
    "charts/taskaction-operator/README.md": "reference/chart.md",
}
_EXAMPLE = re.compile(r"^examples/(?:([^/]+)/)?README\.md$")
_FOREIGN = re.compile(r"^([a-z][a-z0-9+.-]*:|#|//)", re.IGNORECASE)
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1?\2[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_LINK = re.compile(r"(?<!\\)\]\(\s*<?([^()<>\s]+)>?\s*\)")


class DeadLinkError(ValueError):
    """A link leads to nothing that the repository has."""


@dataclass(frozen=True)
class Places:
    """Which files there are, by their paths in the repository."""

    known: frozenset[str]

    @property
    def pages(self) -> dict[str, str]:
        """Return the pages from outside of `docs/`, by their paths: where each is in the site."""
        found = {path: _page(path) for path in sorted(self.known)}
        return {path: place for path, place in found.items() if place and not path.startswith(DOCS)}

    def link(self, page: str, link: str) -> str:
        """Return what a link of a page has to be in the site.

        Args:
            page: the path of the page in the repository.
            link: what the page says.

        Raises:
            DeadLinkError: nothing is there.
        """
        if _FOREIGN.match(link):
            return link
        here = _place(page)
        name, sign, anchor = link.partition("#")
        there = _place(self._target(page, name)) if name else here
        return posixpath.relpath(there, posixpath.dirname(here) or ".") + sign + anchor

    def files(self, page: str, text: str) -> Iterator[str]:
        """Return the paths of the files a page links to that are no pages; dead links are left to `link`."""
        for link in links(text):
            name = link.partition("#")[0]
            if name and not _FOREIGN.match(link):
                try:
                    target = self._target(page, name)
                except DeadLinkError:
                    continue
                if _place(target).startswith(FILES):
                    yield target

    def _target(self, page: str, name: str) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), name))
        for candidate in path, f"{path}/README.md":
            if candidate in self.known:
                return candidate
        if any(known.startswith(f"{path}/") for known in self.known):
            raise DeadLinkError(f"{name} is a folder without a README.md: link to one of its files")
        raise DeadLinkError(f"there is no {path}")


def links(text: str) -> list[str]:
    """Return the links of a document, those in code left out."""
    return _LINK.findall(_CODE.sub("", _FENCE.sub("", text)))


def relink(text: str, change: Callable[[str], str]) -> str:
    """Change each link of a document, those in code left alone."""

    def in_prose(prose: str) -> str:
        return _outside(_CODE, prose, lambda part: _LINK.sub(lambda found: f"]({change(found[1])})", part))

    return _outside(_FENCE, text, in_prose)


def in_cells(text: str) -> str:
    """Return code in tables as this site reads it: a code host wants its pipes escaped there, and the site does not."""

    def in_prose(prose: str) -> str:
        return _ROW.sub(lambda row: _CODE.sub(lambda code: code[0].replace("\\|", "|"), row[0]), prose)

    return _outside(_FENCE, text, in_prose)


def _outside(pattern: re.Pattern[str], text: str, change: Callable[[str], str]) -> str:
    # A link's words may hold code: the link itself begins after them, so it is whole in what lies between.
    parts: list[str] = []
    end = 0
    for found in pattern.finditer(text):
        parts += [change(text[end : found.start()]), found[0]]
        end = found.end()
    return "".join([*parts, change(text[end:])])


def _place(path: str) -> str:
    return _page(path) or FILES + path


def _page(path: str) -> str | None:
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    if found := _EXAMPLE.match(path):
        return f"examples/{found[1]}.md" if found[1] else "examples/index.md"
    return _MOVED.get(path)


def expand(entries: list[Any], pages: Iterable[str]) -> list[Any]:
    """Put pages in place of patterns such as `adr/*` in the navigation; the pattern `*` takes what nothing else names.

    So a page that somebody adds is in the navigation without being named there.
    """
    named = list(_named(entries))
    left = sorted(set(pages) - set(named))
    folders = tuple(name.removesuffix("*") for name in named if name.endswith("/*"))
    rest = [page for page in left if not page.startswith(folders)]

    def filled(part: list[Any]) -> Iterator[Any]:
        for entry in part:
            match entry:
                case "*":
                    yield from rest
                case str() if entry.endswith("/*"):
                    yield from (page for page in left if page.startswith(entry.removesuffix("*")))
                case dict():
                    known = {
                        name: [*filled(value)] if isinstance(value, list) else value for name, value in entry.items()
                    }
                    if all(known.values()):  # a section of which no page is there yet is no section
                        yield known
                case _:
                    yield entry

    return [*filled(entries)]


def _named(entries: Iterable[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, dict):
            for value in entry.values():
                yield from _named(value if isinstance(value, list) else [value])
        else:
            yield entry
