"""What is too large for a run's object is in a folder, whatever becomes of the operator and of the storage."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.fake_cluster import FakeCluster, Fault
from support.flow_stage import action, begin, change_run, children, flow_body, run_body, run_of
from support.memory_operator import MemoryOperator
from support.records import NAMESPACE
from taskaction.api.enums import Phase
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS
from taskaction.control.flow_runs import storage_waits
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES
from taskaction.plugin.storage import ProjectStorage, StorageError, fingerprint
from taskaction.plugin.stored_outputs import OutputLostError, StoredOutput, StoredOutputs
from taskaction.testing.clock import FakeClock

TEXT = "x" * 60_000
GROW = {"Type": "ExpressionEval", "Parameters": {"x.=": "[s] * 5"}, "ResultPath": "$.x"}
SHRINK = {"Type": "Pass", "Parameters": {"last.$": "$.x.x[4]"}, "End": True}
NAP = action("Shrink", url="taskaction://executor/sleep", parameters={"duration": "10s"})
NAPPING = {"Grow": GROW | {"Next": "Nap"}, "Nap": NAP, "Shrink": SHRINK}
GROWN = {"Grow": GROW | {"End": True}}
NESTED = {"In": action(url="taskaction://executor/flow", parameters={"flow": "f", "input": {"s": TEXT}})}
LEASE = {"lease_duration": "3s", "lease_renew_deadline": "2s", "lease_retry": "300ms"}


class Replicas:
    """Operators one after another over the same cluster, clock and folder."""

    def __init__(self, folder: Path) -> None:
        self.cluster, self.clock, self.folder = FakeCluster(), FakeClock(), folder

    def one(self, **settings: Any) -> MemoryOperator:
        more = {"storage": f"file://{self.folder}/", **LEASE, **settings}
        return MemoryOperator(cluster=self.cluster, clock=self.clock, **more)

    def files(self) -> list[Path]:
        found = os.walk(self.folder)  # passes over folders that are removed meanwhile
        return sorted(Path(folder, name) for folder, _, names in found for name in names if name.endswith(".json"))

    def fail(self) -> None:
        """Have the storage take and give nothing: another file is where the folder of the namespace should be."""
        (self.folder / NAMESPACE).rename(self.folder / "aside") if (self.folder / NAMESPACE).exists() else None
        (self.folder / NAMESPACE).write_text("in the way")

    def mend(self) -> None:
        (self.folder / NAMESPACE).unlink()
        (self.folder / "aside").rename(self.folder / NAMESPACE) if (self.folder / "aside").exists() else None


@pytest.fixture
def denied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the storage refuse every file of a run, and runs wait for three seconds."""
    write = ProjectStorage._write

    def refuse(storage: ProjectStorage, address: str, content: bytes) -> None:
        if f"/{NAMESPACE}/" in address:
            raise PermissionError("read-only")
        write(storage, address, content)

    monkeypatch.setattr(ProjectStorage, "_write", refuse)
    monkeypatch.setattr(storage_waits, "_DENIED", timedelta(seconds=3))


@pytest.fixture
def replicas(tmp_path: Path) -> Replicas:
    return Replicas(tmp_path)


async def napping(operator: MemoryOperator, **spec: Any) -> None:
    await begin(operator, run_body("r", NAPPING, input={"s": TEXT}, **spec))
    await operator.until(lambda: bool(children(operator)))


async def ended(operator: MemoryOperator, seconds: int = 20) -> None:
    """Let time pass until the run has ended; what the storage does takes time of its own."""
    for _ in range(seconds):
        await operator.pass_time(1)
        if run_of(operator).status.phase.is_terminal:
            return
        await real_moment(operator)


async def real_moment(operator: MemoryOperator) -> None:
    checks = iter(range(3))
    await operator.until(lambda: next(checks) == 2)


