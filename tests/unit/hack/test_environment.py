"""`make up` and `make down` find again what an earlier call has brought up."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster import clusters
from cluster.kubectl import Kubectl
from cluster.processes import Program, start
from cluster.resolve import Choice, Existing, Programs
from local import account, environment
from local.environment import Environment
from local.operator_process import Operator

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


class Cluster:
    """Stands in for a cluster of any kind."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "foreign"
        self.kubeconfig.write_text("kind: Config")

    def kubectl(self, *_: str, **__: str) -> str:
        return ""


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Around"]:
    made = Around(tmp_path)
    monkeypatch.setattr(environment, "choose", made.choose)
    monkeypatch.setattr(clusters, "bring_up", made.bring_up)
    monkeypatch.setattr(environment, "prepare", made.prepare)
    monkeypatch.setattr(account, "create", made.create_account)
    monkeypatch.setattr(Operator, "start", made.start_operator)
    yield made
    for program in made.operators:
        program.end()


class Around:
    """What `Environment` uses, with a process that only sleeps for an operator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.choice: Choice = Programs(folder)
        self.choices: list[Choice] = []
        self.operators: list[Program] = []

    def choose(self, _: object, *, own: bool) -> Choice:
        return self.choice

    def bring_up(self, choice: Choice, *, state: Path, **_: object) -> Cluster:
        self.choices.append(choice)
        return Cluster(self.folder)

    def prepare(self, cluster: Cluster, _: object) -> None:
        assert cluster.kubeconfig.exists()

    def create_account(self, _: object, namespace: str, path: Path) -> Path:
        path.write_text(f"the account of {namespace}")
        return path

    def start_operator(self, kubeconfig: Path, *, log: Path, tied: bool) -> Operator:
        assert "the account of" in kubeconfig.read_text()  # never the admin's
        mark = f"{self.folder}-{len(self.operators)}"
        self.operators.append(start("operator", [*SLEEP, mark], mark=mark, log=log, tied=True))
        return Operator(self.operators[-1], "http://127.0.0.1:1")


def silent(_: str) -> None:
    pass


def up(around: Around) -> Environment:
    made = Environment(around.folder / ".run")
    made.up(silent)
    return made


def test_a_second_up_starts_no_second_operator(around: Around) -> None:
    assert not Environment(around.folder / ".run").is_up()
    up(around)
    assert up(around).is_up()
    assert len(around.operators) == 1


def test_up_starts_an_operator_again_that_has_died(around: Around) -> None:
    up(around)
    around.operators[0].end()
    assert up(around).is_up()
    assert len(around.operators) == 2


def test_up_stays_with_the_cluster_it_is_on_whatever_the_environment_says_by_now(around: Around) -> None:
    around.choice = Existing("/theirs")
    made = up(around)
    around.choice = Programs(around.folder)
    up(around)
    assert around.choices == [Existing("/theirs"), Existing(str(made.kubeconfig))]


def test_down_ends_the_operator_and_leaves_nothing(around: Around) -> None:
    made = up(around)
    said: list[str] = []
    made.down(said.append, keep_state=False)
    assert not around.operators[0].is_running()
    assert not made.run.exists()
    made.down(said.append, keep_state=False)
    assert said[-1] == "nothing is up"


def test_down_leaves_a_cluster_that_was_there_before_as_it_is(around: Around) -> None:
    around.choice = Existing("/theirs")
    said: list[str] = []
    up(around).down(said.append, keep_state=False)
    assert any("left as it was found" in text for text in said)


def test_down_keeps_the_state_by_choice(around: Around) -> None:
    made = up(around)
    made.down(silent, keep_state=True)
    assert made.kubeconfig.exists()
    assert not made.is_up()


def test_the_kubeconfig_is_for_its_owner_only(around: Around) -> None:
    assert up(around).kubeconfig.stat().st_mode & 0o077 == 0


def test_make_help_lists_every_target_people_call() -> None:
    root = environment.manifests.ROOT
    text = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    daily, code, tests = {"up", "demo", "down"}, {"fmt", "lint", "type", "generate", "verify"}, {"test", "bench"}
    tests |= {f"test-{which}" for which in ("unit", "integration", "e2e")}
    assert {line.split()[0] for line in text.splitlines() if line.startswith("  ")} >= daily | code | tests


def test_who_has_no_kubectl_is_given_the_path_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = Kubectl(tmp_path / "kubectl", tmp_path / "config")
    cluster = SimpleNamespace(kubectl=built)
    around = Environment(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert any(f'export PATH="{tmp_path}:$PATH"' in line for line in around.exports(cluster))
    built.program.touch(mode=0o755)
    assert around.exports(cluster) == [f"export KUBECONFIG={around.kubeconfig}"]
