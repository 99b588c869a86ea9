"""How a task of Flyte ends: by its pod, and by the error or the outputs that its program has left in the storage."""

import base64
import zlib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.core.execution_pb2 import ContainerError, ExecutionError
from flyteidl2.core.tasks_pb2 import TaskTemplate

from support.children import ChildCluster
from support.flyte_tasks import container_task, leave_error, parameters, pod_task, with_outputs
from support.runs import NOW, Watched, later, run, toolbox
from taskaction.api.enums import CacheStatus, ErrorKind, Phase, RetryClass
from taskaction.api.task_action import Link
from taskaction.cluster.gateway import POD_TEMPLATES, PODS, Body
from taskaction.core.names import child_name
from taskaction.integrations.flyte.executor.executor import FlyteExecutor
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.plugin.errors import ActionError, InvalidParametersError, MissingSourceError
from taskaction.plugin.settings import SettingsReader
from taskaction.plugin.storage import ProjectStorage

NAME = child_name("one", "uid-1", 1)


class House:
    """The executor before a cluster in memory, and one task that it runs with its outputs in a folder."""

    def __init__(
        self,
        folder: Path,
        task: TaskTemplate | None = None,
        *,
        reads: bool = True,
        trusts: bool = False,
        grant: str = "team={folder}",
        **fields: Any,
    ) -> None:
        self.cluster = ChildCluster()
        self.base = f"file://{folder}/r1"
        self.outputs = folder / "r1" / "a1" / "1"
        given = {"runOutputBase": self.base} | fields
        self.run = run(parameters(task, **given))
        variables = {"TASKACTION_FLYTE_STORAGE": grant.format(folder=f"file://{folder}")} if reads else {}
        settings = SettingsReader(variables | {"TASKACTION_FLYTE_TRUST_EXIT_CODE": str(trusts)})
        self.executor = FlyteExecutor.build(replace(toolbox(self.cluster, followed=Watched()), settings=settings))

    async def started(self) -> Body:
        assert isinstance(await self.executor.execute(self.run), Pending)
        return self.cluster.only(PODS)

    async def ends(self, phase: str, passed: float = 5, *containers: Body, **status: Any) -> Outcome:
        """Look at the pod after it has got to this status."""
        body = await self.started()
        self.cluster.report(PODS, body, phase=phase, containerStatuses=list(containers), **status)
        return await self.look(passed)

    async def look(self, passed: float) -> Outcome:
        return await self.executor.poll(later(self.run, passed, external_id=NAME))


def ended(code: int, *, name: str = "primary", reason: str = "Error", message: str = "", at: str = "") -> Body:
    terminated = {"exitCode": code, "reason": reason, "message": message} | ({"finishedAt": at} if at else {})
    return {"name": name, "state": {"terminated": terminated}}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def test_what_ended_well_says_where_its_outputs_are(house: House) -> None:
    assert await house.ends("Succeeded", 5, ended(0)) == Succeeded(
        output_uri=f"{house.base}/a1/1", cache_status=CacheStatus.DISABLED
    )


async def test_a_program_that_ended_well_and_left_an_error_has_failed_of_it(house: House) -> None:
    leave_error(house.outputs, message="division by zero", code="ZeroDivisionError")

    outcome = await house.ends("Succeeded", 5, ended(0))

    assert outcome == Failed(code="ZeroDivisionError", message="division by zero")


@pytest.mark.parametrize(
    ("kind", "origin", "retry", "blame"),
    [
        (ContainerError.RECOVERABLE, ExecutionError.USER, RetryClass.ERROR, ErrorKind.USER),
        (ContainerError.RECOVERABLE, ExecutionError.UNKNOWN, RetryClass.ERROR, ErrorKind.USER),
        (ContainerError.RECOVERABLE, ExecutionError.SYSTEM, RetryClass.SYSTEM, ErrorKind.SYSTEM),
        (ContainerError.NON_RECOVERABLE, ExecutionError.USER, None, ErrorKind.USER),
        (ContainerError.NON_RECOVERABLE, ExecutionError.SYSTEM, None, ErrorKind.SYSTEM),
    ],
)
async def test_an_error_says_whose_it_is_and_whether_a_retry_can_help(
    house: House, kind: Any, origin: Any, retry: RetryClass | None, blame: ErrorKind
) -> None:
    leave_error(house.outputs, kind=kind, origin=origin)

    outcome = await house.ends("Succeeded", 5, ended(0))

    assert isinstance(outcome, Failed)
    assert (outcome.retry_class, outcome.kind) == (retry, blame)


