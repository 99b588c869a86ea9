"""Which action an event means: by uid, by name, or by what its target calls it, and never another namespace's."""

from dataclasses import replace
from typing import Any

import pytest

from support.events import event_body
from support.records import NAMESPACE
from taskaction.api.action_event import ActionEvent
from taskaction.api.enums import ProviderKind
from taskaction.control.events.matching import EventSubject, WaitingEvent, key_address, name_address, uid_address

SHARED = "operators-own"
ONE = EventSubject(
    uid="uid-1",
    namespace=NAMESPACE,
    name="one",
    attempt=2,
    provider=(ProviderKind.ACTION_PROVIDER, NAMESPACE, "github"),
    executor="http",
    external_id="77",
)
OFFERED_TO_ALL = replace(ONE, provider=(ProviderKind.CLUSTER_ACTION_PROVIDER, "", "github"))
OF_THE_PROVIDER = {"providerRef": {"name": "github"}}
OF_THE_CLUSTERS = {"providerRef": {"kind": "ClusterActionProvider", "name": "github"}}


def kept(namespace: str = NAMESPACE, **spec: Any) -> WaitingEvent:
    return WaitingEvent.from_event(ActionEvent.from_body(event_body("e", namespace=namespace, **spec)))


MEANT: dict[str, dict[str, Any]] = {
    "its uid": {"target": {"uid": "uid-1"}},
    "its name": {"target": {"name": "one"}},
    "its uid and name": {"target": {"uid": "uid-1", "name": "one"}},
    "its external id": {"correlationKey": "77"},
    "its external id at its provider": {"correlationKey": "77", "scope": OF_THE_PROVIDER},
    "its external id at its executor": {"correlationKey": "77", "scope": {"executor": "http"}},
    "its name, whatever the key": {"target": {"name": "one"}, "correlationKey": "78"},
}
NOT_MEANT: dict[str, dict[str, Any]] = {
    "another uid": {"target": {"uid": "uid-2"}},
    "a namesake": {"target": {"uid": "uid-2", "name": "one"}},
    "another name": {"target": {"name": "two"}},
    "another external id": {"correlationKey": "78"},
    "another provider's": {"correlationKey": "77", "scope": {"providerRef": {"name": "gitlab"}}},
    "a cluster provider's of that name": {"correlationKey": "77", "scope": OF_THE_CLUSTERS},
    "another executor's": {"correlationKey": "77", "scope": {"executor": "job"}},
    "another action, whatever the key": {"target": {"name": "two"}, "correlationKey": "77"},
}


@pytest.mark.parametrize("spec", MEANT.values(), ids=MEANT)
def test_an_event_means_the_action_that_it_names(spec: dict[str, Any]) -> None:
    assert kept(**spec).is_for(ONE, SHARED)


@pytest.mark.parametrize("spec", NOT_MEANT.values(), ids=NOT_MEANT)
def test_an_event_means_no_other_action(spec: dict[str, Any]) -> None:
    assert not kept(**spec).is_for(ONE, SHARED)


@pytest.mark.parametrize("spec", MEANT.values(), ids=MEANT)
def test_an_event_of_another_namespace_means_nothing_here(spec: dict[str, Any]) -> None:
    assert not kept("team-b", **spec).is_for(ONE, SHARED)


@pytest.mark.parametrize(
    ("subject", "spec", "meant"),
    [
        (ONE, {"target": {"uid": "uid-1"}}, True),
        (ONE, {"target": {"name": "one"}}, False),
        (ONE, {"correlationKey": "77"}, False),
        (ONE, {"correlationKey": "77", "scope": {"executor": "http"}}, True),
        (ONE, {"correlationKey": "77", "scope": OF_THE_PROVIDER}, False),
        (OFFERED_TO_ALL, {"correlationKey": "77", "scope": OF_THE_CLUSTERS}, True),
        (replace(OFFERED_TO_ALL, external_id=None), {"correlationKey": "77", "scope": OF_THE_CLUSTERS}, False),
    ],
)
def test_the_operators_own_events_reach_every_namespace_where_they_say_whose_id_it_is(
    subject: EventSubject, spec: dict[str, Any], *, meant: bool
) -> None:
    assert kept(SHARED, **spec).is_for(subject, SHARED) is meant


@pytest.mark.parametrize(("attempt", "past", "early"), [(1, True, False), (2, False, False), (3, False, True)])
def test_an_event_may_mean_one_attempt_only(attempt: int, *, past: bool, early: bool) -> None:
    one = kept(target={"uid": "uid-1", "attempt": attempt})
    assert (one.is_past(ONE), one.is_early(ONE)) == (past, early)
    assert not kept(correlationKey="77").is_past(ONE)


@pytest.mark.parametrize("spec", MEANT.values(), ids=MEANT)
def test_an_event_is_found_where_its_action_looks_for_it(spec: dict[str, Any]) -> None:
    assert kept(**spec).place in ONE.places
    assert ONE.places == (uid_address("uid-1"), name_address(NAMESPACE, "one"), key_address("77"))


def test_an_executor_is_given_what_was_stored() -> None:
    delivery = kept(payload={"body": {"state": "done"}}, sender="github", target={"name": "one"}).delivery
    assert (delivery.id, delivery.type, delivery.sender) == ("uid-of-e", "Webhook", "github")
    assert delivery.payload == {"body": {"state": "done"}}
