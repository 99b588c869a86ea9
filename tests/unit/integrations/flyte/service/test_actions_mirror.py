"""What the Actions service knows of actions, and what watches are told, whatever order the news come in."""

from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.core.constants import ORIGIN_ANNOTATION
from taskaction.integrations.flyte.service.action_cache import ActionCache, CachedAction
from taskaction.integrations.flyte.service.naming import object_name
from taskaction.integrations.flyte.service.places import ActionKey
from taskaction.integrations.flyte.service.traces import trace_of

NAMESPACE = "flyte"
PARENT = ActionKey(NAMESPACE, "parent")


def body(name: str, version: int, phase: str = "Running", uid: str | None = None, **spec: object) -> dict:
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "annotations": {ORIGIN_ANNOTATION: f"uid-parent/{name}"},
        },
        "spec": {"executor": "noop", "parentRef": {"name": "parent", "uid": "uid-parent"}, **spec},
        "status": {"phase": phase},
    }


def test_a_slow_watch_gets_the_newest_state_of_each_child_and_nothing_twice():
    mirror = ActionCache()
    slow = mirror.subscribe(PARENT)
    for version, phase in enumerate(("Queued", "Running", "Succeeded"), start=1):
        for name in ("one", "two"):
            mirror.store_object(body(name, version, phase))
    assert [(known.place.name, known.phase) for known in slow.take(10)] == [("one", "Succeeded"), ("two", "Succeeded")]
    assert slow.take(10) == []


def test_old_news_change_nothing():
    mirror = ActionCache()
    mirror.store_object(body("one", 7, "Succeeded"))
    watch = mirror.subscribe(PARENT)
    mirror.store_object(body("one", 6, "Running"))
    assert watch.take(10) == []
    assert [known.phase for known in mirror.children(PARENT)] == ["Succeeded"]


def test_the_echo_of_an_own_write_is_not_read_again(monkeypatch: pytest.MonkeyPatch):
    mirror = ActionCache()
    written = body("one", 7)
    mirror.store_object(written)
    monkeypatch.setattr(CachedAction, "of", read := Mock(wraps=CachedAction.of))
    mirror.store_object(written)
    assert read.call_count == 0
    mirror.store_object(body("one", 8, "Succeeded"))
    assert read.call_count == 1
    assert [known.phase for known in mirror.children(PARENT)] == ["Succeeded"]


def test_a_change_that_clients_cannot_see_is_not_sent():
    mirror = ActionCache()
    mirror.store_object(body("one", 1))
    watch = mirror.subscribe(PARENT)
    mirror.store_object(body("one", 2))
    assert watch.take(10) == []


@pytest.mark.parametrize(("phase", "told"), [("Running", ["Aborted"]), ("Succeeded", [])])
def test_who_waits_for_an_action_that_is_deleted_is_told_that_it_was_aborted_unless_it_had_ended(phase, told):
    mirror = ActionCache()
    mirror.store_object(body("one", 1, phase))
    watch = mirror.subscribe(PARENT)
    mirror.remove("uid-one")
    mirror.store_object(body("one", 2, "Running"))  # an answer that was on its way
    assert [known.phase for known in watch.take(10)] == told
    assert list(mirror.children(PARENT)) == []


def test_an_action_that_is_made_anew_takes_the_place_of_the_old_one():
    mirror = ActionCache()
    mirror.store_object(body("one", 1, "Failed"))
    mirror.store_object(body("one", 5, "Queued", uid="another"))
    mirror.remove("uid-one")
    assert [known.uid for known in mirror.children(PARENT)] == ["another"]


