"""S24: a file that would cost the command line much memory or time is refused with a sentence, not a traceback."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

LAUGHS = "a: &a [x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join(['*' + chr(97 + level)] * 10)}]\n" for level in range(9)
)
FILES = {
    "aliases": (LAUGHS, "with all aliases written out"),
    "digits": ("apiVersion: v1\nx: " + "1" * 300_000, "a number of 300000 characters"),
    "depth": ("a: " + "[" * 50_000, "nested deeper than 100 levels"),
    "size": ("a: " + "x" * 5_000_000, "split it"),
}
COMMANDS = [("run", "--from-file"), ("flow", "validate"), ("flow", "run", "--file"), ("local", "run")]
MEMORY_BYTES = 400 * 1024 * 1024


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("text", "told"), FILES.values(), ids=FILES)
def test_s24_costly_files_are_refused(
    kubeconfig: Path, tmp_path: Path, words: tuple[str, ...], text: str, told: str
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("taskaction")), *words, str(file)],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES)),
    )
    assert ended.returncode == 2, ended.stderr
    assert told in " ".join(ended.stderr.split()) or "larger than" in ended.stderr
    assert "Traceback" not in ended.stderr
