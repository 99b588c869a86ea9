"""The order in which ways to a cluster are tried."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster.binaries import PACKAGES, Cache
from cluster.errors import ClusterError
from cluster.resolve import Build, Choice, Existing, Kind, Programs, Surroundings, choose


@dataclass
class Machine:
    """A machine to choose on; it also notes which questions were asked."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    cached: bool = False
    docker: bool = False
    go: tuple[int, int] | None = None
    asked: list[str] = field(default_factory=list)

    def choose(self, *, own: bool = False) -> Choice:
        cache = Cache(self.folder / "cache")
        if self.cached:
            fill(cache.folder)
        return choose(
            Surroundings(self.env, self.folder / ".run", cache, self.docker_answers, self.go_version), own=own
        )

    def docker_answers(self) -> bool:
        self.asked.append("docker")
        return self.docker

    def go_version(self) -> tuple[int, int] | None:
        self.asked.append("go")
        return self.go


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        (folder / name).touch()
    return folder


def everything(machine: Machine) -> None:
    machine.env = {"KUBECONFIG": "/c", "KUBEBUILDER_ASSETS": str(fill(machine.folder / "assets"))}
    machine.docker, machine.go = True, (1, 26)


def test_ways_are_tried_in_their_order(machine: Machine) -> None:
    everything(machine)
    assert machine.choose() == Existing("/c")
    del machine.env["KUBECONFIG"]
    assert machine.choose() == Programs(machine.folder / "assets")
    del machine.env["KUBEBUILDER_ASSETS"]
    assert machine.choose() == Kind()
    machine.docker = False
    assert machine.choose() == Build()


def test_the_cache_comes_before_kind_and_asks_no_daemon(machine: Machine) -> None:
    everything(machine)
    machine.env, machine.cached = {}, True
    assert machine.choose() == Programs(Cache(machine.folder / "cache").folder)
    assert machine.asked == []


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"KUBECONFIG": "/c"}, Existing("/c")),
        ({"KUBECONFIG": "/c", "TASKACTION_CONTEXT": "dev"}, Existing("/c", "dev")),
        ({"KUBECONFIG": "/a:/b"}, Existing("/a:/b")),
        ({"KUBECONFIG": ""}, Build()),
        ({"TASKACTION_CONTEXT": "dev"}, Existing(str(Path.home() / ".kube/config"), "dev")),
        ({"KUBEBUILDER_ASSETS": ""}, Build()),
    ],
)
def test_environment_variables(machine: Machine, env: dict[str, str], expected: Choice) -> None:
    machine.env, machine.go = env, (1, 26)
    assert machine.choose() == expected


def test_the_kubeconfig_of_make_up_is_not_taken_for_a_foreign_cluster(machine: Machine) -> None:
    machine.env, machine.go = {"KUBECONFIG": str(machine.folder / ".run" / "kubeconfig")}, (1, 26)
    assert machine.choose() == Build()


def test_a_control_plane_of_ones_own_is_neither_foreign_nor_kind(machine: Machine) -> None:
    machine.env, machine.docker, machine.go = {"KUBECONFIG": "/c"}, True, (1, 27)
    assert machine.choose(own=True) == Build()


@pytest.mark.parametrize(
    ("go", "words"),
    [
        (None, ["install Go 1.26", "Docker", "KUBECONFIG"]),
        ((1, 21), ["1.26", "install a newer one"]),
        ((0, 0), ["1.26", "GOTOOLCHAIN"]),
    ],
)
def test_nothing_possible_is_one_sentence_with_the_mend(machine: Machine, go, words: list[str]) -> None:
    machine.go = go
    with pytest.raises(ClusterError) as refused:
        machine.choose()
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)


def test_an_incomplete_assets_folder_is_named_with_what_it_lacks(machine: Machine) -> None:
    everything(machine)
    (machine.folder / "assets" / "kube-controller-manager").unlink()
    del machine.env["KUBECONFIG"]
    with pytest.raises(ClusterError, match="has no kube-controller-manager"):
        machine.choose()
