"""From parameters to pods and Jobs: names, marks, accounts and bounds that no user has to think of."""

import copy
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.runs import NOW, later, run
from taskaction.cluster.gateway import Body
from taskaction.core.names import child_name
from taskaction.executors.exposure import refuse_exposed
from taskaction.executors.workloads.manifests import job_manifest, pod_manifest
from taskaction.executors.workloads.model import JobParameters, PodParameters
from taskaction.executors.workloads.source import parse_model
from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.json_schema import model_problem
from taskaction.plugin.secrets import Secret, SecretKey

IMAGE = {"image": "busybox"}
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
part = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
action_names = st.lists(part, min_size=1, max_size=5).map(".".join).map(lambda name: name[:253].rstrip("-."))


def template(metadata: Body | None = None, **spec: Any) -> Body:
    given_spec = {"containers": [{"name": "main", "image": "busybox"}, {"name": "proxy", "image": "envoy"}]} | spec
    return {"template": {"spec": given_spec} | ({"metadata": metadata} if metadata is not None else {})}


def pod_of(call: Run) -> Body:
    return pod_manifest(parse_model(PodParameters, call), call)


def job_of(call: Run) -> Body:
    return job_manifest(parse_model(JobParameters, call), call)


def template_of(manifest: Body) -> Body:
    return manifest if manifest["kind"] == "Pod" else manifest["spec"]["template"]


BOTH = pytest.mark.parametrize("manifest_of", [pod_of, job_of], ids=["pod", "job"])


# -- names -------------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(action_names, st.uuids().map(str), st.integers(1, 10_000))
def test_a_childs_name_is_a_label_with_room_for_the_suffix_of_a_jobs_pod(name: str, uid: str, attempt: int) -> None:
    found = child_name(name, uid, attempt)
    assert len(found) <= 52
    assert LABEL.fullmatch(found)
    assert found.endswith(f"-{attempt}")


@settings(max_examples=100, deadline=None)
@given(action_names, st.uuids().map(str), st.integers(1, 100))
def test_another_attempt_or_action_gives_another_name(name: str, uid: str, attempt: int) -> None:
    assert child_name(name, uid, attempt) != child_name(name, uid, attempt + 1)
    assert child_name(name, uid, attempt) != child_name(name, uid + "x", attempt)


def test_a_childs_name_never_changes_from_one_release_to_the_next() -> None:
    assert child_name("nightly.report", "uid-1", 2) == "nightly-report-7d279f-2"


@BOTH
def test_each_call_of_an_attempt_gives_the_same_object(manifest_of: Any) -> None:
    first = run(IMAGE, deadline=NOW + timedelta(minutes=5))
    again = later(first, 90, external_id="x", fencing_token=7)
    assert manifest_of(again) == manifest_of(first)


# -- marks -------------------------------------------------------------------------------------------------------------


@BOTH
def test_it_bears_the_labels_by_which_it_is_found_and_belongs_to_its_action(manifest_of: Any) -> None:
    metadata = manifest_of(run(IMAGE, attempt=2))["metadata"]
    assert metadata["namespace"] == "team"
    assert metadata["labels"] == {
        "app.kubernetes.io/managed-by": "taskaction-operator",
        "taskaction.dev/action": "one",
        "taskaction.dev/uid": "uid-1",
        "taskaction.dev/attempt": "2",
    }
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "taskaction.dev/v1alpha1",
            "kind": "TaskAction",
            "name": "one",
            "uid": "uid-1",
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]


def test_a_jobs_pods_bear_the_labels_too() -> None:
    manifest = job_of(run(template(metadata={"labels": {"team": "blue"}})))
    assert manifest["spec"]["template"]["metadata"]["labels"] == manifest["metadata"]["labels"] | {"team": "blue"}


@BOTH
def test_a_name_that_is_longer_than_a_label_is_left_out(manifest_of: Any) -> None:
    for length, there in ((63, True), (64, False)):
        labels = manifest_of(run(IMAGE, name="a" * length))["metadata"]["labels"]
        assert ("taskaction.dev/action" in labels) is there
        assert labels["taskaction.dev/uid"] == "uid-1"


