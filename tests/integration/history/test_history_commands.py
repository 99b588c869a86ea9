"""`taskaction history` and `get --past` against a real service, as a user with a token and with a certificate."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.actions import action, create, get
from support.command_line import CommandLine
from support.history_stage import NOW, HistoryStage, history_stage, past

NOBODY = "http://127.0.0.1:9"
UID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def stage(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistoryStage]:
    with history_stage(crds, tmp_path_factory.mktemp("history")) as found:
        yield found


@pytest.fixture
def team(crds: Cluster, stage: HistoryStage) -> Kubectl:
    return crds.kubectl.within(stage.namespace)


@pytest.fixture
def taskaction(team: Kubectl, stage: HistoryStage, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Return the command line of a user whose token for the service is in the environment."""
    monkeypatch.setenv("TASKACTION_HISTORY_URL", stage.services.url)
    monkeypatch.setenv("TASKACTION_HISTORY_TOKEN", stage.tokens["deleter"])
    monkeypatch.setenv("COLUMNS", "200")
    return CommandLine(team)


def test_past_actions_are_listed_with_filters(taskaction: CommandLine) -> None:
    out, err = taskaction("history", "list", "--phase=Failed", "--limit=2")
    assert [re.split(r"\s{2,}", line)[:4] for line in out.splitlines()] == [
        ["NAME", "PHASE", "BY", "DURATION"],
        ["mine-11", "Failed", "mine-ci", "3.01s"],
        ["mine-9", "Failed", "mine-ci", "3.01s"],
    ]
    assert "there are more than 2" in err
    out, _ = taskaction("history", "list", "-l", "team=mine", "--kind=ActionFlowRun", "-o", "name")
    assert out.split() == [f"actionflowrun.taskaction.dev/mine-{number}" for number in (9, 6, 3, 0)]
    assert "no matching records" in taskaction("history", "list", "--message=no such words")[1]
    assert "may not list" in taskaction("history", "list", "-A", code=6)[1]


def test_a_past_object_is_shown_by_name_and_uid_and_with_its_tree(taskaction: CommandLine, stage: HistoryStage) -> None:
    stage.write(past(50, stage.namespace, "byuid", uid=UID))
    assert yaml.safe_load(taskaction("history", "show", "mine-4")[0])["spec"]["executor"] == "noop"
    assert json.loads(taskaction("history", "show", UID, "-o", "json")[0])["kind"] == "TaskAction"
    assert [line.split()[:3] for line in taskaction("history", "tree", "mine-5")[0].splitlines()] == [
        ["mine-4", "Succeeded", taskaction("history", "tree", "mine-4")[0].split()[2]],
        ["└──", "mine-5", "Failed"],
    ]
    assert "no record of 'nothing'" in taskaction("history", "show", "nothing", code=6)[1]


def test_statistics_are_shown(taskaction: CommandLine) -> None:
    out, _ = taskaction("history", "stats", "--provider=mine-ci", "--since=24h")
    assert out.splitlines()[0].startswith("ended       0")
    assert "nothing started" in out


def test_records_are_counted_and_only_deleted_with_consent(taskaction: CommandLine, stage: HistoryStage) -> None:
    stage.write(*(past(number, stage.namespace, "gone", ended_at=NOW - 1) for number in range(3)))
    words = ("history", "delete", "-l", "team=gone")
    assert taskaction(*words)[0] == "3 records match; nothing was deleted: add --yes to delete them\n"
    assert taskaction(*words, "--yes")[0] == "3 records deleted\n"
    assert taskaction(*words)[0].startswith("0 records match")
    assert "all=true" in taskaction("history", "delete", "--yes", code=6)[1]


def test_a_past_action_runs_again_as_a_new_object(taskaction: CommandLine, team: Kubectl) -> None:
    out, _ = taskaction("history", "retry", "mine-4", "--no-wait", "-o", "name")
    created = get(team, out.strip().partition("/")[2])
    assert created["metadata"]["name"].startswith("mine-4-")
    assert created["spec"]["executor"] == "noop"


def test_live_and_past_actions_are_listed_together(taskaction: CommandLine, team: Kubectl, stage: HistoryStage) -> None:
    alive = action("alive")
    alive["metadata"]["labels"] = {"team": "both"}
    create(team, [alive])
    stage.write(
        past(62, stage.namespace, "both", name="went"),
        past(61, stage.namespace, "both", uid=get(team, "alive")["metadata"]["uid"], name="alive"),
    )
    out, _ = taskaction("get", "--past", "-l", "team=both")
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["alive", "Queued"], ["went", "Succeeded"]]
    assert [line.split()[0] for line in taskaction("get", "-l", "team=both")[0].splitlines()[1:]] == ["alive"]
    assert "omit names" in taskaction("get", "alive", "--past", code=2)[1]


def test_what_is_missing_is_named_with_its_remedy(taskaction: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        "cannot ask http://127.0.0.1:9" in taskaction("history", "list", "--history-url=http://127.0.0.1:9", code=6)[1]
    )
    assert "does not accept the token" in taskaction("history", "list", "--history-token=nonsense", code=6)[1]
    monkeypatch.delenv("TASKACTION_HISTORY_TOKEN")
    assert "kubectl create token NAME" in taskaction("history", "list", code=2)[1]  # this user has a certificate
    monkeypatch.delenv("TASKACTION_HISTORY_URL")
    assert "--history-url: required" in taskaction("history", "list", code=2)[1]


def test_the_token_of_the_kubeconfig_is_the_default(stage: HistoryStage, monkeypatch: pytest.MonkeyPatch) -> None:
    services = stage.services
    own = CommandLine(Kubectl(services.kubectl.program, services.kubeconfig, stage.namespace))
    monkeypatch.setenv("TASKACTION_HISTORY_URL", stage.services.url)
    said = own("history", "list", code=6)[1]
    assert "system:serviceaccount:" in said
    assert "may not list" in said
