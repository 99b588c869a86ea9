"""The keys of attempts: unlike between namespaces, uids and inline calls, and the same over an upgrade."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.lifecycle import NOW
from taskaction.api.enums import Phase
from taskaction.api.task_action import Attempt, TaskActionSpec, TaskActionStatus
from taskaction.lifecycle.idempotency import attempt_key, current_key, inline_key, key_base

DNS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
KEYS = st.text(st.sampled_from("ab01-:/"), min_size=1, max_size=12)


def spec(key: str | None) -> TaskActionSpec:
    return TaskActionSpec(executor="http", idempotency_key=key)


def running(number: int, key: str | None) -> TaskActionStatus:
    attempt = Attempt(number=number, phase=Phase.RUNNING, started_at=NOW, idempotency_key=key)
    return TaskActionStatus(phase=Phase.RUNNING, attempt=number, attempts=(attempt,))


@given(
    first=st.tuples(DNS, KEYS), second=st.tuples(DNS, KEYS), uid=DNS, visit=st.from_regex(r"[0-9./]+", fullmatch=True)
)
def test_no_two_owners_have_the_same_key(first: tuple[str, str], second: tuple[str, str], uid: str, visit: str) -> None:
    new = TaskActionStatus(phase=Phase.QUEUED)
    keys = {
        ("action", *first): current_key(first[0], "uid-1", spec(first[1]), new),
        ("action", *second): current_key(second[0], "uid-2", spec(second[1]), new),
        ("uid", uid): current_key(first[0], uid, spec(None), new),
        ("inline", uid, visit): inline_key(uid, visit),
    }
    assert all(one != other for one, other in combinations(keys.values(), 2))


@pytest.mark.parametrize(
    ("key", "status", "found"),
    [
        ("deploy", TaskActionStatus(phase=Phase.QUEUED), "team:deploy-1"),
        ("deploy", running(2, "team:deploy-2"), "team:deploy-2"),
        ("deploy", running(2, None), "deploy-2"),
        (None, running(2, None), "uid-1-2"),
    ],
    ids=["before the start", "recorded", "started by an earlier version", "by the uid"],
)
def test_an_attempt_keeps_its_key(key: str | None, status: TaskActionStatus, found: str) -> None:
    assert current_key("team", "uid-1", spec(key), status) == found


def test_only_a_key_that_users_chose_is_recorded() -> None:
    assert attempt_key(key_base("team", spec("deploy")), 3) == "team:deploy-3"
    assert attempt_key(key_base("team", spec(None)), 3) is None