def test_users_metadata_is_kept_but_cannot_pass_for_somebody_elses() -> None:
    theirs = {
        "name": "mine",
        "namespace": "kube-system",
        "labels": {"team": "blue", "taskaction.dev/uid": "another"},
        "annotations": {"note": "x"},
        "ownerReferences": [{"uid": "another"}],
    }
    metadata = pod_of(run(template(metadata=theirs)))["metadata"]
    assert metadata["name"] == child_name("one", "uid-1", 1)
    assert metadata["namespace"] == "team"
    assert (metadata["labels"]["team"], metadata["labels"]["taskaction.dev/uid"]) == ("blue", "uid-1")
    assert metadata["annotations"] == {"note": "x"}
    assert [owner["uid"] for owner in metadata["ownerReferences"]] == ["uid-1"]


# -- the account -------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "parameters", [IMAGE, template(), template(serviceAccountName="robot")], ids=["in short", "a template", "named"]
)
def test_it_runs_as_the_actions_account(manifest_of: Any, parameters: Body) -> None:
    spec = template_of(manifest_of(run(parameters, service_account="robot")))["spec"]
    assert spec["serviceAccountName"] == "robot"


@BOTH
@pytest.mark.parametrize("field", ["serviceAccountName", "serviceAccount"])
def test_a_template_cannot_name_another_account(manifest_of: Any, field: str) -> None:
    with pytest.raises(InvalidParametersError, match=f"template.spec.{field}: set spec.runAs of the action instead"):
        manifest_of(run(template(**{field: "admin"}), service_account="robot"))


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("manifest_of", [pod_of, job_of], ids=["pod", "job"])
def test_kubernetes_itself_ends_it_some_time_after_the_deadline(manifest_of: Any) -> None:
    bounded = manifest_of(run(IMAGE, deadline=NOW + timedelta(seconds=90.5)))
    assert bounded["spec"]["activeDeadlineSeconds"] == 91 + 60
    assert "activeDeadlineSeconds" not in manifest_of(run(IMAGE))["spec"]


def test_a_bound_of_the_users_own_is_kept() -> None:
    deadline = NOW + timedelta(minutes=5)
    pod = pod_of(run(template(activeDeadlineSeconds=7), deadline=deadline))
    job = job_of(run(IMAGE | {"spec": {"activeDeadlineSeconds": 8}}, deadline=deadline))
    assert pod["spec"]["activeDeadlineSeconds"] == 7
    assert job["spec"]["activeDeadlineSeconds"] == 8


@BOTH
def test_nothing_is_repeated_unless_the_template_says_so(manifest_of: Any) -> None:
    assert template_of(manifest_of(run(IMAGE)))["spec"]["restartPolicy"] == "Never"
    assert template_of(manifest_of(run(template(restartPolicy="OnFailure"))))["spec"]["restartPolicy"] == "OnFailure"


def test_a_job_leaves_retries_to_the_action_unless_told_otherwise() -> None:
    assert job_of(run(IMAGE))["spec"]["backoffLimit"] == 0
    spec = job_of(run(IMAGE | {"spec": {"backoffLimit": 3, "completions": 2}}))["spec"]
    assert (spec["backoffLimit"], spec["completions"]) == (3, 2)


@BOTH
def test_each_container_leaves_its_last_lines_for_the_error(manifest_of: Any) -> None:
    policies = {"name": "own", "image": "x", "terminationMessagePolicy": "File"}
    spec = template_of(manifest_of(run(template(initContainers=[{"name": "fetch", "image": "x"}, policies]))))["spec"]
    found = {one["name"]: one["terminationMessagePolicy"] for one in spec["initContainers"] + spec["containers"]}
    assert found == {
        "fetch": "FallbackToLogsOnError",
        "own": "File",
        "main": "FallbackToLogsOnError",
        "proxy": "FallbackToLogsOnError",
    }


# -- the short form ----------------------------------------------------------------------------------------------------


