"""R17: what each state of each known kind means; a state that is not known never ends an action, and is shown."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.kind_states import ALL, CREATED, MEANINGS, Known, State, condition
from taskaction.cluster.gateway import Resource
from taskaction.executors.resource.kinds import KNOWN, find_states
from taskaction.executors.resource.model import ResourceParameters
from taskaction.executors.resource.states import Condition, Field
from taskaction.executors.resource.verdict import is_known, read_known, read_object
from taskaction.executors.verdicts import Finished, Running, Verdict, Waiting
from taskaction.lifecycle.outcomes import Failed

Body = dict[str, Any]
TITLE = "Thing 'x'"
OUTDATED = ": its controller has not seen the present spec yet; "
CASES = [(kind, state) for kind in ALL for state in kind.states]
ENDING = [kind for kind in ALL if kind not in CREATED]
PAIRED = {"succeeded": Finished, "failed": Failed, "suspended": Waiting, "waiting": Waiting, "running": Running}


def body_of(state: State, **metadata: Any) -> Body:
    return {"metadata": {"name": "x"} | metadata, "spec": state.spec, "status": state.status}


def read(kind: Known, body: Body) -> Verdict:
    return read_known(kind.resource, TITLE, body)


def text_of(verdict: Verdict) -> str:
    match verdict:
        case Waiting(problem=text):
            return text
        case Running(message=text):
            return text
        case Failed(message=text):
            return text
        case Finished():
            return ""


@pytest.mark.parametrize(("kind", "state"), CASES, ids=[f"{kind.title}-{state.title}" for kind, state in CASES])
def test_r17_a_state_means_what_its_controller_means_by_it(kind: Known, state: State) -> None:
    found = read(kind, body_of(state))
    assert type(found) is PAIRED[state.meaning]
    if state.meaning == "failed" and kind.resource.kind != "Pod":
        assert isinstance(found, Failed)
        assert found.code == f"{kind.resource.kind}Failed"
    if kind.resource.kind != "Pod":
        assert text_of(found).startswith(TITLE if state.meaning != "succeeded" else "")
        assert (" is suspended" in text_of(found)) is (state.meaning == "suspended")


def test_every_known_kind_has_a_table_of_its_states_with_its_source() -> None:
    assert {(one.resource.group, one.resource.kind) for one in ALL if not one.resource.categories} == {
        *KNOWN,
        ("", "Pod"),
    }
    for one in ALL:
        assert is_known(one.resource)
        assert one.source
        assert {state.meaning for state in one.states} <= set(MEANINGS)
        assert any(state.meaning == "succeeded" for state in one.states)


def test_the_documents_name_every_known_kind() -> None:
    page = (Path(__file__).parents[4] / "docs" / "using.md").read_text()
    named = page.split("## Run anything else")[1].split("\n## ")[0]
    assert {kind for _, kind in KNOWN if kind not in named} == set()


@pytest.mark.parametrize("kind", [one for one in ENDING if one.resource.kind != "Pod"], ids=lambda one: one.title)
def test_each_row_of_a_table_decides_some_state(kind: Known) -> None:
    states = find_states(kind.resource)
    assert states is not None
    for row in states.rows:
        for sign in row.signs:
            wanted = [(sign, value) for value in sign.values] if isinstance(sign, Field) else [(sign, None)]
            for one, value in wanted:
                assert any(_has(one, value, state) for state in kind.states), f"{one} is in no state of {kind.source}"


def _has(sign: Field | Condition, value: Any, state: State) -> bool:
    if isinstance(sign, Condition):
        conditions = state.status.get("conditions", [])
        return any(one["type"] == sign.type and one["status"] == sign.status for one in conditions)
    found: Any = {"status": state.status, "spec": state.spec}
    for name in sign.path.split("."):
        found = found.get(name, {})
    return bool(found == value)


# -- unknown states ----------------------------------------------------------------------------------------------------

WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=9, max_size=14).map("X".__add__)


def _with_word(value: Any, word: str) -> Any:
    """Return a status whose states are all another word; types of conditions stay."""
    if isinstance(value, dict):
        return {name: one if name == "type" else _with_word(one, word) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_word(one, word) for one in value]
    return word if isinstance(value, str) else value


@pytest.mark.parametrize("kind", ENDING, ids=lambda kind: kind.title)
@settings(max_examples=40)  # for each kind
@given(data=st.data(), word=WORDS)
def test_r17_an_unknown_state_is_no_end_and_is_shown(kind: Known, data: st.DataObject, word: str) -> None:
    state = data.draw(st.sampled_from([one for one in kind.states if any(one.status.values())]))
    status = _with_word(state.status, word)
    found = read(kind, {"metadata": {"name": "x"}, "status": status})
    assert isinstance(found, Waiting | Running)
    if kind.resource.kind != "Pod" and word in str(status):
        assert word in text_of(found)


@pytest.mark.parametrize("kind", ENDING, ids=lambda kind: kind.title)
@settings(max_examples=40)  # for each kind
@given(word=WORDS)
def test_r17_a_condition_of_an_unknown_type_is_no_end_and_is_shown(kind: Known, word: str) -> None:
    found = read(kind, {"metadata": {"name": "x"}, "status": {"conditions": [condition(word)]}})
    assert isinstance(found, Waiting | Running)
    if kind.resource.kind != "Pod":
        assert word in text_of(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["phase", "state", "conditions", "jobDeploymentStatus", "health", "observedGeneration"])


@pytest.mark.parametrize("kind", [one for one in ENDING if one.resource.kind != "Pod"], ids=lambda kind: kind.title)
@settings(max_examples=40)  # for each kind
@given(status=st.dictionaries(FIELDS, JSON, max_size=4), generation=JSON)
def test_any_status_has_a_verdict_and_no_end(kind: Known, status: Body, generation: Any) -> None:
    body = {"metadata": {"name": "x", "generation": generation}, "status": status}
    assert isinstance(read(kind, body), Waiting | Running)


# -- generations -------------------------------------------------------------------------------------------------------

ENDS = [(kind, state) for kind in ENDING for state in kind.states if state.meaning in {"succeeded", "failed"}]
OBSERVING = [(kind, state) for kind, state in ENDS if kind.resource.kind not in {"Pod", "ExternalSecret"}]


def _titles(cases: list[tuple[Known, State]]) -> list[str]:
    return [f"{kind.title}-{state.title}" for kind, state in cases]


@pytest.mark.parametrize(("kind", "state"), OBSERVING, ids=_titles(OBSERVING))
def test_r17_a_status_of_an_older_spec_is_no_end(kind: Known, state: State) -> None:
    old = State(state.meaning, state.status | {"observedGeneration": 1}, state.spec)
    assert type(read(kind, body_of(old, generation=1))) is PAIRED[state.meaning]
    found = read(kind, body_of(old, generation=2))
    assert isinstance(found, Waiting | Running)
    assert text_of(found).startswith(f"{TITLE}{' is suspended' if isinstance(found, Waiting) else OUTDATED}")


CONDITIONS = [(kind, state) for kind, state in OBSERVING if "conditions" in state.status]


@pytest.mark.parametrize(("kind", "state"), CONDITIONS, ids=_titles(CONDITIONS))
def test_r17_a_condition_of_an_older_spec_is_no_end(kind: Known, state: State) -> None:
    conditions = [one | {"observedGeneration": 1} for one in state.status["conditions"]]
    old = State(state.meaning, {"conditions": conditions}, state.spec)
    assert type(read(kind, body_of(old, generation=1))) is PAIRED[state.meaning]
    found = read(kind, body_of(old, generation=2))
    assert isinstance(found, Waiting | Running)
    assert text_of(found).startswith(f"{TITLE}{' is suspended' if isinstance(found, Waiting) else OUTDATED}")


def test_flux_stalls_with_a_current_condition_before_it_has_observed_the_spec() -> None:
    kind = next(one for one in ALL if one.resource.kind == "Kustomization")
    stalled = condition("Stalled", "True", "AccessDenied", "no cross-namespace references") | {"observedGeneration": 1}
    found = read(kind, {"metadata": {"generation": 1}, "status": {"observedGeneration": -1, "conditions": [stalled]}})
    assert isinstance(found, Failed)
    assert found.message == f"{TITLE}: condition Stalled is True (AccessDenied: no cross-namespace references)"


@pytest.mark.parametrize(("synced", "ended"), [("1-8f0e", False), ("2-8f0e", True), ("", True), ("x", True)])
def test_an_external_secret_names_its_generation_in_the_synced_version(synced: str, ended: bool) -> None:
    kind = next(one for one in ALL if one.resource.kind == "ExternalSecret")
    status = {"syncedResourceVersion": synced, "conditions": [condition("Ready")]}
    found = read(kind, {"metadata": {"generation": 2}, "status": status})
    assert isinstance(found, Finished) is ended


# -- messages and checks of the user -----------------------------------------------------------------------------------

RAY = next(one for one in ALL if one.resource.kind == "RayJob").resource
SPARK = next(one for one in ALL if one.resource.kind == "SparkApplication").resource


def test_r17_a_ray_job_that_is_retried_shows_both_states_and_the_reason() -> None:
    status = {
        "jobStatus": "FAILED",
        "jobDeploymentStatus": "Retrying",
        "reason": "AppFailed",
        "message": "exit code 1",
    }
    assert read_known(RAY, TITLE, {"metadata": {}, "status": status}) == Running(
        f"{TITLE}: status.jobDeploymentStatus is 'Retrying', status.jobStatus is 'FAILED' (AppFailed; exit code 1)"
    )


def test_r17_a_submission_that_is_retried_is_no_end() -> None:
    status = {"applicationState": {"state": "SUBMISSION_FAILED", "errorMessage": "no image"}}
    found = read_known(SPARK, TITLE, {"metadata": {}, "status": status})
    assert isinstance(found, Waiting)
    assert found.problem == f"{TITLE}: status.applicationState.state is 'SUBMISSION_FAILED' (no image)"


def test_a_spec_that_suspends_nothing_is_no_state() -> None:
    kustomization = next(one for one in ALL if one.resource.kind == "Kustomization")
    assert read(kustomization, {"metadata": {}, "spec": {"suspend": False}}) == Running(f"{TITLE}: no state yet")


def parameters(**checks: Any) -> ResourceParameters:
    manifest = {"apiVersion": "ray.io/v1", "kind": "RayJob"}
    return ResourceParameters.model_validate({"manifest": manifest} | checks)


def field(value: str) -> list[Body]:
    return [{"field": {"path": "status.jobDeploymentStatus", "equals": value}}]


@pytest.mark.parametrize(
    ("checks", "state", "expected"),
    [
        ({}, "Failed", Failed),
        ({"failure": []}, "Failed", Running),
        ({"failure": field("Retrying")}, "Retrying", Failed),
        ({"failure": field("Retrying")}, "Failed", Running),
        ({"success": field("Running")}, "Running", Finished),
        ({"success": field("Running")}, "Failed", Failed),
        ({"success": field("Running")}, "Retrying", Running),
        ({"success": field("Running")}, "Suspended", Waiting),
        ({"success": []}, "Initializing", Finished),
        ({"success": field("Failed"), "failure": []}, "Failed", Finished),
    ],
)
def test_checks_of_the_user_replace_what_is_known(checks: Body, state: str, expected: type) -> None:
    body = {"metadata": {"generation": 2}, "status": {"jobDeploymentStatus": state}}
    assert type(read_object(parameters(**checks), RAY, TITLE, body)) is expected


def test_of_an_unknown_kind_nothing_is_known() -> None:
    thing = Resource(group="none.example", version="v1", plural="things", kind="Thing", categories=("all",))
    assert not is_known(thing)
    assert read_known(thing, TITLE, {"metadata": {}}) == Running(TITLE)
