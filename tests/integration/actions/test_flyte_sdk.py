"""The published Flyte SDK against the Actions service: its runtime with either of its controllers, as processes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from flyteidl2.actions.actions_service_connect import ActionsServiceClientSync
from flyteidl2.actions.actions_service_pb2 import SignalRequest

from cluster.clusters import Cluster
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions_services import ActionsServices, action_id, task
from support.api import list_objects
from support.flytesdk import environment
from support.flytesdk.program import FAST, RUST, Story, words

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.timeout(600)]
SECONDS = 120
TYPES = "python=noop,sleep=sleep,fail=fail,parent=approval"
CONTROLLERS = pytest.mark.parametrize("controller", [{}, RUST], ids=["python", "rust"])


@pytest.fixture(scope="module")
def services(crds: Cluster, operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsServices]:
    del operator
    namespace = "flyte-sdk-tests"
    crds.kubectl("create", "namespace", namespace)
    found = ActionsServices(crds.kubectl.within(namespace), namespace, tmp_path_factory.mktemp("sdk"))
    found.start(task_types=TYPES)
    yield found
    found.close()
    crds.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def python() -> Path:
    return environment.python()


@pytest.fixture
def story(services: ActionsServices, python: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Story:
    """A run with its root, which stays as it is while the test's program acts for it."""
    run = action_id("".join(filter(str.isalnum, request.node.name))[-30:]).run
    with ActionsServiceClientSync(services.url) as client:
        client.enqueue(task(run.name, kind="parent", prompt="the program's own action"))
    return Story(python=python, address=services.address, run=run, folder=tmp_path)


def children(services: ActionsServices, story: Story) -> list[dict]:
    """Give the actions that the program has made."""
    selector = f"flyte.org/run={story.run.name},flyte.org/is-root=false"
    found: list[dict] = list_objects(services.kubectl, "ta", selector)
    return found


@CONTROLLERS
def test_a_program_is_told_how_each_of_its_children_ended(services, story, controller: Mapping[str, str]):
    told = words(story.ended(story.start("outcomes", controller), SECONDS))
    assert told == ["succeeded", "failed: Broken: it broke", "retried", "timed out", "cancelled"]
    ended = sorted(one["status"]["phase"] for one in children(services, story) if one["status"]["phase"] != "Running")
    # The Rust controller forgets a child that is cancelled, and sends no Abort.
    assert ended == [*([] if controller else ["Aborted"]), "Failed", "Succeeded", "Succeeded", "TimedOut"]
    assert max(one["status"]["attempt"] for one in children(services, story)) == 2


@CONTROLLERS
def test_a_program_that_starts_again_does_no_step_twice_that_has_gone_well(story, controller: Mapping[str, str]):
    told = ["ONE", "TWO", "three is broken"]
    assert words(story.ended(story.start("traces", controller), SECONDS)) == told
    assert words(story.ended(story.start("traces", controller), SECONDS)) == told
    assert story.steps() == ["one", "two"]


def test_conditions_of_a_program_are_answered_by_signals(services, story):
    program = story.start("conditions")
    wait_until(
        lambda: [one["status"]["phase"] for one in children(services, story)] == ["Paused"] * 2,
        timeout=SECONDS,
        what="two conditions",
        program=program,
    )
    with ActionsServiceClientSync(services.url) as client:
        for one in children(services, story):
            name = one["metadata"]["labels"]["flyte.org/action"]
            request = SignalRequest(action_id=action_id(story.run.name, name), parent_action_name="a0")
            if one["spec"]["parameters"]["type"] == "boolean":
                request.value.scalar.primitive.boolean = True
            else:
                request.value.scalar.primitive.string_value = "tree"
            client.signal(request)
    assert words(story.ended(program, SECONDS)) == ["True", "tree"]


@CONTROLLERS
def test_a_program_outlives_a_service_that_is_killed_in_the_middle_of_its_watch(
    services, story, controller: Mapping[str, str]
):
    program = story.start("waiting", controller)
    wait_until(
        lambda: [one["status"]["phase"] for one in children(services, story)] == ["Running"] * 3,
        timeout=SECONDS,
        what="three children that run",
        program=program,
    )
    services.kill()
    services.start(task_types=TYPES)
    assert words(story.ended(program, SECONDS)) == ["woken"]


@CONTROLLERS
def test_a_thousand_children_of_one_program_all_end(services, story, controller: Mapping[str, str]):
    story.ended(story.start("fanout", {**controller, **FAST}, count=1000), SECONDS)
    assert [one["status"]["phase"] for one in children(services, story)] == ["Succeeded"] * 1000