def test_the_short_form_becomes_one_container() -> None:
    parameters = {
        "image": "python:3.13",
        "command": ["python"],
        "args": ["-c", "print(1)"],
        "env": {"A": "1"},
        "resources": {"limits": {"memory": "1Gi"}},
        "imagePullPolicy": "Never",
    }
    assert pod_of(run(parameters))["spec"]["containers"] == [
        {
            "name": "main",
            "image": "python:3.13",
            "command": ["python"],
            "args": ["-c", "print(1)"],
            "env": [{"name": "A", "value": "1"}],
            "resources": {"limits": {"memory": "1Gi"}},
            "imagePullPolicy": "Never",
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
    ]


def test_what_is_left_out_is_left_to_kubernetes() -> None:
    (container,) = pod_of(run(IMAGE))["spec"]["containers"]
    assert set(container) == {"name", "image", "terminationMessagePolicy"}


@BOTH
@pytest.mark.parametrize(
    "parameters", [IMAGE | {"resources": {"limits": {"cpu": 1}}}, template(metadata={"labels": {}})]
)
def test_the_parameters_stay_as_they_were(manifest_of: Any, parameters: Body) -> None:
    before = copy.deepcopy(parameters)
    manifest_of(run(parameters, service_account="robot", deadline=NOW + timedelta(minutes=1)))
    assert parameters == before


# -- templates to fill in ----------------------------------------------------------------------------------------------


def test_a_providers_config_is_filled_in_from_the_parameters() -> None:
    config = {"image": "{{ parameters.image }}", "args": ["--of={{ action.name }}"], "env": {"N": "{{ attempt }}"}}
    call = run({"image": "busybox"}, config=config)
    (container,) = pod_of(call)["spec"]["containers"]
    assert (container["image"], container["args"]) == ("busybox", ["--of=one"])
    assert container["env"] == [{"name": "N", "value": "1"}]


def test_a_value_that_is_no_text_keeps_its_type_in_a_template() -> None:
    config = template(priority="{{ parameters.priority }}")
    assert pod_of(run({"priority": 7}, config=config))["spec"]["priority"] == 7


def test_inline_programs_may_have_braces() -> None:
    parameters = IMAGE | {"args": ["{{ action.name }}", "{{ nobody }}"]}
    (container,) = pod_of(run(parameters))["spec"]["containers"]
    assert container["args"] == ["{{ action.name }}", "{{ nobody }}"]


WRONG_CONFIGS = {
    "a value that is missing": ({"image": "{{ parameters.image }}"}, {}, "'parameters.image'"),
    "a value of the wrong type": ({"image": "{{ parameters.image }}"}, {"image": {}}, "config.image: "),
    "a value that is too long": ({"image": "{{ parameters.image }}"}, {"image": "x" * 1025}, "config.image: "),
}


@pytest.mark.parametrize(("config", "parameters", "told"), WRONG_CONFIGS.values(), ids=WRONG_CONFIGS)
def test_a_config_that_cannot_be_filled_in_is_told(config: Body, parameters: Body, told: str) -> None:
    with pytest.raises(InvalidParametersError, match=re.escape(told)):
        pod_of(run(parameters, config=config))


# -- refused -----------------------------------------------------------------------------------------------------------

MAIN = {"name": "main", "image": "busybox"}
WHERE = "spec.parameters"
REFUSED = {
    "nothing": ({}, "set exactly one of image and template"),
    "both forms": (IMAGE | template(), "set exactly one of image and template"),
    "no image": ({"image": ""}, f"{WHERE}.image: "),
    "a misspelt field": (IMAGE | {"comand": ["x"]}, f"{WHERE}.comand: "),
    "a command that is one text": (IMAGE | {"command": "run it"}, f"{WHERE}.command: "),
    "an argument that is an object": (IMAGE | {"args": [{}]}, f"{WHERE}.args.0: "),
    "an environment variable without a value": (IMAGE | {"env": {"A": None}}, f"{WHERE}.env.A: "),
    "a pull policy that is none": (IMAGE | {"imagePullPolicy": "Sometimes"}, f"{WHERE}.imagePullPolicy: "),
    "a time to start that is none": (IMAGE | {"startTimeout": "soon"}, f"{WHERE}.startTimeout: "),
    "no time to start": (IMAGE | {"startTimeout": "0s"}, f"{WHERE}.startTimeout: must be longer than 0s"),
    "a container that is not there": (
        IMAGE | {"outputContainer": "proxy"},
        "outputContainer: unknown container 'proxy'",
    ),
    "a short form beside a template": (
        template() | {"args": ["x"]},
        "args: allowed only with image; set it in template",
    ),
    "a template of text": ({"template": "busybox"}, f"{WHERE}.template: "),
    "a whole pod": ({"template": {"kind": "Pod", "spec": {"containers": [MAIN]}}}, "has no field 'kind'"),
    "a template without a spec": ({"template": {"metadata": {}}}, "spec must be an object"),
    "metadata of text": ({"template": {"metadata": "x", "spec": {"containers": [MAIN]}}}, "metadata and its labels"),
    "labels in a list": (template(metadata={"labels": ["a"]}), "metadata and its labels must be objects"),
    "no containers": (template(containers=[]), "spec.containers must name at least one container"),
    "a container of text": (template(containers=["main"]), "each of spec.containers must be an object with a name"),
    "a container without a name": (template(containers=[{"image": "x"}]), "must be an object with a name"),
    "init containers of text": (template(initContainers=["fetch"]), "spec.initContainers must be a list of objects"),
    "a pod that never ends": (template(restartPolicy="Always"), "spec.restartPolicy must be Never or OnFailure"),
    "a restart policy in a list": (template(restartPolicy=["Never"]), "spec.restartPolicy must be Never or OnFailure"),
}
REFUSED_FOR_JOBS = {
    field: (IMAGE | {"spec": {field: None}}, f"{field}: set by the operator; remove it")
    for field in ("template", "selector", "manualSelector", "suspend", "ttlSecondsAfterFinished", "managedBy")
} | {"a spec of text": (IMAGE | {"spec": "completions: 2"}, f"{WHERE}.spec: ")}


@pytest.mark.parametrize("model", [PodParameters, JobParameters], ids=["pod", "job"])
@pytest.mark.parametrize(("parameters", "told"), REFUSED.values(), ids=REFUSED)
def test_wrong_parameters_are_named(model: Any, parameters: Body, told: str) -> None:
    assert told in str(model_problem(model, parameters, WHERE))


@pytest.mark.parametrize(("parameters", "told"), REFUSED_FOR_JOBS.values(), ids=REFUSED_FOR_JOBS)
def test_what_the_operator_decides_of_a_job_is_not_for_users(parameters: Body, told: str) -> None:
    assert told in str(model_problem(JobParameters, parameters, WHERE))


def test_a_pod_has_no_spec_of_a_job() -> None:
    assert f"{WHERE}.spec: " in str(model_problem(PodParameters, IMAGE | {"spec": {}}, WHERE))


# -- values of Secrets -------------------------------------------------------------------------------------------------

TOKEN = Secret("s3cret-value", SecretKey("login", "token"))
REFERENCE = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}}}
VARIABLES = {
    "of an inline action": ({"env": {"TOKEN": TOKEN}} | IMAGE, {}),
    "of a provider": ({"token": TOKEN}, {"env": {"TOKEN": "{{ parameters.token }}"}} | IMAGE),
    "of a provider's template": (
        {"token": TOKEN},
        template(containers=[{"name": "a", "image": "b", "env": [{"name": "TOKEN", "value": "{{parameters.token}}"}]}]),
    ),
}


