"""What becomes of pods on which machine, and what people are told."""

from dataclasses import dataclass, field

import pytest

from cluster import pods
from cluster.equipment import REAL, SIMULATED, Equipment
from cluster.errors import ClusterError
from cluster.node.probe import proxied
from cluster.pods import Pods, Surroundings, Way

NO_ROOT = "a node needs root"
NO_GO = "install Go"


@dataclass
class Machine:
    """A machine to choose on; it also notes which questions were asked."""

    wish: str = ""
    obstacle: str | None = None
    real_lacks: str | None = None
    simulated_lacks: str | None = None
    asked: list[str] = field(default_factory=list)

    def choose(self) -> Pods:
        env = {pods.WISH: self.wish} if self.wish else {}
        return pods.choose(Surroundings(env, self.ask_for_obstacle, self.lacking))

    def ask_for_obstacle(self) -> str | None:
        self.asked.append("obstacle")
        return self.obstacle

    def lacking(self, needed: Equipment) -> str | None:
        self.asked.append("real" if needed is REAL else "simulated")
        assert needed in {REAL, SIMULATED}
        return self.real_lacks if needed is REAL else self.simulated_lacks


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Machine(), Pods(Way.REAL)),
        (Machine(wish="real"), Pods(Way.REAL)),
        (Machine(obstacle=NO_ROOT), Pods(Way.SIMULATED, NO_ROOT)),
        (Machine(real_lacks=NO_GO), Pods(Way.SIMULATED, NO_GO)),
        (Machine(obstacle=NO_ROOT, simulated_lacks=NO_GO), Pods(Way.NONE, NO_ROOT)),
        (Machine(wish="kwok"), Pods(Way.SIMULATED, "TASKACTION_NODE=kwok")),
        (Machine(wish="none"), Pods(Way.NONE, "TASKACTION_NODE=none")),
    ],
    ids=lambda value: "" if isinstance(value, Pods) else str(value)[:60],
)
def test_the_truest_way_that_is_open_unless_another_is_wished_for(machine: Machine, expected: Pods) -> None:
    assert machine.choose() == expected


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (Machine(wish="real", obstacle=NO_ROOT), ["TASKACTION_NODE=real", NO_ROOT]),
        (Machine(wish="kwok", simulated_lacks=NO_GO), ["TASKACTION_NODE=kwok", NO_GO]),
        (Machine(wish="reel"), ["TASKACTION_NODE=reel", "real, kwok and none"]),
    ],
)
def test_a_wish_that_cannot_be_granted_is_one_sentence(machine: Machine, words: list[str]) -> None:
    with pytest.raises(ClusterError) as refused:
        machine.choose()
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)


def test_without_need_nothing_is_tried_on_the_machine() -> None:
    for wish in "none", "kwok":
        machine = Machine(wish=wish)
        machine.choose()
        assert "obstacle" not in machine.asked


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Pods(Way.REAL), "pods run"),
        (Pods(Way.SIMULATED, NO_ROOT), "do not truly run: a node needs root"),
        (Pods(Way.NONE, NO_ROOT), "stay pending, there is no node: a node needs root"),
    ],
)
def test_people_are_told_what_becomes_of_pods_and_why(found: Pods, words: str) -> None:
    assert words in str(found)


@pytest.mark.parametrize(
    ("env", "in_the_way"),
    [
        ({}, False),
        ({"HTTPS_PROXY": ""}, False),
        ({"https_proxy": "http://proxy"}, True),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "localhost"}, True),
        ({"HTTPS_PROXY": "http://proxy", "no_proxy": "localhost,10.213.0.0/16"}, False),
    ],
)
def test_a_proxy_that_would_take_what_is_meant_for_a_node_is_in_the_way(env: dict[str, str], in_the_way: bool) -> None:
    assert ("NO_PROXY" in (proxied(env) or "")) is in_the_way
