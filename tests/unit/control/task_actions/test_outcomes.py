"""What of a result can be recorded: an output beyond the limit is never lost silently, nor its effect repeated."""

from dataclasses import replace

import orjson
import pytest

from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.control.objects.outputs import OutputStore
from taskaction.control.task_actions.outcomes import to_outcome
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES, FLOW_STORED_LIMIT_BYTES, OUTPUT_LIMIT_BYTES
from taskaction.lifecycle.outcomes import Failed, OutputReference, Paused, Pending, Succeeded
from taskaction.lifecycle.statuses import has_whole_result
from taskaction.plugin.storage import ProjectStorage
from taskaction.plugin.stored_outputs import OutputLostError, StoredOutput, StoredOutputs

BARE = OutputStore(ProjectStorage(None), max_bytes=OUTPUT_LIMIT_BYTES)
STORED = OutputStore(ProjectStorage("file:///nowhere/"), max_bytes=1024)


def text_of(size: int) -> str:
    """Return a text whose JSON has that many bytes."""
    return "x" * (size - 2)


@pytest.mark.parametrize(
    ("store", "of_run", "size"),
    [
        (BARE, False, OUTPUT_LIMIT_BYTES),
        (BARE, True, FLOW_STATE_LIMIT_BYTES),
        (OutputStore(ProjectStorage(None), max_bytes=1024), False, 1024),
        (OutputStore(ProjectStorage(None), max_bytes=1024), True, FLOW_STATE_LIMIT_BYTES),
        (STORED, False, FLOW_STORED_LIMIT_BYTES),
    ],
    ids=["own", "of a run", "own, as set", "of a run, as set", "with a storage"],
)
def test_the_limit_of_an_output_depends_on_who_reads_it_and_on_the_storage(
    store: OutputStore, of_run: bool, size: int
) -> None:
    limit = store.limit(of_run=of_run)
    fits = Succeeded(output=text_of(size))
    assert to_outcome(fits, limit) is fits
    refused = to_outcome(Succeeded(output=text_of(size + 1)), limit, "their-id")
    assert isinstance(refused, Failed)
    assert (refused.code, refused.retry_class, refused.external_id) == (Reason.OUTPUT_TOO_LARGE, None, "their-id")
    assert refused.output_at == OutputReference(size=size + 1)
    for part in (f"{size} bytes", f"{size + 1} bytes", "'their-id'"):
        assert part in refused.message


def test_a_failure_keeps_its_own_code_and_says_what_is_left_out() -> None:
    failed = Failed(code="Broken", message="no luck", output=text_of(OUTPUT_LIMIT_BYTES + 1), external_id="their-id")
    found = to_outcome(failed, BARE.limit(of_run=False))
    assert isinstance(found, Failed)
    assert (found.code, found.retry_class, found.output) == ("Broken", failed.retry_class, None)
    assert found.message.startswith("no luck (")
    assert found.output_at == OutputReference(size=OUTPUT_LIMIT_BYTES + 1)


@pytest.mark.parametrize(
    ("fields", "whole"),
    [
        ({}, True),
        ({"output": 1}, True),
        ({"output_size": 9, "output_uri": "s3://b/f"}, True),
        ({"output_size": 9}, False),
        ({"reason": Reason.INVALID_OUTPUT}, False),
    ],
)
def test_a_target_is_released_only_if_its_whole_result_is_recorded(fields: dict[str, object], whole: bool) -> None:
    assert has_whole_result(TaskActionStatus(phase=Phase.FAILED).model_copy(update=fields)) is whole


@pytest.fixture
def storage(tmp_path) -> ProjectStorage:
    return ProjectStorage(f"file://{tmp_path}/")


@pytest.fixture
def store(storage) -> OutputStore:
    return OutputStore(storage, max_bytes=OUTPUT_LIMIT_BYTES)


def claim_of(stored: OutputReference, namespace: str = "team", uid: str = "uid-1") -> StoredOutput:
    """Return what the status of an action says of a stored output."""
    assert stored.uri is not None
    return StoredOutput(kind=TASK_ACTIONS.kind, namespace=namespace, uid=uid, uri=stored.uri, digest=stored.digest)


async def test_a_repeated_write_changes_nothing_and_other_content_replaces_nothing(store, storage, tmp_path) -> None:
    first = await store.write("team", "uid-1", 1, b'"one"')
    assert await store.write("team", "uid-1", 1, b'"one"') == first
    await store.write("team", "uid-1", 1, b'"two"')
    assert await StoredOutputs(storage).read(claim_of(first)) == "one"
    assert len(list(tmp_path.rglob("*.json"))) == 2
    await store.clear("team", "uid-1")
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize(("namespace", "uid"), [("rival", "uid-1"), ("team", "uid-2"), ("team", "uid")])
async def test_a_file_of_another_object_is_not_read(store, storage, namespace, uid) -> None:
    theirs = await store.write("team", "uid-1", 1, orjson.dumps("theirs"))
    with pytest.raises(OutputLostError, match="is not the address of a file of this object"):
        await StoredOutputs(storage).read(claim_of(theirs, namespace, uid))


@pytest.mark.parametrize(
    "store", [BARE, OutputStore(ProjectStorage("file:///nowhere/"), max_bytes=1024)], ids=["bare", "stored"]
)
@pytest.mark.parametrize(
    "output", [text_of(OUTPUT_LIMIT_BYTES + 1), object(), {1: 2}], ids=["large", "no JSON", "keys"]
)
def test_what_cannot_be_recorded_of_work_that_continues_ends_nothing(store: OutputStore, output: object) -> None:
    for outcome in (Pending(poll_after=1, output=output), Paused(message="", output=output)):
        found = to_outcome(outcome, store.limit(of_run=True))
        assert found == replace(outcome, output=None)


def test_what_the_target_says_of_work_that_continues_is_recorded() -> None:
    outcome = Pending(poll_after=1, output=text_of(OUTPUT_LIMIT_BYTES))
    assert to_outcome(outcome, BARE.limit(of_run=False)) is outcome
