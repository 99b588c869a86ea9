"""`taskaction run`, `retry` and `wait`: what is made, what is shown on the way, and what the exit code says."""

import asyncio
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from support.json_values import json_values
from support.terminal import Terminal
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.core.json_values import is_same
from taskaction.core.yaml import load_documents


@pytest.fixture
def taskaction() -> Terminal:
    return Terminal()


async def followed(cluster) -> None:
    """Return when the command has begun to watch, beside the operator."""
    while cluster.listeners < 2:  # noqa: ASYNC110 - nobody is told of listeners
        await asyncio.sleep(0)


ENDED = {"phase": "Succeeded", "finishedAt": "2026-01-01T12:00:01Z"}


@pytest.mark.parametrize(
    ("line", "code", "last"),
    [
        pytest.param("run a -e noop", 0, "Succeeded", id="succeeded"),
        pytest.param("run a -e fail -p message=oops", 1, "FailedOnPurpose  oops", id="failed"),
        pytest.param("run a -e sleep -p duration=1h --attempt-timeout 100ms", 4, "TimedOut", id="timed out"),
        pytest.param("run a -e sleep -p duration=1h --timeout 0.2", 5, "Queued", id="not yet"),
    ],
)
def test_the_exit_code_says_how_an_action_ended(taskaction: Terminal, line: str, code: int, last: str) -> None:
    told = taskaction(line)
    assert (told.code, told.out) == (code, "")
    assert last in told.err.splitlines()[-1]


async def aborted(cluster) -> None:
    await followed(cluster)
    await cluster.patch(TASK_ACTIONS, "a", "default", [{"op": "add", "path": "/spec/abort", "value": {"reason": "no"}}])


async def deleted(cluster) -> None:
    await followed(cluster)
    await cluster.delete(TASK_ACTIONS, "a", "default")


@pytest.mark.parametrize(("others", "says"), [(aborted, "Aborted"), (deleted, "was deleted")])
def test_what_others_end_while_it_is_followed_has_a_code_of_its_own(taskaction: Terminal, others, says: str) -> None:
    taskaction("run a -e sleep -p duration=1h --no-wait")
    taskaction.meanwhile = others
    told = taskaction("wait a")
    assert told.code == 3
    assert says in told.err


def test_the_result_goes_to_stdout_and_nothing_else_does(taskaction: Terminal) -> None:
    told = taskaction("run -e noop", "-p", 'output={"answer": 42}')
    assert json.loads(told.out) == {"answer": 42}
    assert "created" in told.err


def test_an_object_is_printed_in_the_form_that_is_asked_for(taskaction: Terminal) -> None:
    assert json.loads(taskaction("run a -e noop -o json").out)["status"]["phase"] == "Succeeded"
    assert taskaction("run b -e noop -o name").out == "taskaction.taskaction.dev/b\n"
    told = taskaction("run c -e noop --no-wait")
    assert (told.out, told.err) == ("taskaction.taskaction.dev/c created\n", "")


@pytest.mark.parametrize("text", ["4612e87", "20261130123456789012", "007", "1.50", "1e3"])
def test_r24_a_parameter_is_a_number_only_in_its_shortest_form(taskaction: Terminal, text: str) -> None:
    told = taskaction("run -e noop --dry-run -o json", "-p", f"output={text}")
    assert json.loads(told.out)["spec"]["parameters"] == {"output": text}
    assert taskaction("run -e noop", "-p", f"output={text}").out == f"{text}\n"


@given(value=json_values)
@settings(max_examples=50)
def test_r24_any_parameter_is_passed_unchanged(value: Any) -> None:
    for form, read in (("json", json.loads), ("yaml", lambda text: load_documents(text)[0])):
        told = Terminal()(f"run -e noop --dry-run -o {form}", "-p", f"output={json.dumps(value)}")
        assert is_same(read(told.out)["spec"]["parameters"], {"output": value})


REFUSED = {
    "NaN": ("x=NaN", "x: NaN is not a JSON number"),
    "an infinity": ("a.x=-Infinity", "a.x: -Infinity is not a JSON number"),
    "NaN within": ('x={"loss": [NaN]}', "x.loss.0: is NaN or Infinity"),
    "a large integer within": ('{"x": [20261130123456789012]}', "parameters.x.0: is an integer beyond 64 bits"),
    "a name twice": ('x={"a": 1, "a": 2}', "x.a: appears twice"),
    "bytes that are no text": ("x=\udcff", "x: has half of a surrogate pair"),
    "half of a pair": (r'x="\ud800"', "x: has half of a surrogate pair"),
    "too many levels": ("x=" + "[" * 200 + "]" * 200, "x: is nested more than 100 levels deep"),
}


