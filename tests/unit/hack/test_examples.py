"""An example is followed to the end it promises, and what does not hold shows in the table."""

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from local import demo, examples
from local.examples import Example, Result


class Cluster:
    """Stands in for kubectl: every look at the actions gives the next of the prepared states."""

    def __init__(self, *states: dict[str, Any]) -> None:
        self.states = list(states)
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, *args: str, **_: Any) -> str:
        self.calls.append(args)
        if args[0] != "get":
            return ""
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return json.dumps({"items": [item(name, status) for name, status in state.items()]})


def item(called: str, status: dict[str, Any]) -> dict[str, Any]:
    run, _, name = called.rpartition("/")
    return {"kind": "ActionFlowRun" if run else "TaskAction", "metadata": {"name": name}, "status": status}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "LOOK_SECONDS", 0)


def written(folder: Path, expected: str, **manifests: str) -> Example:
    path = folder / "01-hello"
    path.mkdir()
    (path / "expected").mkdir()
    (path / "expected" / "phases.yaml").write_text(expected)
    for name, text in manifests.items():
        (path / f"{name}.yaml").write_text(text)
    return Example.read(path)


def phase(name: str, **more: Any) -> dict[str, Any]:
    return {"phase": name, **more}


def test_manifests_and_steps_are_run_in_order_and_followed_to_the_end(tmp_path: Path) -> None:
    example = written(tmp_path, "hello: Succeeded\nsteps:\n- [patch, ta, hello, -p, 1]\n", b="", a="")
    cluster = Cluster(
        {}, {"hello": phase("Queued")}, {"hello": phase("Running")}, {"hello": phase("Succeeded", attempt=1)}
    )
    said: list[str] = []
    results = example.run(cluster, say=said.append)
    assert results == [Result("01-hello", "hello", "Succeeded", "Succeeded", 1)]
    assert [call for call in cluster.calls if call[0] != "get"] == [
        ("apply", "-f", str(tmp_path / "01-hello" / "a.yaml")),
        ("apply", "-f", str(tmp_path / "01-hello" / "b.yaml")),
        ("patch", "ta", "hello", "-p", "1"),
    ]
    assert [words.split()[-1] for words in said] == ["Queued", "1", "Running", "Succeeded"]


def test_a_run_of_a_flow_is_followed_by_its_kind_and_name(tmp_path: Path) -> None:
    cluster = Cluster({"actionflowrun/hello": phase("Succeeded"), "hello": phase("Failed")})
    (result,) = written(tmp_path, "actionflowrun/hello: Succeeded").run(cluster, say=lambda _: None)
    assert result.holds


def test_an_action_that_ends_otherwise_is_not_waited_for(tmp_path: Path) -> None:
    error = {"code": "Refused", "kind": "User", "message": "no\nsuch executor"}
    cluster = Cluster({"hello": phase("Failed", error=error)})
    (result,) = written(tmp_path, "hello: Succeeded").run(cluster, say=lambda _: None)
    assert not result.holds
    assert result.message == "no such executor"


def test_an_action_that_never_ends_is_given_up(tmp_path: Path) -> None:
    (result,) = written(tmp_path, "hello: Succeeded").run(
        Cluster({"hello": phase("Running")}), say=lambda _: None, seconds=0
    )
    assert (result.phase, result.holds) == ("Running", False)


def test_a_promise_to_be_gone_holds_when_the_action_is_deleted(tmp_path: Path) -> None:
    cluster = Cluster({"hello": phase("Succeeded")}, {"hello": phase("Succeeded")}, {})
    (result,) = written(tmp_path, "hello: Gone", a="").run(cluster, say=lambda _: None)
    assert result.holds


def test_a_promise_may_be_a_phase_that_is_not_the_last(tmp_path: Path) -> None:
    (result,) = written(tmp_path, "hello: Paused").run(Cluster({"hello": phase("Paused")}), say=lambda _: None)
    assert result.holds


def test_examples_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in "02-b", "01-a", "10-c", "notes":
        (tmp_path / name).mkdir()
        (tmp_path / name / "expected").mkdir()
        (tmp_path / name / "expected" / "phases.yaml").write_text("")
    assert [example.name for example in examples.read_all(tmp_path)] == ["01-a", "02-b", "10-c"]


def test_no_examples_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no examples"):
        examples.read_all(tmp_path)


def test_the_table_shows_what_does_not_hold() -> None:
    rows = demo.table(
        [Result("01-a", "x", "Failed", "Failed", 3), Result("01-a", "y", "Succeeded", "Failed", 1, "boom")]
    )
    assert rows[0].split()[:4] == ["EXAMPLE", "ACTION", "PHASE", "EXPECTED"]
    assert rows[1].endswith("ok")
    assert rows[2].endswith("NOT AS PROMISED boom")