async def test_what_the_program_says_goes_before_its_exit_code(house: House) -> None:
    leave_error(house.outputs, message="No module named 'pandas'", code="ModuleNotFoundError")

    outcome = await house.ends("Failed", 5, ended(1, message="the last lines of a log"))

    assert isinstance(outcome, Failed)
    assert outcome.message == "No module named 'pandas'"


async def test_an_error_of_an_earlier_attempt_is_not_this_ones(house: House) -> None:
    leave_error(house.outputs)
    house.run = replace(house.run, attempt=2)
    body = await house.started()
    house.cluster.report(PODS, body, phase="Succeeded", containerStatuses=[ended(0)])

    outcome = await house.executor.poll(later(house.run, 5, external_id=child_name("one", "uid-1", 2)))

    assert outcome == Succeeded(output_uri=f"{house.base}/a1/2", cache_status=CacheStatus.DISABLED)


@pytest.mark.parametrize("there", [True, False])
async def test_outputs_that_are_declared_must_be_there(tmp_path: Path, there: bool) -> None:
    house = House(tmp_path, with_outputs(container_task()))
    if there:
        house.outputs.mkdir(parents=True)
        (house.outputs / "outputs.pb").write_bytes(b"")

    outcome = await house.ends("Succeeded", 5, ended(0))

    assert isinstance(outcome, Succeeded) if there else outcome.code == "OutputsNotFound"


REFUSED = "in none of the namespace's folders of TASKACTION_STORAGE and TASKACTION_FLYTE_STORAGE"


async def test_f02_a_task_whose_result_the_operator_could_not_read_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path, with_outputs(container_task()), reads=False)

    with pytest.raises(InvalidParametersError, match=REFUSED):
        await house.executor.execute(house.run)

    assert house.cluster.of(PODS) == []


@pytest.mark.parametrize(
    ("phase", "code", "expected"), [("Succeeded", 0, "OutputsUnreadable"), ("Failed", 1, "ContainerFailed")]
)
async def test_f02_a_pod_from_before_is_never_a_success_without_its_result(
    tmp_path: Path, phase: str, code: int, expected: str
) -> None:
    house = House(tmp_path, reads=False, trusts=True)
    await house.started()
    house.executor._settings = FlyteSettings()

    body = house.cluster.only(PODS)
    house.cluster.report(PODS, body, phase=phase, containerStatuses=[ended(code)])
    outcome = await house.look(5)

    assert isinstance(outcome, Failed)
    assert outcome.code == expected


async def test_a_storage_that_the_operator_cannot_read_is_trusted_where_a_setting_says_so(tmp_path: Path) -> None:
    house = House(tmp_path, with_outputs(container_task()), reads=False, trusts=True)
    leave_error(house.outputs)

    outcome = await house.ends("Succeeded", 5, ended(0))

    assert isinstance(outcome, Succeeded)
    assert (outcome.output_uri, "was not read" in outcome.message) == (f"{house.base}/a1/1", True)


@pytest.mark.parametrize("base", ["s3://else/r1", "file:///etc", "file://{folder}/../else"])
async def test_nothing_outside_of_its_folders_is_ever_opened(tmp_path: Path, base: str) -> None:
    (tmp_path / "own").mkdir()
    house = House(tmp_path / "own", runOutputBase=base.format(folder=tmp_path / "own"))
    leave_error(tmp_path / "else" / "a1" / "1")

    with pytest.raises(InvalidParametersError, match=REFUSED):
        await house.executor.execute(house.run)