@pytest.mark.parametrize(("given_text", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(("command", "option"), [("run -e noop", "-p"), ("flow run greet --dry-run", "-i")])
def test_r24_a_parameter_that_would_change_is_refused_with_its_name(
    taskaction: Terminal, command: str, option: str, given_text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert taskaction(command, option, given_text).code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_every_flag_has_its_field(taskaction: Terminal) -> None:
    line = (
        "run a --cluster-provider api --secret auth.token=github/token --partition-key k --parent p --priority 3"
        " --retries 2 --attempt-timeout 5s --total-timeout 1m --run-as robot --ttl 1h -l team=a --dry-run"
    )
    told = taskaction(line, "-p", "a.b=1", "-p", "a.c=text", "-p", '{"d": [true]}', "-p", "e=")
    assert yaml.safe_load(told.out) == {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "TaskAction",
        "metadata": {"name": "a", "labels": {"team": "a"}},
        "spec": {
            "providerRef": {"kind": "ClusterActionProvider", "name": "api"},
            "parameters": {"a": {"b": 1, "c": "text"}, "d": [True], "e": ""},
            "parametersFrom": [{"parameter": "auth.token", "secretKeyRef": {"name": "github", "key": "token"}}],
            "partitionKey": "k",
            "parentRef": {"name": "p"},
            "priority": 3,
            "retryPolicy": {"limit": 2},
            "timeouts": {"attempt": "5s", "total": "1m"},
            "runAs": {"serviceAccountName": "robot"},
            "ttlSecondsAfterFinished": 3600,
        },
    }
    assert not [key for key in taskaction.cluster.objects if key[0] != "leases"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["run"], "exactly one of --executor", id="nothing to run"),
        pytest.param(["run", "-e", "noop", "--provider", "p"], "exactly one of --executor", id="two things to run"),
        pytest.param(["run", "-e", "noop", "-p", "novalue"], "use KEY=VALUE", id="no value"),
        pytest.param(["run", "-e", "noop", "-p", "a=1", "-p", "a.b=2"], "a is not an object", id="a value with fields"),
        pytest.param(["run", "-e", "noop", "--secret", "t=github"], "use PARAM=NAME/KEY", id="no key"),
        pytest.param(["run", "-e", "noop", "--timeout", "soon"], "invalid duration", id="no time span"),
        pytest.param(["run", "-f", "/nowhere.yaml"], "/nowhere.yaml: No such file", id="no file"),
        pytest.param(["wait", "a", "--for", "phase=Done"], "unknown phase", id="no phase"),
        pytest.param(["wait", "a", "--for", "luck"], "use finished, phase=PHASE", id="nothing to wait for"),
        pytest.param(["wait"], "either names, or a selector", id="nobody to wait for"),
    ],
)
def test_a_wrong_line_is_refused_with_the_mend(taskaction: Terminal, words, says: str, capsys) -> None:
    told = taskaction(words[0], *words[1:])
    assert told.code == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not [key for key in taskaction.cluster.objects if key[0] != "leases"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("{", "not valid YAML", id="no yaml"),
        pytest.param("just text", "object 1: expected an object", id="no object"),
        pytest.param("kind: TaskAction\nmetadata: {name: a}", "object 1: apiVersion missing", id="no version"),
        pytest.param("apiVersion: v1\nkind: Pod\nmetadata: {name: a}", "requires a TaskAction", id="nothing to run"),
        pytest.param("", "contains no objects", id="empty"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(
    taskaction: Terminal, tmp_path, capsys, text: str, says: str
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert taskaction(f"run -f {file}").code == 2
    assert f"{file}" in (err := capsys.readouterr().err)
    assert says in err


def test_all_actions_of_a_file_are_run(taskaction: Terminal, tmp_path) -> None:
    file = tmp_path / "a.yaml"
    one = "apiVersion: taskaction.dev/v1alpha1\nkind: TaskAction\nmetadata: {name: %s}\nspec: {executor: %s}\n"
    file.write_text("---\n".join([one % ("good", "noop"), one % ("bad", "fail")]))
    told = taskaction(f"run -f {file} -o name")
    assert told.code == 1
    assert told.out.split() == ["taskaction.taskaction.dev/good", "taskaction.taskaction.dev/bad"]


def test_a_retry_is_a_new_action_of_the_same_spec(taskaction: Terminal) -> None:
    old = taskaction.put(
        TASK_ACTIONS, "old", status=ENDED, executor="noop", idempotencyKey="k", abort={"reason": "x"}, priority=2
    )
    told = taskaction("retry old -o json")
    new = json.loads(told.out)
    assert told.code == 0
    assert new["metadata"]["name"].startswith("old-")
    assert new["metadata"]["labels"] == {"taskaction.dev/retry-of": old["metadata"]["uid"]}
    assert new["metadata"]["annotations"] == {"taskaction.dev/retry-of": "old"}
    assert new["spec"] == {"executor": "noop", "priority": 2}
    assert "spec.idempotencyKey is omitted" in told.err
    assert taskaction.cluster.objects["taskactions", "default", "old"] == old


def test_what_goes_on_is_not_retried(taskaction: Terminal, capsys) -> None:
    taskaction.put(TASK_ACTIONS, "busy", executor="noop", suspend=True)
    assert taskaction("retry busy").code == 2
    assert "abort it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "code", "out"),
    [
        ("phase=Running", 0, "taskaction.taskaction.dev/a Running\n"),
        ("phase=Succeeded", 0, "taskaction.taskaction.dev/a Succeeded\n"),
        ("condition=finished", 0, "taskaction.taskaction.dev/a finished\n"),
        ("phase=Paused", 1, ""),
    ],
)
def test_a_phase_or_condition_can_be_waited_for(taskaction: Terminal, wanted: str, code: int, out: str) -> None:
    taskaction("run a -e sleep -p duration=1200ms --no-wait")
    told = taskaction(f"wait a --for {wanted} --timeout 20s")
    assert (told.code, told.out) == (code, out)


def test_a_wait_ends_with_its_time(taskaction: Terminal) -> None:
    taskaction.put(TASK_ACTIONS, "held", executor="noop", suspend=True)
    told = taskaction("wait held --for phase=Running --timeout 100ms")
    assert told.code == 5
    assert "timeout waiting for taskaction.taskaction.dev/held" in told.err