@BOTH
@pytest.mark.parametrize(("parameters", "config"), VARIABLES.values(), ids=VARIABLES)
def test_a_variable_from_a_secret_becomes_a_reference(manifest_of: Any, parameters: Any, config: Any) -> None:
    body = manifest_of(run(parameters, config=config))
    refuse_exposed(body)
    assert template_of(body)["spec"]["containers"][0]["env"] == [REFERENCE]


EXPOSED = {
    "in an argument": ({"args": [TOKEN]} | IMAGE, {}, "parameters.args.0"),
    "in a part of an argument": (
        {"token": TOKEN},
        {"args": ["--token={{ parameters.token }}"]} | IMAGE,
        "config.args.0",
    ),
    "as the image": ({"image": TOKEN}, {}, "parameters.image"),
    "a part of a key": ({"env": {"A": Secret("s3cret-value")}} | IMAGE, {}, "spec.*containers.0.env.0.value"),
    "with text around": (
        {"token": TOKEN},
        {"env": {"A": "Bearer {{ parameters.token }}"}} | IMAGE,
        "spec.*containers.0.env.0.value",
    ),
    "in a label": ({"token": TOKEN}, template({"labels": {"a": "{{ parameters.token }}"}}), "metadata.labels.a"),
    "in resources": ({"resources": {"limits": {"cpu": TOKEN}}} | IMAGE, {}, "spec.*resources.limits.cpu"),
}


@BOTH
@pytest.mark.parametrize(("parameters", "config", "field"), EXPOSED.values(), ids=EXPOSED)
def test_a_value_from_a_secret_anywhere_else_is_refused(
    manifest_of: Any, parameters: Any, config: Any, field: str
) -> None:
    with pytest.raises(InvalidParametersError, match=rf"{field}: would show the value of a Secret") as found:
        refuse_exposed(manifest_of(run(parameters, config=config)))
    assert found.value.code == "SecretExposed"
    assert "s3cret" not in str(found.value)
