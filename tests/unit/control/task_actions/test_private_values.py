"""Values of Secrets that parameters take in do not come out again, whatever an executor does with them."""

from base64 import b64encode
from collections.abc import Callable

import pytest

from support.fake_cluster import FakeCluster
from support.memory_operator import MemoryOperator, actions
from taskaction.api.task_action import Link, Progress
from taskaction.cluster.gateway import CONFIG_MAPS, SECRETS
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.errors import ActionExecutionError, TransientError
from taskaction.plugin.toolbox import Toolbox

SECRET = 'p"a\\ss/wörd&'
LINK = Link(name=f"with {SECRET}", url=f"https://x/?token={SECRET}")
FROM = [
    {"parameter": "token", "secretKeyRef": {"name": "login", "key": "token"}},
    {"parameter": "deep", "secretKeyRef": {"name": "login", "key": "deep"}, "format": "Json"},
    {"parameter": "region", "configMapKeyRef": {"name": "settings", "key": "region"}},
]


class Telling(AbstractExecutor):
    """Tells everything that it was given, in the way that a test asks for."""

    ACTION_NAME = "telling"

    def __init__(self, how: Callable[[Run], Outcome]) -> None:
        self._how = how

    async def execute(self, run: Run) -> Outcome:
        given = run.reveal()
        assert given["token"] == SECRET
        run.reporter.progress(Progress(message=f"logging in by {given['token']}"))
        run.reporter.link(LINK)
        return self._how(run)


def raising(error: Callable[[str], Exception]) -> Callable[[Run], Outcome]:
    def how(run: Run) -> Outcome:
        raise error(f"refused: {run.reveal()}")

    return how


WAYS: dict[str, tuple[Callable[[Run], Outcome], str]] = {
    "in its output": (lambda run: Succeeded(output={"sent": [run.reveal()], SECRET: 1}), "Succeeded"),
    "in the message of a success": (lambda _: Succeeded(message=f"in as {SECRET}", links=(LINK,)), "Succeeded"),
    "in a failure": (lambda run: Failed(code="No", message=SECRET, output=run.reveal()), "Failed"),
    "in an error": (raising(ActionExecutionError), "Failed"),
    "in an error that may pass": (raising(TransientError), "Failed"),
    "in an error that nobody has foreseen": (raising(ValueError), "Failed"),
    "while it goes on": (
        lambda _: Pending(poll_after=60, message=SECRET, progress=Progress(message=SECRET), links=(LINK,)),
        "Running",
    ),
    "while it waits": (lambda _: Paused(message=f"confirm {SECRET}", links=(LINK,)), "Paused"),
}


@pytest.mark.parametrize(("how", "phase"), WAYS.values(), ids=WAYS)
async def test_a_secret_that_an_executor_tells_is_not_shown(how: Callable[[Run], Outcome], phase: str) -> None:
    class Build:
        ACTION_NAME = Telling.ACTION_NAME

        @staticmethod
        def build(toolbox: Toolbox) -> Telling:
            return Telling(how)

    cluster = FakeCluster()
    data = {"token": SECRET, "deep": '{"keys": ["inner-secret"], "n": 71828182}'}
    encoded = {name: b64encode(text.encode()).decode() for name, text in data.items()}
    cluster.store(SECRETS, {"kind": "Secret", "metadata": {"name": "login", "namespace": "team-a"}, "data": encoded})
    settings = {"name": "settings", "namespace": "team-a"}
    cluster.store(CONFIG_MAPS, {"kind": "ConfigMap", "metadata": settings, "data": {"region": "eu-north"}})
    async with MemoryOperator(Build, cluster=cluster) as operator:
        await operator.create(*actions(["one"], "telling", parametersFrom=FROM))
        await operator.pass_time(3)

        status = operator.stored("one")["status"]
        written = str([status, operator.of_kind("events")])
        assert status["phase"] == phase
        assert "[redacted]" in written
        for part in (SECRET, repr(SECRET)[1:-1], "p%22a", "wörd", "inner-secret", "71828182"):
            assert part not in written
        if "sent" in str(status.get("output")):
            assert "eu-north" in written  # of a ConfigMap
