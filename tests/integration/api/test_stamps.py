"""Who signalled or aborted an action, and when, is said by the API server; what a client writes there is replaced."""

import json
from datetime import datetime, timedelta

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local import policies
from local.manifests import POLICIES
from support.people import invite, right
from support.refusals import Body, assert_says, create, manifest, merge, merge_refusal

FORGED = {"by": "somebody-else", "at": "2001-01-01T00:00:00Z"}
STEERS = (right("signal", "taskactions"), right("abort", "taskactions"))
ORDERS = {"signal": {"value": "yes"}, "abort": {"reason": "enough"}}


@pytest.fixture(scope="module")
def people(shared: Kubectl) -> Kubectl:
    """Two people who may steer every action, and one who may only write them."""
    if policies.MUTATING not in policies.served_kinds(shared):
        pytest.skip(f"this API server knows no {policies.MUTATING}, so nothing is stamped")
    invite(shared, {"first": STEERS, "second": STEERS, "author": ()})
    return shared


@pytest.fixture(params=ORDERS)
def field(request: pytest.FixtureRequest) -> str:
    """What is stamped."""
    return str(request.param)


def assert_stamped(found: Body, field: str, person: str) -> None:
    given = found["spec"][field]
    assert given["by"] == person
    created = datetime.fromisoformat(found["metadata"]["creationTimestamp"])
    assert datetime.fromisoformat(given["at"]) >= created - timedelta(seconds=1)  # both are cut to whole seconds
    assert given.items() >= ORDERS[field].items()


def ordered(kubectl: Kubectl, field: str, name: str) -> Body:
    """Give an action that has been given the order by the first of the people."""
    body = manifest("TaskAction", {"executor": "approval", field: ORDERS[field]}, name=f"{name}-{field}")
    return create(kubectl, body, "--as=first")


def test_an_order_from_the_start_is_stamped(people: Kubectl, field: str) -> None:
    body = manifest("TaskAction", {"executor": "approval", field: ORDERS[field] | FORGED})
    assert_stamped(create(people, body, "--dry-run=server", "--as=first"), field, "first")


def test_a_later_order_is_stamped(people: Kubectl, field: str) -> None:
    name = f"later-{field}"
    create(people, manifest("TaskAction", {"executor": "approval"}, name=name), "--as=author")
    found = merge(people, "ta", name, {"spec": {field: ORDERS[field] | FORGED}}, "--as=first")
    assert_stamped(found, field, "first")


def test_a_stamp_stays_whoever_writes_next(people: Kubectl, field: str) -> None:
    before = ordered(people, field, "stays")["spec"][field]
    for person, change in (("author", {"priority": 7}), ("second", {field: FORGED}), ("author", {field: FORGED})):
        found = merge(people, "ta", f"stays-{field}", {"spec": change}, f"--as={person}")
        assert found["spec"][field] == before, person


@pytest.mark.parametrize("another", [{"id": "second"}, {"state": "Approve"}, {"value": "no"}])
def test_the_same_value_is_another_signal_where_it_says_so(people: Kubectl, another: Body) -> None:
    name = f"again-{next(iter(another))}"
    ordered(people, "signal", name)
    found = merge(people, "ta", f"{name}-signal", {"spec": {"signal": another}}, "--as=second")
    assert found["spec"]["signal"].items() >= ({**ORDERS["signal"], **another, "by": "second"}).items()
    assert "verb signal" in merge_refusal(
        people, "ta", f"{name}-signal", {"spec": {"signal": {"id": "third"}}}, "--as=author"
    )


def test_a_stamp_is_not_removed(people: Kubectl, field: str) -> None:
    before = ordered(people, field, "kept")["spec"][field]
    change = {"spec": {field: {"by": None, "at": None}}}
    assert merge(people, "ta", f"kept-{field}", change, "--as=second")["spec"][field] == before


def test_a_moment_is_not_put_into_the_future(people: Kubectl, field: str) -> None:
    name = f"future-{field}"
    create(people, manifest("TaskAction", {"executor": "approval"}, name=name), "--as=author")
    known = json.loads(people("get", "ta", name, "-o", "json", "--show-managed-fields"))["metadata"]["managedFields"]
    forged = [known[0] | {"time": "2999-01-01T00:00:00Z"}]
    change = {"metadata": {"managedFields": forged}, "spec": {field: ORDERS[field]}}
    found = merge(people, "ta", name, change, "--as=first")
    assert_stamped(found, field, "first")
    assert found["spec"][field]["at"] < "2999"


@pytest.mark.parametrize("entries", [[{}], []], ids=["reset", "none"])
def test_an_order_is_stamped_though_the_record_of_writes_is_cleared(people: Kubectl, field: str, entries: list) -> None:
    name = f"cleared-{field}-{len(entries)}"
    create(people, manifest("TaskAction", {"executor": "approval"}, name=name), "--as=author")
    change = {"metadata": {"managedFields": entries}, "spec": {field: ORDERS[field]}}
    assert_stamped(merge(people, "ta", name, change, "--as=first"), field, "first")


def test_another_answer_is_stamped_anew(people: Kubectl) -> None:
    ordered(people, "signal", "anew")
    found = merge(people, "ta", "anew-signal", {"spec": {"signal": {"value": "no"}}}, "--as=second")
    assert (found["spec"]["signal"]["value"], found["spec"]["signal"]["by"]) == ("no", "second")


def test_the_wider_manifest_may_be_applied_again(people: Kubectl, field: str) -> None:
    name = f"again-{field}"
    body = policies.as_list([manifest("TaskAction", {"executor": "approval", field: ORDERS[field]}, name=name)])
    apply = ("apply", "--server-side", "--filename=-", "--as=first")
    people(*apply, stdin=body)
    before = people("get", "ta", name, "-o", "jsonpath={.spec}")
    people(*apply, stdin=body)
    assert people("get", "ta", name, "-o", "jsonpath={.spec}") == before


@pytest.fixture
def unstamped(crds: Cluster, people: Kubectl, field: str) -> str:
    """An action from before the policy came, as on a server that has no such policies."""
    binding = ("mutatingadmissionpolicybinding", "stamps.taskaction.dev")
    crds.kubectl("delete", *binding)
    body = manifest("TaskAction", {"executor": "approval", field: ORDERS[field]}, name=f"old-{field}")
    try:
        wait_until(
            lambda: "by" not in create(people, body, "--dry-run=server")["spec"][field],
            timeout=30,
            what="the stamps to end",
            every=0.1,
        )
        create(people, body)
    finally:
        policies.install(crds.kubectl, POLICIES)
    return f"old-{field}"


def test_what_was_stored_before_the_policy_came_stays_writable(people: Kubectl, unstamped: str, field: str) -> None:
    found = merge(people, "ta", unstamped, {"metadata": {"finalizers": ["taskaction.dev/abort"]}})
    assert found["metadata"]["finalizers"] == ["taskaction.dev/abort"]
    assert found["spec"][field] == ORDERS[field]
    assert merge(people, "ta", unstamped, {"metadata": {"finalizers": None}})["spec"][field] == ORDERS[field]


def test_an_abort_is_not_claimed_by_another(people: Kubectl) -> None:
    before = ordered(people, "abort", "claimed")["spec"]["abort"]
    change = {"spec": {"abort": {"reason": "other"} | FORGED}}
    message = merge_refusal(people, "ta", "claimed-abort", change, "--as=second")
    assert_says(message, ("spec.abort", "abort cannot be changed or removed"))
    assert merge(people, "ta", "claimed-abort", {"spec": {"priority": 1}})["spec"]["abort"] == before
