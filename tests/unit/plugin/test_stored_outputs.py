"""A status can name any file; the one that is read is the file of its object, with the content that was written."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS
from taskaction.plugin.storage import STORAGE_SETTING, ProjectStorage, StorageError, fingerprint
from taskaction.plugin.stored_outputs import OutputLostError, StoredOutput, StoredOutputs, find_stored_output

ACTION, RUN = TASK_ACTIONS.kind, ACTION_FLOW_RUNS.kind
OUTPUT = {"text": "x" * 100}
CONTENT = orjson.dumps(OUTPUT)
DIGEST = fingerprint(CONTENT)
MINE = "team-a/uid-1"
OTHERS = "team-b/uid-2"
SECRET = b'"of team-b"'


class Shelf:
    """A storage with an output of an action and of a run of team-a, and one of an action of team-b."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "storage"
        self.put(f"{MINE}/1-{DIGEST}.json", CONTENT)
        self.put(f"{MINE}/{DIGEST}.json", CONTENT)
        self.put(f"{OTHERS}/1-{fingerprint(SECRET)}.json", SECRET)
        self.reader = StoredOutputs(ProjectStorage(f"file://{self.root}/"))

    def put(self, name: str, content: bytes) -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"file://{path}"

    def claim(self, name: str, kind: str = ACTION, digest: str | None = f"sha256:{DIGEST}") -> StoredOutput:
        return StoredOutput(kind=kind, namespace="team-a", uid="uid-1", uri=f"file://{self.root}/{name}", digest=digest)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


async def test_an_output_of_an_action_and_of_a_run_is_read(shelf: Shelf) -> None:
    assert await shelf.reader.read(shelf.claim(f"{MINE}/1-{DIGEST}.json")) == OUTPUT
    assert await shelf.reader.read(shelf.claim(f"{MINE}/{DIGEST}.json", RUN, None)) == OUTPUT


FORGED = {
    "of another namespace": f"{OTHERS}/1-{fingerprint(SECRET)}.json",
    "by dots": f"{MINE}/../../{OTHERS}/1-{fingerprint(SECRET)}.json",
    "by dots behind its own folder": f"../../{MINE}/../../x/{MINE}/1-{DIGEST}.json",
    "with another name": f"{MINE}/state.json",
    "without an attempt": f"{MINE}/{DIGEST}.json",
    "below its folder": f"{MINE}/sub/1-{DIGEST}.json",
    "with a chained protocol": f"{MINE}/1-{DIGEST}.json::file:///etc/passwd",
    "its folder": f"{MINE}/",
}


@pytest.mark.parametrize("name", FORGED.values(), ids=FORGED)
async def test_no_other_file_is_read(shelf: Shelf, name: str) -> None:
    with pytest.raises((OutputLostError, StorageError)) as refused:
        await shelf.reader.read(shelf.claim(name, digest=f"sha256:{fingerprint(SECRET)}"))
    assert "of team-b" not in str(refused.value)


@given(st.text(max_size=40), st.sampled_from([ACTION, RUN]))
def test_only_a_folder_and_the_own_path_are_an_address(text: str, kind: str) -> None:
    claim = StoredOutput(kind=kind, namespace="team-a", uid="uid-1", uri=text)
    assert claim.folder == ""
    name = f"7-{DIGEST}.json" if kind == ACTION else f"{DIGEST}.json"
    assert replace(claim, uri=f"s3://bucket/{MINE}/{name}").folder == "s3://bucket/"
    assert replace(claim, uri=f"s3://bucket/{MINE}/{name}{text or ' '}").folder == ""


@pytest.mark.parametrize("folder", [None, "file:///elsewhere/"])
async def test_another_folder_is_never_opened_and_the_setting_is_named(shelf: Shelf, folder: str | None) -> None:
    reader = StoredOutputs(ProjectStorage(folder))
    with pytest.raises(StorageError, match=f"set {STORAGE_SETTING} to file://{shelf.root}/"):
        await reader.read(shelf.claim(f"{MINE}/1-{DIGEST}.json"))


