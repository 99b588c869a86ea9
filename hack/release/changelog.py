"""CHANGELOG.md, and the fragments of the next release in `changelog.d`, as scriv reads them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from scriv.scriv import Scriv
from scriv.util import Version

REMEDY = "see changelog.d/README.md"


def problems(scriv: Scriv) -> list[str]:
    """Return what is wrong in the fragments, one sentence each."""
    return [
        f"{fragment.path}: {problem}; {REMEDY}"
        for fragment in scriv.fragments_to_combine()
        for problem in _section_problems(scriv.sections_from_fragment(fragment).items(), scriv.config.categories)
    ]


def _section_problems(sections: Iterable[tuple[str | None, list[str]]], kinds: list[str]) -> Iterator[str]:
    is_empty = True
    for kind, paragraphs in sections:
        is_empty = False
        if kind is None:
            yield f"text without a heading: begin with '### {kinds[0]}' or another kind"
        elif kind not in kinds:
            yield f"invalid heading {kind!r}: use one of {', '.join(kinds)}"
        elif not paragraphs:
            yield f"no entry under {kind!r}: begin each entry with '- '"
        for line in (paragraph.partition("\n")[0] for paragraph in paragraphs if kind is not None):
            if not line.startswith(("- ", "  ")):
                yield f"{line!r} is not an entry: begin each entry with '- '"
    if is_empty:
        yield "no entry"


def fragments(scriv: Scriv) -> list[Path]:
    """Return the files of changes that are not released."""
    return [fragment.path for fragment in scriv.fragments_to_combine()]


def unreleased_notes(scriv: Scriv) -> str:
    """Return what the next release will say."""
    sections = scriv.combine_fragments(scriv.fragments_to_combine())
    return str(scriv.changelog().entry_text(sections)).strip()


def release_notes(scriv: Scriv, version: str) -> str | None:
    """Return what the changelog says about a version, or None if it does not contain it."""
    changelog = scriv.changelog()
    changelog.read()
    for title, paragraphs in changelog.entries().items():
        found = Version.from_text(title or "")
        if found is not None and found == Version(version):
            return "\n\n".join(paragraphs)
    return None