@pytest.mark.parametrize(
    ("grant", "is_read"),
    [
        ("*={folder}", True),
        ("team={folder}", True),
        ("{folder}", False),
        ("other={folder}", False),
        ("tea={folder}", False),
    ],
)
async def test_nothing_of_another_namespaces_folder_is_ever_opened(tmp_path: Path, grant: str, is_read: bool) -> None:
    house = House(tmp_path, grant=grant)
    if is_read:
        assert isinstance(await house.ends("Succeeded", 5, ended(0)), Succeeded)
    else:
        with pytest.raises(InvalidParametersError, match=REFUSED):
            await house.executor.execute(house.run)


async def test_each_namespace_has_a_folder_of_its_own_in_one_that_is_for_all(tmp_path: Path) -> None:
    own = House(tmp_path, grant="{folder}", runOutputBase=f"file://{tmp_path}/team/r1")
    assert isinstance(await own.ends("Succeeded", 5, ended(0)), Succeeded)
    theirs = House(tmp_path, grant="{folder}", runOutputBase=f"file://{tmp_path}/team-b/r1")
    with pytest.raises(InvalidParametersError, match=REFUSED):
        await theirs.executor.execute(theirs.run)


async def test_the_storage_of_the_project_has_a_folder_for_the_tasks_of_each_namespace(tmp_path: Path) -> None:
    for namespace, is_read in ("team", True), ("team-b", False):
        house = House(tmp_path, reads=False, runOutputBase=f"file://{tmp_path}/{namespace}/r1")
        own = replace(toolbox(house.cluster, followed=Watched()), storage=ProjectStorage(f"file://{tmp_path}/"))
        house.executor = FlyteExecutor.build(own)
        if is_read:
            assert isinstance(await house.ends("Succeeded", 5, ended(0)), Succeeded)
        else:
            with pytest.raises(InvalidParametersError, match=REFUSED):
                await house.executor.execute(house.run)


async def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    leave_error(tmp_path / "else", message="somebody's secret")
    house = House(tmp_path / "own")
    house.outputs.parent.mkdir(parents=True)
    house.outputs.symlink_to(tmp_path / "else")

    outcome = await house.ends("Succeeded", 5, ended(0, at="2026-01-01T12:00:00Z"))

    assert isinstance(outcome, Pending)
    failed = await house.look(600)
    assert isinstance(failed, Failed)
    assert "leads out of its folder" in failed.message


async def test_a_storage_that_does_not_answer_is_waited_for_and_then_is_the_platforms_failure(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(house.executor._storage, "_read", broken)
    at = NOW.isoformat()

    waiting = await house.ends("Succeeded", 60, ended(0, at=at))

    assert isinstance(waiting, Pending)
    assert "no route" in waiting.message
    failed = await house.look(301)
    assert isinstance(failed, Failed)
    assert (failed.code, failed.kind, failed.retry_class) == (
        "StorageUnreachable",
        ErrorKind.SYSTEM,
        RetryClass.SYSTEM,
    )
    assert "whether it did well cannot be read" in failed.message


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, "Evicted", ErrorKind.SYSTEM),
        ({"reason": "Shutdown"}, "Shutdown", ErrorKind.SYSTEM),
        (
            {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]},
            "PreemptionByScheduler",
            ErrorKind.SYSTEM,
        ),
        ({"containerStatuses": [ended(137, reason="OOMKilled")]}, "OOMKilled", ErrorKind.USER),
        ({"containerStatuses": [ended(137)]}, "Interrupted", ErrorKind.SYSTEM),
        ({"containerStatuses": [ended(2, message="oh")]}, "ContainerFailed", ErrorKind.USER),
    ],
)
async def test_what_the_cluster_ends_is_not_the_tasks_own_failure(
    house: House, status: Body, code: str, kind: ErrorKind
) -> None:
    body = await house.started()
    house.cluster.report(PODS, body, **({"phase": "Failed"} | status))

    outcome = await house.look(5)

    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.kind) == (code, kind)
    assert outcome.retry_class is (RetryClass.SYSTEM if kind is ErrorKind.SYSTEM else RetryClass.ERROR)


