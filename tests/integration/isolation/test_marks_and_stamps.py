"""Who may edit an object neither forges who signalled, nor what programs have noted on it, nor has it deleted."""

from collections.abc import Iterator

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local import policies
from local.manifests import POLICIES
from support.attackers import CREATOR, make_account
from support.people import right
from support.refusals import assert_says, create, manifest, merge, merge_refusal, refusal

FLOW = {"definition": {"StartAt": "A"}, "suspend": True}
KINDS = {
    "ta": manifest("TaskAction", {"executor": "approval", "signal": {"value": 1}}, name="kept"),
    "afr": manifest("ActionFlowRun", FLOW | {"signal": {"value": 1}}, name="kept"),
}
PLURALS = {"ta": "taskactions", "afr": "actionflowruns"}
STAMPS = {"sender": {"by": "the-boss"}, "time": {"at": "2031-01-01T00:00:00Z"}}
MARKS = {
    "the signal that was passed on": {"annotations": {"taskaction.dev/signal": "0"}},
    "a run of Port": {"annotations": {"taskaction.dev/port-run": "r_1"}},
    "an acknowledgement": {"annotations": {"taskaction.dev/port-acknowledgement": "done"}},
    "an installation": {"labels": {"taskaction.dev/port-installation": "ours"}},
    "an unreported run": {"labels": {"taskaction.dev/port-unreported": "true"}},
}


@pytest.fixture
def unstamped(crds: Cluster, victim: Kubectl) -> Iterator[None]:
    """A cluster that does not stamp signals, as those that know no mutating policies."""
    if policies.MUTATING not in policies.served_kinds(crds.kubectl):
        yield
        return
    crds.kubectl("delete", "mutatingadmissionpolicybinding", "stamps.taskaction.dev")
    body = manifest("TaskAction", {"executor": "approval", "signal": {"value": 1, "by": "nobody"}})

    def is_stamped() -> bool:
        found = create(victim, body, "--dry-run=server")
        return bool(found["spec"]["signal"]["by"] != "nobody")

    try:
        wait_until(lambda: not is_stamped(), timeout=30, what="the policy to end", every=0.1)
        yield
    finally:
        policies.install(crds.kubectl, POLICIES)


def make_editor(victim: Kubectl, kind: str) -> str:
    """Make somebody who may create and change the objects of a kind, and neither delete nor answer them."""
    return make_account(
        victim, "editor", *(right(verb, PLURALS[kind]) for verb in ("create", "get", "patch")), *CREATOR[:1]
    )


@pytest.mark.usefixtures("unstamped")
@pytest.mark.parametrize("kind", KINDS)
def test_a_sender_or_time_is_forged_by_nobody_who_may_not_signal(victim: Kubectl, kind: str) -> None:
    create(victim, KINDS[kind])
    editor = make_editor(victim, kind)
    for change in STAMPS.values():
        text = merge_refusal(victim, kind, "kept", {"spec": {"signal": change}}, f"--as={editor}")
        assert_says(text, ("spec.signal", f"needs the verb signal on {PLURALS[kind]}"))
    merge(victim, kind, "kept", {"metadata": {"labels": {"team": "a"}}}, f"--as={editor}")


@pytest.mark.parametrize("kind", KINDS)
def test_what_programs_have_noted_is_changed_by_nobody_else(victim: Kubectl, kind: str) -> None:
    editor = make_editor(victim, kind)
    plain = KINDS[kind] | {"spec": {name: part for name, part in KINDS[kind]["spec"].items() if name != "signal"}}
    for metadata in MARKS.values():
        forged = plain | {"metadata": {"name": "forged", **metadata}}
        says = ("may not set, change or remove", "leave")
        assert_says(refusal(victim, forged, f"--as={editor}"), says)
    create(victim, plain | {"metadata": {"name": "kept", **_all_marks()}})
    for metadata in MARKS.values():
        for value in (None, "other"):
            change = {field: dict.fromkeys(keys, value) for field, keys in metadata.items()}
            text = merge_refusal(victim, kind, "kept", {"metadata": change}, f"--as={editor}")
            assert_says(text, ("may not set, change or remove",))
    merge(victim, kind, "kept", {"metadata": {"labels": {"team": "a"}}}, f"--as={editor}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_ttl_is_changed_by_nobody_who_may_not_delete(victim: Kubectl, kind: str) -> None:
    editor = make_editor(victim, kind)
    body = KINDS[kind] | {"spec": KINDS[kind]["spec"] | {"ttlSecondsAfterFinished": 3600}}
    create(victim, body)
    for ttl in (0, 60, None):
        text = merge_refusal(victim, kind, "kept", {"spec": {"ttlSecondsAfterFinished": ttl}}, f"--as={editor}")
        assert_says(text, ("spec.ttlSecondsAfterFinished", f"needs the verb delete on {PLURALS[kind]}/kept"))
    merge(victim, kind, "kept", {"metadata": {"labels": {"team": "a"}}}, f"--as={editor}")
    own = body | {"metadata": {"name": "own"}, "spec": body["spec"] | {"signal": None, "ttlSecondsAfterFinished": 0}}
    create(victim, own, f"--as={editor}")
    deleter = make_account(victim, "deleter", right("patch", PLURALS[kind]), right("delete", PLURALS[kind]))
    merge(victim, kind, "kept", {"spec": {"ttlSecondsAfterFinished": 0}}, f"--as={deleter}")


def _all_marks() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for metadata in MARKS.values():
        for field, marks in metadata.items():
            found.setdefault(field, {}).update(marks)
    return found
