"""A release: one version for wheel, chart and image, a changelog that tells of it, and sums of what is shipped."""

import hashlib
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from release import changelog
from release.__main__ import check, main, notes, push_command, sums
from release.versions import Version

ROOT = Path(__file__).parents[3]
CHANGES = """# Changelog

## [Unreleased]

### Added

- A thing.

## [1.1.0] - 2026-10-02

### Fixed

- A mistake.

## [1.0.0] - 2026-09-01

### Added

- Everything.
"""


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


def test_the_changelog_of_this_checkout_is_well_formed() -> None:
    assert changelog.problems((ROOT / "CHANGELOG.md").read_text()) == []


def test_a_well_formed_changelog_has_no_problems() -> None:
    assert changelog.problems(CHANGES) == []
    assert [release.name for release in changelog.read(CHANGES)] == ["Unreleased", "1.1.0", "1.0.0"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("## [Unreleased]", "## [1.2.0] - 2026-11-01", "the first version should be", id="no unreleased"),
        pytest.param("## [1.1.0] - 2026-10-02", "## 1.1.0", "'## 1.1.0' should be", id="a heading of another form"),
        pytest.param(" - 2026-10-02", "", "[1.1.0]: has no day", id="no day"),
        pytest.param("2026-10-02", "2026-10-32", "[1.1.0]: has no day", id="a day that is none"),
        pytest.param("[1.1.0]", "[next]", "[next]: is no version", id="a name that is no version"),
        pytest.param("[1.1.0]", "[0.9.0]", "[0.9.0] stands above [1.0.0]", id="in the wrong order"),
        pytest.param("[1.1.0]", "[1.0.0]", "[1.0.0] stands above [1.0.0]", id="twice"),
        pytest.param("### Fixed", "### Mended", "'### Mended' is none of", id="a kind of change that is none"),
        pytest.param("### Fixed\n\n- A mistake.\n", "", "[1.1.0]: says nothing", id="empty"),
    ],
)
def test_what_is_wrong_in_a_changelog_is_told(old: str, new: str, said: str) -> None:
    assert said in "; ".join(changelog.problems(CHANGES.replace(old, new, 1)))


def test_a_tag_of_which_the_changelog_says_nothing_is_no_release() -> None:
    check(CHANGES, Version("1.1.0"))
    check(CHANGES, Version("1.2.0.dev3"))
    with pytest.raises(ClusterError, match=r"names version 1\.2\.0, of which nothing is told"):
        check(CHANGES, Version("1.2.0"))


def test_the_notes_of_a_release_are_its_part_of_the_changelog() -> None:
    assert notes(CHANGES, Version("1.1.0")) == "### Fixed\n\n- A mistake."
    with pytest.raises(ClusterError, match=r"This commit is no release \(1\.1\.1\.dev2\): git tag"):
        notes(CHANGES, Version("1.1.1.dev2"))


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