async def test_a_pod_that_is_deleted_from_outside_is_a_failure_of_the_platform(house: House) -> None:
    body = await house.started()
    body = house.cluster.store(
        PODS, body | {"metadata": body["metadata"] | {"deletionTimestamp": "2026-01-01T12:00:01Z"}}
    )
    house.cluster.report(PODS, body, phase="Failed", containerStatuses=[ended(143)])

    outcome = await house.look(5)

    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retry_class) == ("PodDeleted", RetryClass.SYSTEM)


TWO = {"containers": [{"name": "task", "image": "a"}, {"name": "proxy", "image": "b"}]}


@pytest.mark.parametrize("code", [0, 3])
async def test_when_the_tasks_own_container_has_ended_others_are_not_waited_for(tmp_path: Path, code: int) -> None:
    house = House(tmp_path, pod_task(TWO))

    outcome = await house.ends("Running", 5, ended(code, name="task"), {"name": "proxy", "state": {"running": {}}})

    assert isinstance(outcome, Failed if code else Succeeded)
    assert house.cluster.of(PODS) == []


@pytest.mark.parametrize(
    ("status", "waits", "phase"),
    [
        ({"phase": "Pending"}, True, Phase.INITIALIZING),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
            },
            True,
            Phase.INITIALIZING,
        ),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}, False, Phase.INITIALIZING),
        ({"phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True"}]}, False, Phase.RUNNING),
    ],
)
async def test_f04_a_pod_waits_until_a_node_takes_it_and_runs_when_its_container_does(
    house: House, status: Body, waits: bool, phase: Phase
) -> None:
    body = await house.started()
    house.cluster.report(PODS, body, **status)

    outcome = await house.look(5)

    assert isinstance(outcome, Pending)
    assert (outcome.waits, outcome.phase) == (waits, phase)


UNSTARTED = [
    pytest.param("CreateContainerConfigError", 31, "CannotStart", None, id="a missing Secret, after half a minute"),
    pytest.param("InvalidImageName", 1, "CannotStart", None, id="a name of no image, at once"),
    pytest.param("ImagePullBackOff", 181, "ImageNotPulled", RetryClass.ERROR, id="a missing image, after a while"),
    pytest.param("CreateContainerConfigError", 5, "", None, id="a Secret that may still come"),
    pytest.param("ImagePullBackOff", 60, "", None, id="an image that may still come"),
]


@pytest.mark.parametrize(("waits_for", "passed", "code", "retry"), UNSTARTED)
async def test_f13_what_keeps_a_task_from_its_start_is_shown_and_ends_it_in_its_own_time(
    house: House, waits_for: str, passed: float, code: str, retry: RetryClass | None
) -> None:
    waiting = {"name": "primary", "state": {"waiting": {"reason": waits_for, "message": "it is not there"}}}

    outcome = await house.ends("Pending", passed, waiting, conditions=[{"type": "PodScheduled", "status": "True"}])

    assert waits_for in outcome.message
    if code:
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retry_class) == (code, retry)
    else:
        assert isinstance(outcome, Pending)
        assert (outcome.phase, outcome.waits) == (Phase.INITIALIZING, False)


async def test_another_containers_end_is_not_the_tasks(tmp_path: Path) -> None:
    house = House(tmp_path, pod_task(TWO))

    outcome = await house.ends("Running", 5, {"name": "task", "state": {"running": {}}}, ended(1, name="proxy"))

    assert isinstance(outcome, Pending)
    assert outcome.phase is Phase.RUNNING


async def test_links_are_shown_while_it_runs(tmp_path: Path) -> None:
    task = container_task()
    task.metadata.log_links.add(name="logs", uri="https://logs.example/{{.podName}}?run={{.runName}}")
    house = House(tmp_path, task)

    outcome = await house.ends("Running")

    assert isinstance(outcome, Pending)
    assert outcome.links == (Link(name="logs", url=f"https://logs.example/{NAME}?run=r1"),)