def trace(uid: str, version: int, phase: str) -> dict:
    metadata = {"name": uid, "namespace": NAMESPACE, "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"payload": {"place": "step", "parent": "parent", "phase": phase}}}


def test_of_a_step_that_was_done_twice_the_newest_trace_counts_and_it_goes_with_its_event():
    mirror = ActionCache()
    watch = mirror.subscribe(PARENT)
    for made in (trace("first", 1, "Failed"), trace("second", 2, "Succeeded"), trace("first", 1, "Failed")):
        mirror.store(trace_of(made))
    assert [(known.action, known.phase) for known in watch.take(10)] == [("step", "Succeeded")]
    assert [known.uid for known in mirror.children(PARENT)] == ["second"]
    assert mirror.traces(PARENT) == 1
    mirror.remove("second")
    assert (mirror.traces(PARENT), list(mirror.children(PARENT))) == (0, [])


def test_no_trace_takes_the_place_of_an_action():
    mirror = ActionCache()
    mirror.store_object(body("step", 1))
    mirror.store(trace_of(trace("first", 2, "Succeeded")))
    assert [known.uid for known in mirror.children(PARENT)] == ["uid-step"]


def test_a_watch_that_has_ended_is_told_nothing_and_kept_by_nobody():
    mirror = ActionCache()
    watch = mirror.subscribe(PARENT)
    mirror.unsubscribe(watch)
    mirror.store_object(body("one", 1))
    assert (mirror.watches, watch.take(10)) == (0, [])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 3))))
def test_a_watch_that_takes_now_and_then_ends_with_what_is_known(changes):
    mirror, seen, versions = ActionCache(), {}, {}
    watch = mirror.subscribe(PARENT)
    for version, (name, is_running, take) in enumerate(changes, start=1):
        mirror.store_object(body(name, version, "Running" if is_running else "Paused"))
        versions[name] = version
        seen |= {known.place.name: known.phase for known in watch.take(take)}
    seen |= {known.place.name: known.phase for known in watch.take(100)}
    assert seen == {known.place.name: known.phase for known in mirror.children(PARENT)}


@given(*[st.text(max_size=63)] * 5)
def test_a_name_is_always_one_that_kubernetes_takes(org, project, domain, run, action):
    name = object_name(org, project, domain, run, action)
    assert len(name) <= 63
    assert name.strip("-") == name
    assert name.replace("-", "").isalnum()
    assert name == name.lower()


def test_equal_runs_of_two_projects_have_two_names():
    assert object_name("o", "shop", "dev", "r", "a0") != object_name("o", "office", "dev", "r", "a0")
    assert object_name("o", "ab", "c", "r", "a0") != object_name("o", "a", "bc", "r", "a0")


@pytest.mark.parametrize(
    "odd", [{"place": {"a": 1}}, {"place": 7}, {"parent": ["a"]}, {"phase": "Running"}, {"phase": 1}]
)
def test_an_event_that_only_looks_like_a_trace_is_none(odd):
    payload = {"place": "child", "parent": "a0", "phase": "Succeeded", **odd}
    metadata = {"namespace": "flyte", "name": "forged", "uid": "u", "resourceVersion": "1"}
    assert trace_of({"metadata": metadata, "spec": {"payload": payload}}) is None


def test_what_somebody_else_has_written_as_the_place_of_outputs_is_not_told():
    payload = {"place": "child", "parent": "a0", "phase": "Succeeded", "outputUri": 7}
    metadata = {"namespace": "flyte", "name": "forged", "uid": "u", "resourceVersion": "1"}
    found = trace_of({"metadata": metadata, "spec": {"payload": payload}})
    assert found is not None
    assert found.output_uri == ""


@pytest.mark.parametrize(
    "annotations",
    [{}, {ORIGIN_ANNOTATION: "uid-parent/other"}, {ORIGIN_ANNOTATION: "uid-other/one"}],
    ids=["none", "of another action", "of another parent"],
)
def test_an_action_that_nobody_enqueued_is_no_child(annotations: dict) -> None:
    cache = ActionCache()
    watch = cache.subscribe(PARENT)
    forged = body("one", 1, "Succeeded")
    forged["metadata"]["annotations"] = annotations
    cache.store_object(forged)
    assert watch.take(10) == []
    assert list(cache.children(PARENT)) == []
