"""The time of the API server is what prompt responses about Leases say in their `Date`."""

from typing import Any, cast

import pytest

from taskaction.cluster.rest import RestCluster

DATE = "Thu, 01 Jan 2026 12:00:00 GMT"
WALL = 1767268800.5
"""The middle of the second that the header names."""


@pytest.mark.parametrize(
    ("date", "seconds", "known"),
    [(DATE, 0.01, True), (DATE, 2.0, True), (DATE, 4.0, False), (None, 0.01, False), ("soon", 0.01, False)],
    ids=["prompt", "slow", "too slow", "no header", "no date"],
)
def test_e05_the_time_of_the_api_server_is_known_from_prompt_responses(date, seconds, known) -> None:
    cluster = RestCluster("https://host", cast("Any", None), cast("Any", None), lambda _: None)
    cluster._note_time(date, seconds)

    assert (cluster.server_time is not None) is known
    assert cluster.server_time is None or cluster.server_time.wall == WALL
