"""`taskaction local run`: manifests without any cluster, and what of them cannot be had without one."""

import json

import pytest

from local.manifests import ROOT
from taskaction.cli import main

ACTION = "apiVersion: taskaction.dev/v1alpha1\nkind: TaskAction\nmetadata: {{name: {}}}\nspec: {}\n---\n"


@pytest.fixture
def local(tmp_path, capsys, monkeypatch):
    """Run some text as a file; give the exit code, and what was printed."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere")

    def run(text, *options):
        file = tmp_path / "objects.yaml"
        file.write_text(text)
        code = main(["local", "run", str(file), *options])
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("{executor: noop, parameters: {output: 1}}", 0),
        ("{executor: fail, parameters: {message: oops}}", 1),
        ("{executor: sleep, parameters: {duration: 1h}, timeouts: {total: 200ms}}", 4),
    ],
)
def test_the_exit_code_is_that_of_run(local, spec, code) -> None:
    assert local(ACTION.format("a", spec))[0] == code


@pytest.mark.parametrize(("example", "code"), [("01-hello", 0), ("03-retry", 1)])
def test_an_example_runs_as_it_stands(example, code, capsys) -> None:
    assert main(["local", "run", str(ROOT / "examples" / example)]) == code
    assert "Succeeded" in capsys.readouterr().err


def test_providers_secrets_and_signals_are_there_as_on_a_cluster(local) -> None:
    code, out, err = local(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {word: hush}\n---\n"
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\n---\n"
        "apiVersion: taskaction.dev/v1alpha1\nkind: ActionProvider\nmetadata: {name: echo}\n"
        "spec: {executor: noop}\n---\n"
        + ACTION.format("a", "{providerRef: {name: echo}, parameters: {output: {answer: 42}}}")
        + ACTION.format("ask", "{executor: approval, parameters: {prompt: go on}}"),
        "--signal",
        "ask=yes",
        "--timeout",
        "30s",
    )
    assert code == 0, err
    assert '"answer": 42' in out
    assert "ServiceAccount robot is skipped" in err
    assert "ask received signal True" in err


def test_a_run_of_a_flow_is_answered_by_its_name(capsys) -> None:
    flow = str(ROOT / "examples" / "15-flow-approval")
    assert main(["local", "run", flow, "--signal", "publish-measurements=public", "--timeout", "30s"]) == 0
    assert "publish-measurements received signal 'public'" in capsys.readouterr().err


TWICE = """
apiVersion: taskaction.dev/v1alpha1
kind: ActionFlowRun
metadata: {name: r}
spec:
  definition:
    StartAt: One
    States:
      One:
        Type: Action
        ActionUrl: taskaction://executor/approval
        Parameters: {prompt: the first}
        ResultPath: $.one
        Next: Two
      Two:
        Type: Action
        ActionUrl: taskaction://executor/approval
        Parameters: {prompt: the second, type: string}
        ResultPath: $.two
        End: true
"""


def test_a_run_gets_an_answer_each_time_that_it_waits_in_the_type_that_it_waits_for(local) -> None:
    code, out, err = local(TWICE, "--signal", "r=yes", "--signal", "r=5", "--timeout", "30s")
    assert code == 0, err
    assert "r received signal True" in err
    assert "r received signal '5'" in err
    assert '"value": "5"' in out


@pytest.mark.parametrize(
    ("given", "says"), [(["r=maybe"], "expects yes or no, not 'maybe'"), (["r=no"], "r waits for a signal")]
)
def test_what_is_no_answer_and_what_is_not_answered_any_more_is_said(local, given, says) -> None:
    code, _, err = local(TWICE, *(word for one in given for word in ("--signal", one)), "--timeout", "300ms")
    assert code == 5
    assert says in err


def test_what_waits_for_an_answer_that_nobody_gives_says_how_to_give_it(capsys) -> None:
    assert main(["local", "run", str(ROOT / "examples" / "05-approval"), "--timeout", "200ms"]) == 5
    assert "go-live waits for a signal: use --signal go-live=VALUE" in capsys.readouterr().err


def test_the_objects_can_be_had_at_the_end(local) -> None:
    code, out, _ = local(ACTION.format("a", "{executor: noop}"), "-o", "json")
    assert (code, json.loads(out[out.index("{\n") :])["status"]["phase"]) == (0, "Succeeded")  # logs of tests go before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(ACTION.format("a", "{executor: job}"), "'job' starts pods", id="a job"),
        pytest.param(
            ACTION.format("a", "{executor: noop, paramters: {}}"), "did you mean 'parameters'?", id="misspelt"
        ),
        pytest.param(ACTION.format("a", "{}"), "set exactly one of executor and providerRef", id="nothing to run"),
        pytest.param(
            ACTION.format("a", "{executor: noop, priority: high}"), "spec.priority: 'high'", id="a wrong type"
        ),
        pytest.param(ACTION.format("a", "{executor: noop, priority: 5000}"), "spec.priority: 5000", id="too much"),
        pytest.param(ACTION.format("A_b", "{executor: noop}"), "metadata.name: invalid name 'A_b'", id="a wrong name"),
        pytest.param(ACTION.format("a", "{executor: noop}") * 2, "already exists", id="the same twice"),
        pytest.param("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}", "nothing to run", id="no action"),
        pytest.param("a: [", "not valid YAML", id="no yaml"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is(local, text, says) -> None:
    code, _, err = local(text)
    assert code == 2
    assert says in err
    assert len(err.splitlines()) == 1, "one sentence"