async def test_a_large_state_is_stored_before_its_action_is_made_and_survives_a_crash(replicas: Replicas) -> None:
    async with replicas.one() as first:
        await napping(first)
    status = run_of(first).status
    (file,) = replicas.files()
    assert (status.phase, status.state) == (Phase.RUNNING, None)
    assert status.state_uri == f"file://{replicas.folder}/{NAMESPACE}/uid-of-r/{file.name}"
    assert file.name == f"{fingerprint(file.read_bytes())}.json"

    async with replicas.one() as second:
        await second.pass_time(4)
        await ended(second)
        status = run_of(second).status
        assert (status.phase, status.output) == (Phase.SUCCEEDED, {"last": TEXT})
        assert len(children(second)) == 1
        await second.until(lambda: replicas.files() == [])
    assert status.state_uri is None


async def test_a_crash_between_file_and_status_leaves_a_file_over_and_nothing_else(replicas: Replicas) -> None:
    cluster = replicas.cluster

    def dies(verb: str, name: str) -> None:
        if verb == "replace_status" and replicas.files():
            cluster.faults.append(Fault(verb, UnavailableError("nobody hears this"), name=name))
            cluster.close()

    cluster.meanwhile = dies
    async with replicas.one() as first:
        await begin(first, run_body("r", NAPPING, input={"s": TEXT}, ttlSecondsAfterFinished=5))
        await first.until(lambda: bool(cluster.calls) and bool(replicas.files()))
        await real_moment(first)
    assert (run_of(first).status.started_at, children(first)) == (None, {})
    cluster.meanwhile = None
    cluster.faults.clear()
    cluster.open()

    async with replicas.one() as second:
        await second.pass_time(4)
        await ended(second)
        assert run_of(second).status.output == {"last": TEXT}
        assert len(children(second)) == 1
        await second.pass_time(6)
        await second.until(lambda: replicas.files() == [])


async def test_a_state_replaces_the_one_before_it(replicas: Replicas) -> None:
    states = {"Grow": GROW | {"Next": "Nap"}, "Nap": NAP | {"Next": "Again"}, "Again": action(ResultPath="$.again")}
    async with replicas.one() as operator:
        await begin(operator, run_body("r", states, input={"s": TEXT}))
        await operator.until(lambda: bool(children(operator)))
        (before,) = replicas.files()
        await ended(operator)
        await operator.until(lambda: before not in replicas.files())
        assert run_of(operator).status.phase is Phase.SUCCEEDED


async def test_storage_that_fails_for_a_while_holds_the_run_back_and_loses_nothing(replicas: Replicas) -> None:
    replicas.fail()
    async with replicas.one() as operator:
        await begin(operator, run_body("r", NAPPING, input={"s": TEXT}))
        await operator.until(lambda: run_of(operator).status.reason == "StorageUnavailable")
        status = run_of(operator).status
        assert (status.phase, status.state, status.state_uri) == (Phase.QUEUED, None, None)
        assert str(replicas.folder) in (status.message or "")
        assert children(operator) == {}  # nothing comes of what is not on record
        writes = operator.cluster.count("replace_status")
        for _ in range(5):
            await operator.pass_time(5)
            await real_moment(operator)
        assert operator.cluster.count("replace_status") == writes  # it is not said again and again

        replicas.mend()
        for _ in range(100):
            await operator.pass_time(1)
            await real_moment(operator)
            if run_of(operator).status.phase.is_terminal:
                break
        assert run_of(operator).status.output == {"last": TEXT}


async def test_what_could_not_be_stored_is_decided_again_by_the_next_owner(replicas: Replicas) -> None:
    nap = NAP | {"Next": "Grow"}
    states = {"Nap": nap, "Grow": GROW | {"Next": "Rest"}, "Rest": NAP | {"ResultPath": "$.rest"}, "Shrink": SHRINK}
    async with replicas.one() as first:
        await begin(first, run_body("r", states, input={"s": TEXT}))
        replicas.fail()
        await first.pass_time(11)
        await first.until(lambda: run_of(first).status.reason == "StorageUnavailable")
        assert run_of(first).status.states[0].name == "Nap"
    replicas.mend()
    async with replicas.one() as second:
        await second.pass_time(4)
        await ended(second)
        assert run_of(second).status.output == {"last": TEXT}
        assert len(children(second)) == 2


