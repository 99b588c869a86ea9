"""Following: what the watch says of the objects of live actions is kept, once it is news, and never asked for."""

import copy
from typing import Any

import pytest

from support.records import NAMESPACE, body, recorded
from support.work_requests import OwnedShards, no_requests, taken
from taskaction.cluster.gateway import JOBS, PODS, Body
from taskaction.control.objects.tables import ActionTable
from taskaction.control.task_actions.followed import ChildObjectCache

UID = "uid-of-one"
OWNED = [{"kind": "TaskAction", "uid": UID}]
OF_A_JOB = [{"kind": "Job", "uid": "uid-of-a-job"}]


class House:
    """A table with one live action, and whose changes were told."""

    def __init__(self) -> None:
        self.table = ActionTable()
        self.table.add(recorded(body("one", uid=UID)))
        self.tenures, self.requests, self.told = OwnedShards(), no_requests(), 0
        self.followed = ChildObjectCache(self.table, self.tenures, self.requests)

    def notice(self, found: Body, event: str | None = "MODIFIED") -> None:
        self.followed.on_notification(found["kind"], event, copy.deepcopy(found))
        polled = taken(self.requests.polls)
        assert set(polled) <= {UID}
        self.told += len(polled)


@pytest.fixture
def house() -> House:
    return House()


def pod(name: str = "p", uid: str = UID, owners: Any = OWNED, phase: str = "Running", kind: str = "Pod") -> Body:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"taskaction.dev/uid": uid}, "ownerReferences": owners}
    return {"kind": kind, "metadata": metadata, "spec": {"containers": []}, "status": {"phase": phase}}


def without_spec(found: Body) -> Body:
    return {name: part for name, part in found.items() if name != "spec"}


# -- news --------------------------------------------------------------------------------------------------------------


def test_a_change_is_told_and_is_news_once(house) -> None:
    house.notice(pod())
    assert house.told == 1
    assert house.followed.take_change(PODS, UID, "p") == without_spec(pod())
    assert house.followed.take_change(PODS, UID, "p") is None


def test_an_object_of_another_namespace_says_nothing_whatever_its_labels(house) -> None:
    forged = pod()
    forged["metadata"]["namespace"] = "elsewhere"
    house.notice(forged)
    assert house.told == 0
    assert house.followed.take_change(PODS, UID, "p") is None
    assert house.followed.list_observed(PODS, UID) == []


def test_what_was_not_noticed_is_no_news(house) -> None:
    assert house.followed.take_change(PODS, UID, "p") is None
    house.notice(pod())
    assert house.followed.take_change(PODS, UID, "another") is None
    assert house.followed.take_change(PODS, "uid-of-another", "p") is None
    assert house.followed.take_change(JOBS, UID, "p") is None


def test_of_several_changes_the_last_is_news_and_one_is_told(house) -> None:
    for phase in ("Pending", "Running", "Succeeded"):
        house.notice(pod(phase=phase))
    assert house.told == 1
    news = house.followed.take_change(PODS, UID, "p")
    assert news is not None
    assert news["status"]["phase"] == "Succeeded"


def test_a_change_after_the_news_was_taken_is_told_again(house) -> None:
    house.notice(pod())
    house.followed.take_change(PODS, UID, "p")
    house.notice(pod(phase="Succeeded"))
    assert house.told == 2
    assert house.followed.take_change(PODS, UID, "p") is not None


def test_what_is_gone_is_told_and_is_no_news(house) -> None:
    house.notice(pod())
    house.followed.take_change(PODS, UID, "p")
    house.notice(pod(), "DELETED")
    assert house.told == 2
    assert house.followed.take_change(PODS, UID, "p") is None
    assert house.followed.list_observed(PODS, UID) == []


def test_what_is_gone_before_it_was_looked_at_is_no_news_any_more(house) -> None:
    house.notice(pod())
    house.notice(pod(), "DELETED")
    assert house.followed.take_change(PODS, UID, "p") is None


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
@pytest.mark.parametrize("owners", [OWNED, OF_A_JOB], ids=["own", "of a Job"])
def test_a_pod_that_had_ended_before_it_was_deleted_counts_as_it_was(house, owners, phase) -> None:
    house.notice(pod(owners=owners))
    house.notice(pod(owners=owners, phase=phase), "DELETED")
    assert house.followed.list_observed(PODS, UID) == [without_spec(pod(owners=owners, phase=phase))]
    house.notice(pod(phase=phase), "DELETED")
    assert house.followed.take_change(PODS, UID, "p") == without_spec(pod(phase=phase))


