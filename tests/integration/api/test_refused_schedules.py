"""What the API server refuses in schedules: fields that cannot work, and templates that need more rights."""

from typing import Any

import pytest

from cluster.kubectl import Kubectl
from support.people import invite, right
from support.refusals import assert_says, create, manifest, merge, merge_refusal, refusal

NOOP: dict[str, Any] = {"spec": {"executor": "noop"}}
ROBOT = {"serviceAccountName": "robot"}
AS_ROBOT: dict[str, Any] = {"spec": {"executor": "noop", "runAs": ROBOT}}


def schedule(template: dict[str, Any] = NOOP, **spec: Any) -> dict[str, Any]:
    return manifest("ActionSchedule", {"interval": "1s", "template": template, **spec})


def test_whoever_writes_a_schedule_needs_the_rights_of_what_it_makes(shared: Kubectl) -> None:
    write = tuple(right(verb, "actionschedules") for verb in ("create", "get", "patch"))
    people = {"planner": write, "owner": (*write, right("impersonate", "serviceaccounts", "robot"))}
    invite(shared, people)
    provider = {"spec": {"providerRef": {"name": "p"}, "runAs": ROBOT}}
    run = {"kind": "ActionFlowRun", "spec": {"flowRef": {"name": "f"}}}
    for template, parts in (
        (AS_ROBOT, ("spec.template.spec.runAs", "planner needs the verb impersonate")),
        ({"spec": {"executor": "job"}}, ("spec.template.spec.runAs", "must name the account")),
        ({"spec": {"providerRef": {"name": "p"}}}, ("spec.template.spec.runAs", "must name the account")),
        (run, ("spec.template", "planner needs the verb create on actionflowruns")),
        ({"spec": {"executor": "noop", "signal": {"value": 1}}}, ("spec.template.spec", "remove them")),
    ):
        assert_says(refusal(shared, schedule(template), "--as=planner"), parts)
    assert_says(refusal(shared, schedule(provider), "--as=owner"), ("owner needs the verb use on actionproviders/p",))
    create(shared, schedule(AS_ROBOT, suspend=True), "--as=owner")
    change = {"spec": {"suspend": False}}
    assert_says(merge_refusal(shared, "as", "subject", change, "--as=planner"), ("planner needs the verb impersonate",))
    merge(shared, "as", "subject", {"metadata": {"labels": {"a": "b"}}}, "--as=planner")
    create(shared, schedule() | {"metadata": {"name": "other"}}, "--as=planner", "--dry-run=server")


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ({"cron": "* * * * *", "interval": "1s"}, ("exactly one of cron and interval",)),
        ({"interval": "500ms"}, ("spec.interval", "1s or longer")),
        ({"timeZone": "UTC"}, ("spec.timeZone", "remove timeZone")),
        ({"startAt": "2026-01-02T00:00:00Z", "endAt": "2026-01-01T00:00:00Z"}, ("spec.endAt", "later endAt")),
        ({"catchUp": {"policy": "All", "limit": 0}}, ("spec.catchUp.limit",)),
        ({"startingDeadlineSeconds": 0}, ("spec.startingDeadlineSeconds",)),
        (
            {"template": NOOP | {"metadata": {"annotations": {"a": "b", "taskaction.dev/origin": "forged"}}}},
            ("spec.template.metadata.annotations", "remove them from the template"),
        ),
        (
            {"template": NOOP | {"metadata": {"labels": {"taskaction.dev/port-unreported": "true"}}}},
            ("spec.template.metadata.labels", "remove them from the template"),
        ),
    ],
)
def test_a_spec_that_cannot_work_is_refused(shared: Kubectl, spec: dict[str, Any], parts: tuple[str, ...]) -> None:
    assert_says(refusal(shared, schedule(**spec)), parts)


def test_a_name_that_leaves_no_room_is_refused_and_the_kind_stays(shared: Kubectl) -> None:
    long = schedule() | {"metadata": {"name": "n" * 53}}
    assert_says(refusal(shared, long), ("at most 52 characters", "use a shorter name"))
    create(shared, schedule(suspend=True) | {"metadata": {"name": "n" * 52}})
    change = {"spec": {"template": {"kind": "ActionFlowRun"}}}
    assert_says(merge_refusal(shared, "as", "n" * 52, change), ("spec.template.kind", "is immutable"))
