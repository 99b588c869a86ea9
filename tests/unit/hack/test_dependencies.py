"""Every package is pinned by its hashes, and the base of the image by its digest."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dependencies
from cluster.errors import ClusterError
from dependencies import base, main, pins, problems, with_digest

ROOT = Path(__file__).parents[3]
HASH = "--hash=sha256:" + "0" * 64
TEXT = f"# by uv\na-b==1.2 ; sys_platform != 'win32' \\\n    {HASH} \\\n    {HASH}\nc==3 \\\n    {HASH}\n"
OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def test_s28_everything_of_this_checkout_is_pinned() -> None:
    assert main(["check"]) == 0
    for path in dependencies.DEV, dependencies.RUNTIME, dependencies.BUILD, dependencies.FUZZ:
        assert "://" not in path.read_text()


def test_s28_every_installation_in_the_image_is_by_hash_or_from_the_wheel_built_there() -> None:
    commands = re.findall(r"pip install (.*?)(?: \\\\)?$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert "--require-hashes" in command or ("--no-index" in command and "--no-deps" in command)


def test_s28_pip_refuses_another_file_under_a_pinned_name(tmp_path: Path) -> None:
    (tmp_path / "c-3-py3-none-any.whl").write_bytes(b"another file")
    (tmp_path / "pinned.txt").write_text(f"c==3 {HASH}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-index", f"--find-links={tmp_path}",
         f"--dest={tmp_path / 'out'}", f"--requirement={tmp_path / 'pinned.txt'}"],
        env={"PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_a_file_with_all_that_is_required_has_no_problems() -> None:
    assert list(problems(TEXT, ["A_b>=1,<2", "c"])) == []
    assert pins(TEXT) == {("a-b", "1.2"), ("c", "3")}


@pytest.mark.parametrize(
    ("text", "required", "problem"),
    [
        pytest.param("c==3\n", [], "c==3 has no exact version or no hash", id="no hash"),
        pytest.param(f"c>=3 {HASH}\n", [], "c>=3 has no exact version or no hash", id="no version"),
        pytest.param("--index-url https://example.org\n", [], "--index-url names an index or another file", id="index"),
        pytest.param(TEXT, ["d"], "d is missing", id="missing"),
        pytest.param(TEXT, ["c>=4"], "c 3 is not >=4", id="another version"),
    ],
)
def test_s28_what_is_not_pinned_is_reported(text: str, required: list[str], problem: str) -> None:
    assert list(problems(text, required)) == [problem]


def test_s28_a_base_without_a_digest_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"ARG BASE has no digest; write it as NAME:TAG@sha256:DIGEST"):
        base("ARG BASE=python:3.11\n")
    assert base(f"ARG BASE=python:3.11@{OLD}\n") == ("python:3.11", OLD)


def test_an_update_changes_the_digest_and_keeps_the_tag() -> None:
    assert with_digest(f"ARG BASE=python:3.11@{OLD}\nFROM ${{BASE}}\n", NEW) == (
        f"ARG BASE=python:3.11@{NEW}\nFROM ${{BASE}}\n"
    )
    with pytest.raises(ClusterError, match="instead of a digest"):
        with_digest(f"ARG BASE=python:3.11@{OLD}\n", "<none>")


def test_the_smaller_files_may_not_differ_from_the_large_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "build.txt"
    other.write_text(dependencies.BUILD.read_text().replace("\neditables==", "\neditables==99."))
    monkeypatch.setattr(dependencies, "BUILD", other)
    assert main(["check"]) == 1
    assert "build.txt: editables==99." in capsys.readouterr().err