@pytest.mark.parametrize(("uid", "since"), [("u", "12:00:50Z"), ("u2", "12:00:25Z")], ids=["again", "of a new pod"])
def test_of_repeated_deletions_of_a_pod_the_first_counts(house, uid, since) -> None:
    for name, until, grace in [("u", "12:00:50Z", 30), (uid, "12:00:25Z", 0)]:
        found = pod(phase="Failed")
        found["metadata"] |= {"uid": name, "deletionTimestamp": until, "deletionGracePeriodSeconds": grace}
        house.notice(found)
    (kept,) = house.followed.list_observed(PODS, UID)
    assert kept["metadata"]["deletionTimestamp"] == since


@pytest.mark.parametrize("event", [None, "ADDED", "MODIFIED"])
def test_a_listing_is_as_good_as_a_change(house, event) -> None:
    house.notice(pod(), event)
    assert house.told == 1
    assert house.followed.list_observed(PODS, UID) == [without_spec(pod())]


# -- whose -------------------------------------------------------------------------------------------------------------


def test_objects_of_actions_that_are_not_live_here_are_let_be(house) -> None:
    for other in (pod(uid="uid-of-another"), {"kind": "Pod", "metadata": {"name": "p"}}):
        house.notice(other)
    house.tenures.mine = set()
    house.notice(pod())
    assert house.told == len(house.followed) == 0


def test_how_a_jobs_pods_end_is_seen_and_told_by_their_job_only(house) -> None:
    house.notice(pod(owners=OF_A_JOB, phase="Succeeded"))
    assert house.told == 0
    assert [found["metadata"]["name"] for found in house.followed.list_observed(PODS, UID)] == ["p"]


def test_what_becomes_of_a_jobs_pod_that_does_not_start_is_told_each_time_after_a_look(house) -> None:
    for told in (1, 2):
        house.notice(pod(owners=OF_A_JOB, phase="Pending"))
        assert house.told == told
        house.followed.list_observed(PODS, UID)


def test_pods_and_jobs_of_one_name_are_two_things(house) -> None:
    house.notice(pod())
    house.notice(pod(kind="Job"))
    assert len(house.followed.list_observed(PODS, UID)) == len(house.followed.list_observed(JOBS, UID)) == 1
    house.notice(pod(kind="Job"), "DELETED")
    assert (len(house.followed.list_observed(PODS, UID)), house.followed.list_observed(JOBS, UID)) == (1, [])


# -- how much ----------------------------------------------------------------------------------------------------------


def test_of_a_crowd_of_pods_the_latest_are_kept(house) -> None:
    for number in range(100):
        house.notice(pod(f"p{number}", owners=OF_A_JOB))
    house.notice(pod("p40", owners=OF_A_JOB))
    kept = [found["metadata"]["name"] for found in house.followed.list_observed(PODS, UID)]
    assert len(kept) == 64
    assert kept[-2:] == ["p99", "p40"]
    assert house.followed.take_change(PODS, UID, "p0") is None


def test_nothing_is_left_of_an_action_that_is_forgotten(house) -> None:
    house.notice(pod())
    house.followed.forget(UID)
    assert len(house.followed) == 0
    assert house.followed.take_change(PODS, UID, "p") is None
    assert house.followed.list_observed(PODS, UID) == []
    house.followed.forget(UID)


def test_of_a_spec_only_the_sidecars_are_kept(house) -> None:
    sidecar = {"name": "proxy", "restartPolicy": "Always"}
    house.notice(pod())
    house.notice(pod("q") | {"spec": {"containers": [], "initContainers": [{"name": "a"}, sidecar | {"image": "b"}]}})
    assert [found.get("spec") for found in house.followed.list_observed(PODS, UID)] == [
        None,
        {"initContainers": [sidecar]},
    ]
