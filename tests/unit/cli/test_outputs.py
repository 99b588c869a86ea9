"""`output`, and what `run` and `describe` say of an output that is not in the object."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.terminal import Terminal
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS
from taskaction.plugin.storage import STORAGE_SETTING, fingerprint

CONTENT = orjson.dumps({"text": "x" * 50})
ENDED = {"phase": "Succeeded", "finishedAt": "2026-01-01T12:00:09Z"}


@pytest.fixture
def taskaction() -> Terminal:
    """A cluster in which nobody works."""
    return Terminal(works=False)


@pytest.fixture(autouse=True)
def _no_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STORAGE_SETTING, raising=False)


def put_stored(taskaction: Terminal, folder: Path, name: str = "large", content: bytes = CONTENT) -> Path:
    """Store an action whose output is a file in ``folder``; return the file."""
    uid = taskaction.put(TASK_ACTIONS, name, executor="noop")["metadata"]["uid"]
    digest = fingerprint(content)
    file = folder / "default" / uid / f"1-{digest}.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    set_status(
        taskaction,
        name,
        **ENDED,
        outputUri=f"file://{file}",
        outputDigest=f"sha256:{digest}",
        outputSize=len(content),
    )
    return file


@dataclass
class Refusal:
    """A command that fails, and its message."""

    taskaction: Terminal
    capsys: pytest.CaptureFixture[str]

    def __call__(self, line: str, code: int) -> str:
        told = self.taskaction(line)
        assert (told.code, told.out) == (code, "")
        return self.capsys.readouterr().err


@pytest.fixture
def refusal(taskaction: Terminal, capsys: pytest.CaptureFixture[str]) -> Refusal:
    return Refusal(taskaction, capsys)


def set_status(taskaction: Terminal, name: str, **status: Any) -> None:
    key = next(key for key in taskaction.cluster.objects if key[2] == name)
    body = taskaction.cluster.objects[key]
    taskaction.cluster.store(TASK_ACTIONS, {**body, "status": status})


def test_an_output_in_the_status_is_printed(taskaction: Terminal) -> None:
    taskaction.put(TASK_ACTIONS, "small", executor="noop", status=ENDED | {"output": {"n": 1}})
    taskaction.put(TASK_ACTIONS, "text", executor="noop", status=ENDED | {"output": "some text"})
    taskaction.put(ACTION_FLOW_RUNS, "flow", status=ENDED | {"output": [1]})
    assert orjson.loads(taskaction("output small").out) == {"n": 1}
    assert taskaction("output text").out == "some text\n"
    assert orjson.loads(taskaction("output afr/flow").out) == [1]


def test_a_stored_output_is_printed_from_the_folder_that_is_named(
    taskaction: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stored(taskaction, tmp_path)
    assert orjson.loads(taskaction(f"output large --storage file://{tmp_path}").out) == orjson.loads(CONTENT)
    monkeypatch.setenv(STORAGE_SETTING, f"file://{tmp_path}/")
    assert orjson.loads(taskaction("output large").out) == orjson.loads(CONTENT)


def test_without_the_folder_the_message_names_it_and_the_option(
    taskaction: Terminal, refusal: Refusal, tmp_path: Path
) -> None:
    put_stored(taskaction, tmp_path)
    for more in ("", " --storage s3://bucket/else"):
        message = refusal(f"output large{more}", 2)
        for part in (f"--storage file://{tmp_path}/", STORAGE_SETTING, f"{len(CONTENT)} bytes"):
            assert part in message
    assert "use a folder such as" in refusal("output large --storage bucket", 2)


def test_a_forged_status_opens_no_file(taskaction: Terminal, refusal: Refusal, tmp_path: Path) -> None:
    put_stored(taskaction, tmp_path)
    (tmp_path / "mine").write_text('"a secret"')
    set_status(taskaction, "large", **ENDED, outputUri=f"file://{tmp_path}/mine", outputDigest="sha256:0")
    message = refusal(f"output large --storage file://{tmp_path}", 6)
    assert "is not the address of a file of this object" in message


def test_a_command_to_copy_is_quoted(taskaction: Terminal, refusal: Refusal, tmp_path: Path) -> None:
    put_stored(taskaction, tmp_path / "a;b $(c)")
    assert f"--storage 'file://{tmp_path}/a;b $(c)/'" in refusal("output large", 2)


def test_a_file_that_is_gone_is_reported(taskaction: Terminal, refusal: Refusal, tmp_path: Path) -> None:
    put_stored(taskaction, tmp_path).unlink()
    message = refusal(f"output large --storage file://{tmp_path}", 6)
    assert "not found; is the operator's volume mounted here" in message


def test_an_action_without_an_output_is_reported(taskaction: Terminal, refusal: Refusal) -> None:
    taskaction.put(TASK_ACTIONS, "runs", executor="noop", status={"phase": "Running"})
    taskaction.put(TASK_ACTIONS, "done", executor="noop", status=ENDED)
    assert "is Running and has no output: wait until it has ended" in refusal("output runs", 6)
    assert refusal("output done", 6).endswith("/done is Succeeded and has no output\n")


def test_describe_says_how_to_print_a_stored_output(taskaction: Terminal, tmp_path: Path) -> None:
    file = put_stored(taskaction, tmp_path)
    out = taskaction("describe large").out
    assert "`taskaction output taskaction.taskaction.dev/large` prints it" in out
    assert f"file://{file}" in out
    assert str(len(CONTENT)) in out
