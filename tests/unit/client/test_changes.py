"""A watch may be cut at any byte and expire at any time: no change is lost, and none is returned twice."""

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction_client.changes import Change, ChangeCursor
from taskaction_client.errors import ExpiredError, UnavailableError

UIDS = ("a", "b", "c")


def body(uid: str, version: int) -> dict:
    return {
        "metadata": {"name": f"n-{uid}", "uid": uid, "resourceVersion": str(version)},
        "spec": {"text": "ä" * version},
    }


def line(kind: str, found: dict) -> bytes:
    return json.dumps({"type": kind, "object": found}, ensure_ascii=False).encode() + b"\n"


EXPIRED = line("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


@dataclass
class Server:
    """A collection with its whole history; version n is the n-th change, and bookmarks come after each third one."""

    history: list[tuple[str, dict]] = field(default_factory=list)

    def list(self) -> tuple[list[dict], str]:
        present: dict[str, dict] = {}
        for kind, found in self.history:
            uid = found["metadata"]["uid"]
            present.pop(uid, None)
            if kind != "DELETED":
                present[uid] = found
        return list(present.values()), str(len(self.history))

    def watch(self, since: str) -> bytes:
        sent = b""
        for version, (kind, found) in enumerate(self.history, start=1):
            if version > int(since):
                sent += line(kind, found)
                if version % 3 == 0:
                    sent += line("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})
        return sent


@st.composite
def histories(draw: st.DrawFn) -> Server:
    server = Server()
    alive: dict[str, int] = {}
    for number in range(1, draw(st.integers(1, 12)) + 1):
        name = draw(st.sampled_from(UIDS))
        uid = f"{name}{alive[name]}" if name in alive else f"{name}{number}"
        if name not in alive:
            alive[name] = number
            kind = "ADDED"
        else:
            kind = draw(st.sampled_from(["MODIFIED", "DELETED"]))
            if kind == "DELETED":
                del alive[name]
        server.history.append((kind, body(uid, number)))
    return server


def shown(change: Change) -> tuple[str, str, bool]:
    metadata = change.body["metadata"]
    return metadata["uid"], "" if change.deleted else metadata["resourceVersion"], change.deleted


def expected(server: Server) -> list[tuple[str, str, bool]]:
    return [shown(Change(found, deleted=kind == "DELETED")) for kind, found in server.history]


@given(histories(), st.lists(st.integers(0, 3000), max_size=8), st.integers(1, 400))
def test_any_cut_at_any_byte_loses_and_repeats_nothing(server: Server, cuts: list[int], size: int) -> None:
    cursor, seen = ChangeCursor("0"), []
    for cut in [*cuts, None]:
        assert cursor.since is not None
        sent = server.watch(cursor.since)[:cut]
        for at in range(0, len(sent), size):
            seen += [shown(change) for change in cursor.feed(sent[at : at + size])]
        cursor.disconnect()
    assert seen == expected(server)


@given(histories(), st.integers(0, 12), st.integers(0, 12))
def test_after_an_expired_watch_the_list_shows_the_present_state_once(server: Server, heard: int, more: int) -> None:
    cursor, seen = ChangeCursor("0"), []
    with pytest.raises(ExpiredError):
        seen.extend(map(shown, cursor.feed(Server(server.history[:heard]).watch("0") + EXPIRED)))
    assert seen == expected(Server(server.history[:heard]))
    cursor.expire()
    cursor.disconnect()
    assert cursor.since is None
    seen += map(shown, cursor.restart(*Server(server.history[: heard + more]).list()))
    assert cursor.since == str(min(heard + more, len(server.history)))
    seen += map(shown, cursor.feed(server.watch(cursor.since)))
    assert len(set(seen)) == len(seen)
    last = {uid: version for uid, version, _ in seen}
    present = {found["metadata"]["uid"]: found["metadata"]["resourceVersion"] for found in server.list()[0]}
    assert {uid: version for uid, version in last.items() if version} == present


def test_changes_before_an_error_in_the_same_bytes_are_returned_first() -> None:
    cursor, seen = ChangeCursor("0"), []
    feed = cursor.feed(line("ADDED", body("a", 1)) + EXPIRED)
    with pytest.raises(ExpiredError):
        seen.extend(feed)
    assert [shown(change) for change in seen] == [("a", "1", False)]
    assert cursor.since == "1"


@pytest.mark.parametrize(
    "text", [b"<html>502</html>\n", b'{"type":"ADDED"}\n', b"[1]\n", b'{"type":"ADDED","object":{}}\n']
)
def test_what_is_no_event_ends_the_watch(text: bytes) -> None:
    with pytest.raises(UnavailableError, match="no event"):
        list(ChangeCursor("0").feed(text))


def test_an_object_that_the_caller_knows_is_not_returned_again() -> None:
    cursor = ChangeCursor(None, [body("a", 1), body("b", 2)])
    changes = [shown(change) for change in cursor.restart([body("a", 1), body("c", 3)], "3")]
    assert changes == [("b", "", True), ("c", "3", False)]
