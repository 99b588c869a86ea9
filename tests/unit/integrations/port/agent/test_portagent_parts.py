"""The buffer, the Lease and the settings of the agent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fake_cluster import FakeCluster
from taskaction.cluster.gateway import LEASES
from taskaction.core.errors import ConfigurationError
from taskaction.integrations.port.agent.buffer import BufferedRun, RunBuffer
from taskaction.integrations.port.agent.client import parse_retry_after
from taskaction.integrations.port.agent.leadership import Leadership
from taskaction.integrations.port.agent.mapping import Target
from taskaction.integrations.port.agent.runs import PortRunKind
from taskaction.integrations.port.agent.settings import PortAgentConfig
from taskaction.testing.clock import FakeClock

RUNS = st.builds(BufferedRun, st.tuples(st.sampled_from(PortRunKind), st.sampled_from("ab")), started=st.booleans())
STEPS = st.lists(
    st.tuples(st.sampled_from(["claim", "list", "drop"]), st.sampled_from("123456789"), RUNS),
    max_size=60,
)


@given(steps=STEPS, watermark=st.integers(1, 8), share=st.integers(1, 100), limit=st.integers(1, 8))
def test_ocean_d14_r39_claims_never_exceed_watermark_and_share_of_queued_runs(
    steps: list[Any], watermark: int, share: int, limit: int
) -> None:
    buffer = RunBuffer(watermark=watermark, share_per_action=share, max_started=limit)
    cap = max(1, watermark * share // 100)
    held: dict[str, BufferedRun] = {}
    for step, name, run in steps:
        queued = [one.bucket for one in held.values() if not one.started]
        started = len(held) - len(queued)
        assert (len(buffer), buffer.queued, buffer.started) == (len(held), len(queued), started)
        assert buffer.is_at_limit == (started >= limit)
        assert buffer.room == (0 if started >= limit else max(0, watermark - len(queued)))
        for bucket in {one.bucket for one in held.values()}:
            assert (bucket[1] in buffer.full_buckets(bucket[0])) == (queued.count(bucket) >= cap)
        if step == "drop":
            buffer.drop(name)
            held.pop(name, None)
        elif step == "list":  # the operator starts, ends and queues again as it likes
            buffer.add(name, run)
            held[name] = run
        else:
            fits = started < limit and len(queued) < watermark and queued.count(run.bucket) < cap
            assert buffer.accepts(name, run.bucket) == (fits or name in held)


def test_what_was_added_while_a_list_was_made_is_kept() -> None:
    buffer = RunBuffer(watermark=10, share_per_action=100, max_started=10)
    run = BufferedRun((PortRunKind.ACTION, "a"))
    buffer.add("old", run)
    mark = buffer.begin_list()
    buffer.add("new", run)
    buffer.apply_list({"found": run}, mark)
    assert ["old" in buffer, "new" in buffer, "found" in buffer] == [False, True, True]
    buffer.apply_list({"found": run}, buffer.begin_list())
    assert len(buffer) == 1


def leadership(cluster: FakeCluster, clock: FakeClock, identity: str) -> Leadership:
    return Leadership(cluster, clock, namespace="n", installation="a", identity=identity, duration=15)


async def test_one_agent_works_and_another_takes_over_when_it_is_silent() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    first, second = leadership(cluster, clock, "a"), leadership(cluster, clock, "b")
    await first.acquire_or_renew()
    await second.acquire_or_renew()
    assert (first.is_leader, second.is_leader, second.holder) == (True, False, "a")
    await clock.advance(9)
    await first.acquire_or_renew()
    await clock.advance(9)
    await second.acquire_or_renew()
    assert (first.is_leader, second.is_leader) == (True, False)
    await clock.advance(14)
    await second.acquire_or_renew()
    assert (first.is_leader, second.is_leader) == (False, False)
    await clock.advance(2)
    await second.acquire_or_renew()
    assert (first.is_leader, second.is_leader) == (False, True)
    await first.acquire_or_renew()
    assert (first.is_leader, first.holder) == (False, "b")
    lease = next(body for (plural, _, _), body in cluster.objects.items() if plural == LEASES.plural)
    assert lease["spec"]["leaseTransitions"] == 2


async def test_a_lease_that_was_given_back_is_taken_at_once() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    first, second = leadership(cluster, clock, "a"), leadership(cluster, clock, "b")
    await first.acquire_or_renew()
    await first.release()
    await second.acquire_or_renew()
    assert (first.is_leader, second.is_leader) == (False, True)


PREFIX = "TASKACTION_PORT_AGENT_"
REQUIRED = {
    f"{PREFIX}CLIENT_ID": "id",
    f"{PREFIX}CLIENT_SECRET": "hush",
    f"{PREFIX}INSTALLATION_ID": "a",
    f"{PREFIX}NAMESPACE": "n",
}


def test_settings_are_read_from_the_environment() -> None:
    config = PortAgentConfig.from_environment(
        REQUIRED
        | {
            f"{PREFIX}BASE_URL": "https://api.us.getport.io/v1/",
            f"{PREFIX}MAPPING": '{"deploy": {"provider": "ci"}}',
            f"{PREFIX}RUN_KINDS": "action",
            f"{PREFIX}VISIBILITY_TIMEOUT_MS": "60000",
            "TASKACTION_NAMESPACE": "the operator's",
        }
    )
    assert config.base_url == "https://api.us.getport.io"
    assert config.mapping == {"deploy": Target(provider="ci")}
    assert config.run_kinds == (PortRunKind.ACTION,)
    assert (config.visibility_timeout_ms, config.namespace) == (60_000, "n")


def test_the_seeds_settings_have_the_seeds_defaults() -> None:
    config = PortAgentConfig.from_environment(REQUIRED)
    assert config.runs_buffer_high_watermark == 1000
    assert config.poll_check_interval_seconds == pytest.approx(5)
    assert config.visibility_timeout_ms == 30_000
    assert config.max_wait_seconds_before_shutdown == pytest.approx(30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIENT_SECRET", ""),
        ("CLIENT_ID", ""),
        ("BASE_URL", "api.getport.io"),
        ("BASE_URL", "https://user:pass@api.getport.io"),
        ("RUN_KINDS", "actions"),
        ("RUN_KINDS", ""),
        ("MAPPING", '{"a": {}}'),
        ("RUNS_BUFFER_HIGH_WATERMARK", "0"),
        ("MAX_RUNS_BUFFER_UTIL_PCT_PER_ACTION", "101"),
        ("VISIBILITY_TIMEOUT_MS", "1"),
    ],
)
def test_a_wrong_setting_is_named_and_the_secret_is_not_told(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        PortAgentConfig.from_environment(REQUIRED | {PREFIX + name: value})
    assert PREFIX + name in str(refused.value)
    assert "hush" not in str(refused.value)


def test_the_secret_is_in_nothing_that_is_printed() -> None:
    assert "hush" not in repr(PortAgentConfig.from_environment(REQUIRED))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, 0), ("7", 7), ("soon", 0), ("Thu, 01 Jan 2026 12:00:30 GMT", 30), ("Thu, 01 Jan 2020 12:00:00 GMT", 0)],
)
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float) -> None:
    assert parse_retry_after(text, FakeClock().now()) == pytest.approx(seconds)
