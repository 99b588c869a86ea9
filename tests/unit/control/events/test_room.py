"""Room for waiting events: a namespace that fills it keeps nobody else out."""

from hypothesis import given
from hypothesis import strategies as st

from support.records import START
from taskaction.control.events.matching import WaitingEvent
from taskaction.control.events.room import EventRoom


def event(namespace: str, size: int = 10) -> WaitingEvent:
    return WaitingEvent(
        uid="e",
        name="e",
        namespace=namespace,
        target=None,
        key="k",
        scope=None,
        type="Notification",
        payload=b"x" * size,
        sender=None,
        received_at=START,
        expires_at=START,
    )


def fill(room: EventRoom, namespace: str, size: int = 10) -> int:
    """Add events until there is no room; return their number."""
    count = 0
    while room.has_room(one := event(namespace, size)):
        room.add(one)
        count += 1
    return count


def test_one_namespace_may_use_everything_and_others_still_get_their_shares() -> None:
    room = EventRoom(events=100, payload_bytes=1_000_000)
    assert fill(room, "busy") == 100
    assert fill(room, "other") == 50
    assert fill(room, "third") == 33
    assert fill(room, "busy") == 0


def test_bytes_are_shared_like_events() -> None:
    room = EventRoom(events=1_000, payload_bytes=1_000)
    assert fill(room, "busy", 100) == 10
    assert fill(room, "other", 100) == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), max_size=100))
def test_what_leaves_makes_room_again(events: list[tuple[str, int]]) -> None:
    room, kept = EventRoom(events=20, payload_bytes=400), []
    for namespace, size in events:
        if room.has_room(one := event(namespace, size)):
            room.add(one)
            kept.append(one)
    assert len(kept) <= 40
    for one in kept:
        room.remove(one)
    assert fill(room, "d", 20) == 20