@pytest.mark.parametrize("named_by", ["task", "operator"])
async def test_a_named_pod_template_is_read_with_the_actions_own_rights(tmp_path: Path, named_by: str) -> None:
    task = container_task()
    if named_by == "task":
        task.metadata.pod_template_name = "base"
    house = House(tmp_path, task)
    settings = FlyteSettings(pod_template="base" if named_by == "operator" else "other")
    house.executor._settings = settings
    with pytest.raises(MissingSourceError, match="there is no PodTemplate 'base' in namespace 'team'"):
        await house.executor.execute(house.run)
    template = {"metadata": {"name": "base", "namespace": "team"}, "template": {"spec": {"priorityClassName": "low"}}}
    house.cluster.store(POD_TEMPLATES, template)

    assert (await house.started())["spec"]["priorityClassName"] == "low"
    assert set(house.cluster.actors) == {
        ("get", "system:serviceaccount:team:default"),
        ("create", "system:serviceaccount:team:default"),
    }


def stored(folder: Path, *, content: bytes | None = None, encoding: str = "zlib") -> dict[str, Any]:
    """Store a template; give the parameters that lead to it."""
    plain = container_task(image="stored:1").SerializeToString(deterministic=True)
    packed = zlib.compress(plain) if encoding == "zlib" else plain
    (folder / "task").write_bytes(packed if content is None else content)
    where = {"templateUri": f"file://{folder}/task", "templateDigest": sha256(packed).hexdigest()}
    return {"template": None, "encoding": encoding, **where}


@pytest.mark.parametrize("encoding", ["zlib", "base64"])
async def test_a_large_template_is_fetched_from_where_it_is_stored(tmp_path: Path, encoding: str) -> None:
    house = House(tmp_path, **stored(tmp_path, encoding=encoding))

    assert (await house.started())["spec"]["containers"][0]["image"] == "stored:1"


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        ("gone", MissingSourceError, "there is no"),
        ("changed", InvalidParametersError, "has other content"),
        ("outside", InvalidParametersError, "in none of the folders"),
    ],
)
async def test_a_template_that_is_not_what_was_enqueued_is_not_run(
    tmp_path: Path, fault: str, error: type[ActionError], text: str
) -> None:
    given = stored(tmp_path, content=b"other" if fault == "changed" else None)
    if fault == "gone":
        (tmp_path / "task").unlink()
    if fault == "outside":
        given["templateUri"] = "s3://else/task"

    with pytest.raises(error, match=text):
        await House(tmp_path, **given).executor.execute(House(tmp_path, **given).run)


async def test_a_pod_that_runs_is_not_given_up_while_its_template_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, **stored(tmp_path))
    body = await house.started()
    house.cluster.report(PODS, body, phase="Running")

    def broken(*_: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(house.executor._storage, "_read", broken)

    outcome = await house.look(5)

    assert isinstance(outcome, Pending)
    assert "no route" in outcome.message


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"template": "no base64!"}, "parameters.template: is no base64"),
        ({"template": base64.b64encode(b"\xff\xff\xff").decode()}, "is no flyteidl2.core.TaskTemplate"),
        ({"encoding": "zlib"}, "is not packed by zlib"),
        (
            {"template": base64.b64encode(zlib.compress(b"\0" * 9_000_000)).decode(), "encoding": "zlib"},
            "more than 8388608",
        ),
        ({"template": base64.b64encode(zlib.compress(b"\0" * 99)[:-4]).decode(), "encoding": "zlib"}, "cut off"),
    ],
)
async def test_a_template_that_cannot_be_read_is_the_authors_to_mend(
    tmp_path: Path, fields: dict[str, Any], text: str
) -> None:
    house = House(tmp_path, **fields)

    with pytest.raises(InvalidParametersError, match=text):
        await house.executor.execute(house.run)
