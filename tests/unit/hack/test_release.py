"""A release: one version for wheel, chart and image, its notes from fragments, and sums of what is shipped."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from scriv.scriv import Scriv

from cluster.errors import ClusterError
from release import changelog
from release.__main__ import check, main, notes, push_command, sums
from release.versions import Version

ROOT = Path(__file__).parents[3]
CHANGES = """# Changelog

<!-- scriv-insert-here -->

## [1.1.0] - 2026-10-02

### Fixed

- A mistake.

## [1.1.0-rc.1] - 2026-09-02

### Added

- Everything.
"""
FRAGMENT = "### Added\n\n- A thing.\n- Another\n  of two lines.\n"


@pytest.fixture
def scriv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scriv:
    """A checkout with this project's settings, a changelog and one fragment."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    (folder / "README.md").write_text("# How to write a fragment\n")
    (folder / "thing.md").write_text(FRAGMENT)
    monkeypatch.chdir(tmp_path)
    return Scriv()


@pytest.mark.parametrize(
    ("python", "semantic", "is_released"),
    [
        ("1.2.3", "1.2.3", True),
        ("1.2.3rc1", "1.2.3-rc.1", True),
        ("1.2.3b2", "1.2.3-b.2", True),
        ("1.2.4.dev5", "1.2.4-dev.5", False),
        ("1.2.3rc2.dev5", "1.2.3-rc.2.dev.5", False),
        ("0.1.dev187", "0.1.0-dev.187", False),
    ],
)
def test_a_version_has_a_spelling_for_charts_and_images(python: str, semantic: str, is_released: bool) -> None:
    version = Version(python)
    assert (version.semantic, version.is_released) == (semantic, is_released)


def test_this_checkout_has_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.strip() == Version.of_checkout().semantic


def test_the_fragments_of_this_checkout_are_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert changelog.problems(Scriv()) == []


def test_a_well_formed_fragment_has_no_problems(scriv: Scriv) -> None:
    assert changelog.problems(scriv) == []
    assert [path.name for path in changelog.fragments(scriv)] == ["thing.md"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("### Mended\n\n- A thing.\n", "invalid heading 'Mended': use one of Added, Changed", id="heading"),
        pytest.param("- A thing.\n", "text without a heading: begin with '### Added'", id="no heading"),
        pytest.param(
            "### Added\n\nA thing.\n", "'A thing.' is not an entry: begin each entry with '- '", id="no entry"
        ),
        pytest.param("### Added\n\n- A thing.\n\n#### More\n", "'#### More' is not an entry", id="a deeper heading"),
        pytest.param("### Added\n", "no entry under 'Added'", id="only a heading"),
        pytest.param("", "changelog.d/thing.md: no entry; see changelog.d/README.md", id="empty"),
    ],
)
def test_a_malformed_fragment_is_refused_with_its_file_and_the_remedy(scriv: Scriv, text: str, problem: str) -> None:
    Path("changelog.d/thing.md").write_text(text)
    with pytest.raises(ClusterError) as error:
        check(scriv, Version("1.2.0.dev3"))
    assert str(error.value).startswith("changelog.d/thing.md: ")
    assert problem in str(error.value)


def test_collecting_moves_the_fragments_above_the_last_release(scriv: Scriv) -> None:
    Path("changelog.d/later.md").write_text("### Security\n\n- A hole.\n\n### Added\n\n- A first thing.\n")
    subprocess.run([sys.executable, "-m", "scriv", "collect", "--version", "1.2.0"], check=True, capture_output=True)
    assert changelog.fragments(scriv) == []
    text = Path("CHANGELOG.md").read_text()
    titles = [line.split(" - ")[0] for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["## [1.2.0]", "## [1.1.0]", "## [1.1.0-rc.1]"]
    assert text.endswith(CHANGES.partition("<!-- scriv-insert-here -->\n")[2])
    assert notes(scriv, Version("1.2.0")) == (
        "### Added\n\n- A first thing.\n- A thing.\n- Another\n  of two lines.\n\n### Security\n\n- A hole."
    )


def test_a_tag_that_the_changelog_does_not_contain_is_not_a_release(scriv: Scriv) -> None:
    check(scriv, Version("1.2.0.dev3"))
    with pytest.raises(ClusterError, match=r"version 1\.2\.0 is missing; run make changelog VERSION=1\.2\.0"):
        check(scriv, Version("1.2.0"))


def test_a_release_leaves_no_fragment(scriv: Scriv) -> None:
    with pytest.raises(ClusterError, match=r"changelog\.d: thing\.md not collected"):
        check(scriv, Version("1.1.0"))
    Path("changelog.d/thing.md").unlink()
    check(scriv, Version("1.1.0"))


def test_the_notes_of_a_release_are_its_part_of_the_changelog(scriv: Scriv) -> None:
    Path("changelog.d/thing.md").unlink()
    assert notes(scriv, Version("1.1.0")) == "### Fixed\n\n- A mistake."
    assert notes(scriv, Version("1.1.0rc1")) == "### Added\n\n- Everything."


def test_the_notes_of_a_commit_between_releases_are_those_of_the_next_release(scriv: Scriv) -> None:
    assert notes(scriv, Version("1.1.1.dev2")) == FRAGMENT.strip()


def test_sums_are_of_everything_that_is_shipped(tmp_path: Path) -> None:
    for name in ("a-1.whl", "a-1.tar.gz", "a-1.tgz", "site.html"):
        (tmp_path / name).write_text(name)
    expected = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a-1.whl", "a-1.tar.gz", "a-1.tgz")}
    assert dict(reversed(line.split("  ")) for line in sums(tmp_path).splitlines()) == expected


def test_there_must_be_something_to_ship(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="run make wheel chart"):
        sums(tmp_path)


def test_an_image_is_pushed_for_both_platforms_with_its_bill_of_materials() -> None:
    command = push_command("ghcr.io/a/b", Version("1.2.0rc1"))
    assert {"--platform=linux/amd64,linux/arm64", "--sbom=true", "--provenance=mode=max"} <= set(command)
    assert "--tag=ghcr.io/a/b:1.2.0-rc.1" in command
    assert "--build-arg=VERSION=1.2.0rc1" in command
