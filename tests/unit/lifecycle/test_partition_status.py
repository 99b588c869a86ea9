"""The partition key is in every status that is written, and costs no write of its own."""

from support.lifecycle import NOW, observed
from taskaction.core.constants import PARTITION_KEY_CHARS
from taskaction.lifecycle.decisions import Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.lifecycle.state import CallEnded, Reconcile, Slot


def test_an_action_in_the_queue_is_not_written_for_its_key() -> None:
    facts = observed(partition_key="db")
    decision = step(facts, Reconcile(), NOW)
    assert (decision.write, decision.status) == (Write.NONE, facts.status)


def test_the_first_status_has_the_key_and_the_last_one_keeps_it() -> None:
    started = step(observed(partition_key="db"), Slot(), NOW)
    assert started.write is not Write.NONE
    assert started.status.partition_key == "db"
    ended = step(observed(partition_key="db", status=started.status), CallEnded(Succeeded()), NOW)
    assert (ended.status.phase, ended.status.partition_key) == ("Succeeded", "db")


def test_a_long_key_is_cut_to_what_the_schema_takes() -> None:
    status = step(observed(partition_key="k" * 300), Slot(), NOW).status
    assert status.partition_key is not None
    assert len(status.partition_key) == PARTITION_KEY_CHARS


def test_an_action_without_a_partition_has_no_key() -> None:
    assert step(observed(), Slot(), NOW).status.partition_key is None