async def test_a_run_is_taken_over_when_the_storage_answers_again(replicas: Replicas) -> None:
    async with replicas.one() as first:
        await napping(first)
    replicas.fail()
    async with replicas.one() as second:
        await second.pass_time(4)
        await second.until(lambda: run_of(second).status.reason == "StorageUnavailable")
        assert run_of(second).status.state_uri is not None

        replicas.mend()
        for _ in range(4):
            await second.pass_time(1)
            await real_moment(second)
        assert run_of(second).status.reason == "Executing"
        await ended(second)
        assert run_of(second).status.output == {"last": TEXT}


async def test_a_run_whose_storage_is_away_can_be_aborted(replicas: Replicas) -> None:
    async with replicas.one() as first:
        await napping(first)
    replicas.fail()
    async with replicas.one() as second:
        await second.pass_time(4)
        await second.until(lambda: run_of(second).status.reason == "StorageUnavailable")
        await change_run(second, "r", abort={"reason": "enough"})
        await ended(second)
        assert run_of(second).status.phase is Phase.ABORTED
        assert [one["status"]["phase"] for one in children(second).values()] == ["Aborted"]


@pytest.mark.parametrize(("content", "why"), [(None, "not found"), (b"{}", "was changed")])
async def test_a_file_that_is_gone_or_was_changed_ends_the_run_with_the_reason(
    replicas: Replicas, content: bytes | None, why: str
) -> None:
    async with replicas.one() as first:
        await napping(first)
    (file,) = replicas.files()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    async with replicas.one() as second:
        await second.pass_time(4)
        await second.until(lambda: run_of(second).status.phase.is_terminal)
        status = run_of(second).status
        assert (status.phase, status.reason) == (Phase.FAILED, "StateLost")
        assert why in (status.message or "")
        assert str(file) in (status.message or "")


async def test_a_state_of_another_run_ends_the_run_with_the_reason(replicas: Replicas) -> None:
    async with replicas.one() as first:
        await napping(first)
    found = replicas.cluster.objects["actionflowruns", NAMESPACE, "r"]
    found["status"]["stateUri"] = found["status"]["stateUri"].replace("uid-of-r", "uid-of-another")
    async with replicas.one() as second:
        await second.pass_time(4)
        await second.until(lambda: run_of(second).status.phase.is_terminal)
        status = run_of(second).status
        assert (status.phase, status.reason) == (Phase.FAILED, "StateLost")
        assert "is not a file of this run" in (status.message or "")


async def test_a_run_of_another_folder_waits_for_the_setting(replicas: Replicas) -> None:
    async with replicas.one() as first:
        await napping(first)
    async with replicas.one(storage=None) as second:
        await second.pass_time(4)
        await second.until(lambda: run_of(second).status.reason == "StorageUnavailable")
        assert "TASKACTION_STORAGE" in (run_of(second).status.message or "")
    async with replicas.one() as third:
        await third.pass_time(4)
        await ended(third)
        assert run_of(third).status.output == {"last": TEXT}


async def test_a_large_output_is_stored_until_the_run_is_deleted(replicas: Replicas) -> None:
    async with replicas.one() as operator:
        await begin(operator, run_body("r", GROWN, input={"s": TEXT}, ttlSecondsAfterFinished=5))
        await operator.until(lambda: run_of(operator).status.phase.is_terminal)
        status = run_of(operator).status
        (file,) = replicas.files()
        assert (status.phase, status.output, status.output_uri) == (Phase.SUCCEEDED, None, f"file://{file}")
        assert json.loads(file.read_bytes()) == {"s": TEXT, "x": {"x": [TEXT] * 5}}

        await operator.pass_time(6)
        await operator.until(lambda: replicas.files() == [])
        assert operator.of_kind("actionflowruns") == []


async def test_a_run_that_cannot_store_its_state_can_be_aborted_and_holds_up_no_handover(replicas: Replicas) -> None:
    replicas.fail()
    async with replicas.one() as operator:
        await begin(operator, run_body("r", NAPPING, input={"s": TEXT}))
        await operator.until(lambda: run_of(operator).status.reason == "StorageUnavailable")
        shard = next(iter(operator.control.runs.table)).shard
        assert operator.control.runs.is_at_rest(shard)
        await change_run(operator, "r", abort={"reason": "enough"})
        assert run_of(operator).status.phase is Phase.ABORTED
        assert children(operator) == {}


