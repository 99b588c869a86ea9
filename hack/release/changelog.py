"""CHANGELOG.md, read and checked: the form of Keep a Changelog, so that the notes of a release can be taken from it."""

import re
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from packaging.version import Version

KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_RELEASE = re.compile(r"^\[(?P<name>[^\]]+)\](?: - (?P<day>\d{4}-\d{2}-\d{2}))?$")
_KIND = re.compile(r"^### (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """One version and what is said about it."""

    name: str
    day: str | None
    notes: str


def read(text: str) -> list[Release]:
    """Return the releases in the order of the file; headings that cannot be read are left to `problems`."""
    parts = _HEADING.split(text)[1:]
    found = [(_RELEASE.match(heading), body) for heading, body in zip(parts[::2], parts[1::2], strict=True)]
    return [Release(match["name"], match["day"], body.strip()) for match, body in found if match]


def problems(text: str) -> list[str]:
    """Return what is wrong, one sentence each."""
    found = [
        f"'## {heading}' should be '## [{UNRELEASED}]' or '## [1.2.3] - 2026-01-31'"
        for heading in _HEADING.findall(text)
        if not _RELEASE.match(heading)
    ]
    releases = read(text)
    if not releases or releases[0].name != UNRELEASED:
        found.append(
            f"the first version should be '## [{UNRELEASED}]': changes are noted there until they are released"
        )
    for release in releases:
        found += [f"[{release.name}]: {problem}" for problem in _problems(release)]
    named = [release for release in releases[1:] if _is_version(release.name)]
    for newer, older in pairwise(named):
        if Version(newer.name) <= Version(older.name):
            found.append(f"[{newer.name}] stands above [{older.name}]: newer ones come first, and each once")
    return found


def _problems(release: Release) -> list[str]:
    found = [
        f"'### {kind}' is none of {', '.join(KINDS)}" for kind in _KIND.findall(release.notes) if kind not in KINDS
    ]
    if release.name != UNRELEASED:
        if not _is_version(release.name):
            found.append("is no version such as 1.2.3")
        if not _is_day(release.day):
            found.append("has no day: write ' - 2026-01-31' behind it")
        if not release.notes:
            found.append("says nothing")
    return found


def _is_version(name: str) -> bool:
    return re.fullmatch(r"\d+\.\d+\.\d+(?:-[0-9a-z.]+)?", name) is not None


def _is_day(day: str | None) -> bool:
    try:
        return day is not None and bool(date.fromisoformat(day))
    except ValueError:
        return False


def notes(text: str, name: str) -> str | None:
    """Return what is said about a version; None where it is not there."""
    return next((release.notes for release in read(text) if release.name == name), None)