SPOILT: dict[str, tuple[bytes | None, str]] = {
    "gone": (None, "not found"),
    "changed": (CONTENT + b" ", "was changed"),
}


@pytest.mark.parametrize(("content", "problem"), SPOILT.values(), ids=SPOILT)
async def test_what_is_not_as_it_was_written_is_lost(shelf: Shelf, content: bytes | None, problem: str) -> None:
    name = f"{MINE}/1-{DIGEST}.json"
    (shelf.root / name).unlink()
    if content is not None:
        shelf.put(name, content)
    claim = shelf.claim(name)
    with pytest.raises(OutputLostError, match=problem):
        await shelf.reader.read(claim)


PLANTED = {
    "not JSON": (b"\xff", "not valid JSON"),
    "an endless list": (b"[" * 5000, "not valid JSON"),
    "a deep list": (b"[" * 500 + b"]" * 500, "nested more than"),
}


@pytest.mark.parametrize(("content", "problem"), PLANTED.values(), ids=PLANTED)
async def test_content_that_no_operator_wrote_is_refused(shelf: Shelf, content: bytes, problem: str) -> None:
    digest = fingerprint(content)
    shelf.put(f"{MINE}/1-{digest}.json", content)
    with pytest.raises(OutputLostError, match=problem):
        await shelf.reader.read(shelf.claim(f"{MINE}/1-{digest}.json", digest=f"sha256:{digest}"))


async def test_a_digest_of_the_status_that_is_not_that_of_the_file_is_refused(shelf: Shelf) -> None:
    with pytest.raises(OutputLostError, match="outputDigest"):
        await shelf.reader.read(shelf.claim(f"{MINE}/1-{DIGEST}.json", digest="sha256:" + "0" * 64))


@pytest.mark.parametrize("linked", ["team-a/uid-1", "team-a", f"{MINE}/1-{fingerprint(SECRET)}.json"])
async def test_a_link_to_another_namespace_leads_nowhere(tmp_path: Path, linked: str) -> None:
    shelf = Shelf(tmp_path)
    link = shelf.root / linked
    if link.exists():
        link.rename(tmp_path / "aside")
    parts = OTHERS if linked == MINE else linked.replace("team-a", "team-b").replace("uid-1", "uid-2")
    link.symlink_to(shelf.root / parts)
    (shelf.root / "team-b" / "uid-1").symlink_to(shelf.root / OTHERS)
    claim = shelf.claim(f"{MINE}/1-{fingerprint(SECRET)}.json", digest=f"sha256:{fingerprint(SECRET)}")
    with pytest.raises(StorageError, match="leads out of its folder"):
        await shelf.reader.read(claim)


def body(kind: str, **status: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"namespace": "team-a", "uid": "uid-1"}, "status": status}


PLACES = {
    "in the status": (ACTION, {"output": 1}, False),
    "no output": (RUN, {}, False),
    "a place of the executor's": (ACTION, {"outputUri": "s3://flyte/a0/1"}, False),
    "stored, of an action": (ACTION, {"outputUri": "s3://x", "outputDigest": "sha256:0", "outputSize": 7}, True),
    "stored, of a run": (RUN, {"outputUri": "s3://x"}, True),
}


@pytest.mark.parametrize(("kind", "status", "is_stored"), PLACES.values(), ids=PLACES)
def test_where_an_output_is_follows_from_the_status(kind: str, status: dict[str, Any], is_stored: bool) -> None:
    found = find_stored_output(kind, body(kind, **json.loads(json.dumps(status))))
    assert (found is not None) == is_stored
    if found is not None:
        assert (found.uri, found.size) == ("s3://x", status.get("outputSize"))
    assert find_stored_output(kind, {"metadata": {}}) is None