async def test_a_run_that_cannot_store_its_output_can_be_aborted(replicas: Replicas) -> None:
    replicas.fail()
    async with replicas.one() as operator:
        await begin(operator, run_body("r", GROWN, input={"s": TEXT}))
        await operator.until(lambda: run_of(operator).status.reason == "StorageUnavailable")
        await change_run(operator, "r", abort={"reason": "enough"})
        status = run_of(operator).status
        assert (status.phase, status.output) == (Phase.ABORTED, None)


@pytest.mark.usefixtures("denied")
async def test_a_state_that_the_storage_does_not_permit_fails_as_without_a_storage(replicas: Replicas) -> None:
    async with replicas.one() as operator:
        await begin(operator, run_body("r", NAPPING, input={"s": TEXT}))
        await operator.until(lambda: run_of(operator).status.reason == "StorageUnavailable")
        await ended(operator)
        error = run_of(operator).status.error
        assert error is not None
        assert error.code == "States.DataLimitExceeded"
        assert "read-only; permit writing to TASKACTION_STORAGE" in error.message
        assert children(operator) == {}


@pytest.mark.usefixtures("denied")
async def test_an_output_that_the_storage_does_not_permit_fails_as_without_a_storage(replicas: Replicas) -> None:
    async with replicas.one() as operator:
        await begin(operator, run_body("r", GROWN, input={"s": TEXT}))
        await operator.until(lambda: run_of(operator).status.reason == "StorageUnavailable")
        await ended(operator)
        status = run_of(operator).status
        assert (status.phase, status.reason, status.output) == (Phase.FAILED, "OutputTooLarge", None)
        assert "permit writing to TASKACTION_STORAGE" in (status.message or "")


