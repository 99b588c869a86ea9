"""Only the end of what this process finishes itself is kept from kopf, and never anything else."""

import json

import pytest

from taskaction.handlers.own_writes import OwnWriteFilter


def line(kind: str, uid: str, **more: object) -> bytes:
    event = {"type": kind, "object": {"kind": "TaskAction", "metadata": {"uid": uid, **more}}}
    return json.dumps(event, separators=(",", ":")).encode()


def test_the_end_of_an_own_action_is_an_echo() -> None:
    assert OwnWriteFilter({"mine"}.__contains__).is_echo(line("DELETED", "mine"))


@pytest.mark.parametrize(
    "event",
    [
        line("DELETED", "others"),
        line("ADDED", "mine"),
        line("MODIFIED", "mine"),
        b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}',
        b'{"type":"ERROR","object":{"kind":"Status","code":410}}',
        line("MODIFIED", "mine", name='{"type":"DELETED",'),
        line("DELETED", "mine", ownerReferences=[{"kind": "ActionSchedule", "uid": "s"}]),
        b"",
    ],
    ids=[
        "another's end",
        "a new object",
        "a change",
        "a bookmark",
        "an error",
        "a lying name",
        "a schedule's",
        "an empty line",
    ],
)
def test_everything_else_is_news(event: bytes) -> None:
    assert not OwnWriteFilter({"mine"}.__contains__).is_echo(event)


def test_what_ends_later_is_an_echo_from_then_on() -> None:
    ended: set[str] = set()
    echoes = OwnWriteFilter(ended.__contains__)
    assert not echoes.is_echo(line("DELETED", "mine"))
    ended.add("mine")
    assert echoes.is_echo(line("DELETED", "mine"))