async def test_a_run_that_waits_for_the_output_of_an_action_ends_at_its_deadline(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_away(_: StoredOutputs, claim: StoredOutput) -> Any:
        raise StorageError("away")

    monkeypatch.setattr(StoredOutputs, "read", be_away)
    large = action(url="taskaction://executor/noop", parameters={"output.$": "$.s"}, ResultPath="$.large")
    async with replicas.one() as operator:
        given = {"s": TEXT * 4}
        await begin(operator, run_body("r", {"Large": large}, input=given, timeouts={"total": "15s"}))
        for _ in range(10):
            await operator.pass_time(1)
            await real_moment(operator)
        assert run_of(operator).status.reason == "StorageUnavailable", run_of(operator).status
        await ended(operator)
        assert run_of(operator).status.phase is Phase.TIMED_OUT


async def test_a_deleted_run_takes_its_files_along(replicas: Replicas) -> None:
    async with replicas.one() as operator:
        await napping(operator)
        assert len(replicas.files()) == 1
        await operator.cluster.delete(ACTION_FLOW_RUNS, "r", NAMESPACE)
        await operator.settle()
        await operator.until(lambda: replicas.files() == [])


async def test_an_inline_map_may_give_more_than_an_object_holds(replicas: Replicas) -> None:
    echo = action(ResultPath=None, parameters={"output.$": "$"})
    inner = {"StartAt": "Echo", "States": {"Echo": echo}}
    each = {"Type": "Map", "Inline": True, "ItemsPath": "$.items", "ItemProcessor": inner, "ResultPath": "$.out"}
    items = [f"{number:05d}" + "y" * 5_000 for number in range(60)]
    async with replicas.one() as operator:
        await begin(operator, run_body("r", {"Each": each | {"End": True}}, input={"items": items}))
        await operator.until(lambda: run_of(operator).status.phase.is_terminal, seconds=20)
        status = run_of(operator).status
        assert (status.phase, status.output) == (Phase.SUCCEEDED, None)
        await operator.until(lambda: len(replicas.files()) == 1)
        (file,) = replicas.files()
        assert file.stat().st_size > FLOW_STATE_LIMIT_BYTES
        assert json.loads(file.read_bytes()) == {"items": items, "out": items}


async def test_private_data_is_in_no_file(replicas: Replicas) -> None:
    run_as = {"serviceAccountName": "runner"}
    async with replicas.one() as first:
        await begin(first, run_body("r", NAPPING, input={"s": TEXT, "_private_key": "hunter2"}, runAs=run_as))
        await first.until(lambda: bool(children(first)))
    (file,) = replicas.files()
    assert "hunter2" not in file.read_text()
    async with replicas.one() as second:
        await second.pass_time(4)
        await ended(second)
        assert run_of(second).status.output == {"last": TEXT}


async def test_the_stored_output_of_a_nested_flow_is_the_output_of_its_action(replicas: Replicas) -> None:
    async with replicas.one() as operator:
        await begin(operator, flow_body("f", GROWN))
        await begin(operator, run_body("r", NESTED, runAs={"serviceAccountName": "runner"}))
        await operator.until(lambda: run_of(operator).status.phase.is_terminal)
        status = run_of(operator).status
        assert status.phase is Phase.SUCCEEDED, status.error
        assert status.output_uri is not None
        (file,) = (file for file in replicas.files() if status.output_uri == f"file://{file}")
        output = json.loads(file.read_bytes())
        assert output["done"]["details"] == {"s": TEXT, "x": {"x": [TEXT] * 5}}


async def test_a_nested_flow_waits_for_the_storage_of_its_output(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, asked, read = True, 0, StoredOutputs.read

    async def answer(self: StoredOutputs, claim: StoredOutput) -> Any:
        nonlocal asked
        asked += 1
        if away and claim.kind == ACTION_FLOW_RUNS.kind:
            raise StorageError("away")
        return await read(self, claim)

    monkeypatch.setattr(StoredOutputs, "read", answer)
    async with replicas.one() as operator:
        await begin(operator, flow_body("f", GROWN))
        await begin(operator, run_body("r", NESTED, runAs={"serviceAccountName": "runner"}))
        await operator.until(lambda: asked > 0)
        await operator.pass_time(2)
        assert "storage of its output: away" in str(children(operator))
        assert not run_of(operator).status.phase.is_terminal
        away = False
        await ended(operator, seconds=90)
        assert run_of(operator).status.phase is Phase.SUCCEEDED


async def test_a_nested_flow_whose_output_was_changed_fails_and_is_not_repeated(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(_: StoredOutputs, claim: StoredOutput) -> Any:
        raise OutputLostError(f"status.outputUri: {claim.uri} not found")

    monkeypatch.setattr(StoredOutputs, "read", lose)
    async with replicas.one() as operator:
        await begin(operator, flow_body("f", GROWN))
        retried = NESTED["In"] | {"Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 3}]}
        await begin(operator, run_body("r", {"In": retried}, runAs={"serviceAccountName": "runner"}))
        await operator.until(lambda: run_of(operator).status.phase.is_terminal)
        error = run_of(operator).status.error
        assert error is not None
        assert (error.code, len(children(operator))) == ("States.DataLimitExceeded", 1)
        assert "OutputLost" in str(error.cause)


async def test_without_a_folder_a_large_state_fails_the_run_and_names_the_setting() -> None:
    async with MemoryOperator() as operator:
        await begin(operator, run_body("r", GROWN, input={"s": TEXT}))
        error = run_of(operator).status.error
    assert error is not None
    assert error.code == "States.DataLimitExceeded"
    assert "TASKACTION_STORAGE" in error.message


async def test_an_action_that_is_too_large_for_its_object_fails_alone(replicas: Replicas) -> None:
    states = {
        "Grow": GROW | {"Parameters": {"x.=": "[s] * 20"}, "Next": "A"},
        "A": action(parameters={"all.$": "$.x"}, Catch=[{"ErrorEquals": ["ActionUnableToRun"], "Next": "Shrink"}]),
        "Shrink": {"Type": "Pass", "Parameters": {"caught": True}, "End": True},
    }
    async with replicas.one() as operator:
        await begin(operator, run_body("r", states, input={"s": TEXT}))
        await operator.until(lambda: run_of(operator).status.phase.is_terminal)
        assert run_of(operator).status.output == {"caught": True}
