"""What pod a task of Flyte becomes: its words filled in, its identity, its token, and what underlies it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from flyteidl2.core.security_pb2 import Secret
from flyteidl2.core.tasks_pb2 import DataLoadingConfig, Sql, TaskTemplate

from support.flyte_tasks import amount, container_task, parameters, pod_task
from support.runs import NOW, run
from taskaction.cluster.gateway import Body
from taskaction.integrations.flyte.executor.manifest import build_pod
from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.plugin.errors import InvalidParametersError

CONNECTED = FlyteSettings(endpoint="http://actions.flyte.svc:8094", audience="flyte")


def made(
    task: TaskTemplate | None = None,
    settings: FlyteSettings | None = None,
    base: Body | None = None,
    *,
    fields: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Body:
    """Give the pod of a task; ``fields`` are parameters, ``changes`` the run's."""
    task = task or container_task()
    given = FlyteParameters.model_validate(parameters(task, **(fields or {})))
    return build_pod(task, given, run(service_account="robot", **changes), settings or FlyteSettings(), base)


def env(body: Body, container: int = 0) -> dict[str, Any]:
    found = body["spec"]["containers"][container].get("env", [])
    assert len({one["name"] for one in found}) == len(found)
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in found}


def test_a_container_is_the_pod() -> None:
    body = made(container_task(command=["run"], resources={"requests": [amount("CPU", "2")]}))

    (container,) = body["spec"]["containers"]
    assert (body["kind"], body["metadata"]["namespace"], body["spec"]["restartPolicy"]) == ("Pod", "team", "Never")
    assert body["spec"]["serviceAccountName"] == "robot"
    assert (container["image"], container["command"]) == ("registry.local/flyte:1", ["run"])
    assert container["resources"] == {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}
    assert body["metadata"]["ownerReferences"][0]["uid"] == "uid-1"


@pytest.mark.parametrize(
    ("word", "first", "second"),
    [
        ("{{.input}}", "s3://runs/r1/a1/inputs.pb", "s3://runs/r1/a1/inputs.pb"),
        ("{{ .Input }}", "s3://runs/r1/a1/inputs.pb", "s3://runs/r1/a1/inputs.pb"),
        ("{{$inputPrefix}}", "s3://runs/r1/a1", "s3://runs/r1/a1"),
        ("{{.outputPrefix}}", "s3://runs/r1/a1/1", "s3://runs/r1/a1/2"),
        ("x={{.outputPrefix}}/y", "x=s3://runs/r1/a1/1/y", "x=s3://runs/r1/a1/2/y"),
        ("{{.rawOutputDataPrefix}}", "s3://runs/r1/a1/1/raw", "s3://runs/r1/a1/2/raw"),
        (
            "{{.checkpointOutputPrefix}}",
            "s3://runs/r1/a1/1/_flytecheckpoints",
            "s3://runs/r1/a1/2/_flytecheckpoints",
        ),
        ("{{.prevCheckpointPrefix}}", "", "s3://runs/r1/a1/1/_flytecheckpoints"),
        ("{{.runName}}-{{.actionName}}", "r1-a1", "r1-a1"),
        ("{{.namespace}}", "team", "team"),
        ("{{.runStartTime}}", "{{.runStartTime}}", "{{.runStartTime}}"),
        ("{{ printf }}", "{{ printf }}", "{{ printf }}"),
    ],
)
@pytest.mark.parametrize("field", ["args", "command"])
def test_flytes_words_are_filled_in_and_others_stay(word: str, first: str, second: str, field: str) -> None:
    task = container_task(**{field: ["a0", word]})

    for attempt, expected in ((1, first), (2, second)):
        assert made(task, attempt=attempt)["spec"]["containers"][0][field] == ["a0", expected]


def test_what_the_run_says_is_filled_in_too() -> None:
    fields = {"rawDataPrefix": "s3://raw/", "runStartTime": "2026-01-01T00:00:00Z"}
    task = container_task(args=["{{.rawOutputDataPrefix}}", "{{.runStartTime}}"])

    args = made(task, fields=fields, attempt=2)["spec"]["containers"][0]["args"]

    assert args == ["s3://raw/r1/a1/2", "2026-01-01T00:00:00Z"]


def test_the_sdk_is_told_who_it_is_and_neither_task_nor_run_can_say_otherwise() -> None:
    liar = [{"key": "ACTION_NAME", "value": "a0"}, {"key": "COLOUR", "value": "red"}]

    found = env(made(container_task(env=liar), attempt=2, fields={"env": {"RUN_NAME": "r2", "SIZE": "big"}}))

    assert found == {
        "COLOUR": "red",
        "SIZE": "big",
        "ACTION_NAME": "a1",
        "RUN_NAME": "r1",
        "FLYTE_INTERNAL_EXECUTION_PROJECT": "shop",
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": "test",
        "FLYTE_ATTEMPT_NUMBER": "1",
        "_U_ORG_NAME": "acme",
        "_U_RUN_BASE": "s3://runs/r1",
    }


def test_the_runs_variables_win_over_the_tasks_and_these_over_the_operators() -> None:
    settings = FlyteSettings(env={"A": "operator", "B": "operator", "C": "operator"})
    task = container_task(env=[{"key": "B", "value": "task"}, {"key": "C", "value": "task"}])

    found = env(made(task, settings, fields={"env": {"C": "run"}}))

    assert (found["A"], found["B"], found["C"]) == ("operator", "task", "run")


def test_a_pod_shows_the_actions_service_a_token_of_its_own() -> None:
    body = made(settings=CONNECTED)

    found = env(body)
    (volume,) = body["spec"]["volumes"]
    (mount,) = body["spec"]["containers"][0]["volumeMounts"]
    assert (found["_U_USE_ACTIONS"], found["_U_EP_OVERRIDE"]) == ("1", "http://actions.flyte.svc:8094")
    assert found["FLYTE_AUTH_TYPE"] == "ExternalCommand"
    assert found["FLYTE_AUTH_COMMAND"] == '["cat", "/var/run/secrets/taskaction.dev/flyte/token"]'
    assert "_U_INSECURE" not in found  # by which the SDK would send no token
    assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "flyte"
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/var/run/secrets/taskaction.dev/flyte")


def test_without_authentication_no_token_is_handed_out() -> None:
    settings = FlyteSettings(endpoint="http://actions.flyte.svc:8094", authentication=False)

    body = made(settings=settings)

    assert (env(body)["_U_INSECURE"], "FLYTE_AUTH_TYPE" in env(body)) == ("true", False)
    assert "volumes" not in body["spec"]


def test_without_an_endpoint_a_task_can_bring_its_own() -> None:
    found = env(made(container_task(env=[{"key": "_U_EP_OVERRIDE", "value": "https://flyte.example"}])))

    assert (found["_U_EP_OVERRIDE"], "_U_USE_ACTIONS" in found) == ("https://flyte.example", False)


def test_a_pod_of_the_tasks_own_keeps_its_other_containers() -> None:
    spec = {
        "containers": [
            {"name": "log", "image": "log:1", "args": ["{{.runName}}"]},
            {"name": "task", "image": "task:1", "args": ["{{.input}}"], "ports": [{"containerPort": 8080}]},
        ],
        "terminationGracePeriodSeconds": 5,
    }
    task = pod_task(spec, primary="task", labels={"team": "a", "flyte.org/run": "r2"}, annotations={"note": "b"})

    body = made(task, labels={"flyte.org/run": "r1", "team": "run"})

    log, own = body["spec"]["containers"]
    assert (log["args"], env(body, 0)) == (["r1"], {})
    assert own["args"] == ["s3://runs/r1/a1/inputs.pb"]
    assert repr(own["ports"]) == "[{'containerPort': 8080}]"  # and not 8080.0, which no API server takes
    assert repr(body["spec"]["terminationGracePeriodSeconds"]) == "5"
    assert env(body, 1)["ACTION_NAME"] == "a1"
    assert body["metadata"]["annotations"]["note"] == "b"
    assert body["metadata"]["labels"].items() >= {"team": "a", "flyte.org/run": "r1"}.items()


@pytest.mark.parametrize("how", ["primary", "config", "first"])
def test_the_primary_container_is_found_in_the_three_ways_of_flyte(how: str) -> None:
    names = ["one", "two"] if how != "first" else ["two", "one"]
    task = pod_task(
        {"containers": [{"name": name, "image": "i"} for name in names]}, primary="two" if how == "primary" else ""
    )
    if how == "config":
        task.config["primary_container_name"] = "two"

    body = made(task)

    assert "ACTION_NAME" in env(body, names.index("two"))
    assert "ACTION_NAME" not in env(body, names.index("one"))


def test_a_pod_template_underlies_the_tasks_pod() -> None:
    shared = {"name": "shared", "hostPath": {"path": "/data"}}
    base = {
        "metadata": {"annotations": {"from": "template"}, "labels": {"team": "base"}},
        "spec": {
            "volumes": [shared],
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "a"}],
            "containers": [
                {"name": "default", "imagePullPolicy": "Never", "env": [{"name": "EVERY", "value": "1"}]},
                {"name": "primary", "image": "none", "volumeMounts": [{"name": "shared", "mountPath": "/data"}]},
                {"name": "helper", "image": "helper:1"},
            ],
        },
    }
    spec = {
        "containers": [{"name": "task", "image": "task:1", "env": [{"name": "OWN", "value": "1"}]}],
        "nodeSelector": {"zone": "b"},
        "tolerations": [{"key": "b"}],
    }

    body = made(pod_task(spec), CONNECTED, base)

    task, helper = body["spec"]["containers"]
    assert (task["name"], task["image"], task["imagePullPolicy"]) == ("task", "task:1", "Never")
    assert [mount["mountPath"] for mount in task["volumeMounts"]] == [
        "/data",
        "/var/run/secrets/taskaction.dev/flyte",
    ]
    assert env(body).items() >= {"EVERY": "1", "OWN": "1", "ACTION_NAME": "a1"}.items()
    assert (helper["name"], helper["image"]) == ("helper", "helper:1")
    assert [volume["name"] for volume in body["spec"]["volumes"]] == ["shared", "taskaction-flyte-token"]
    assert body["spec"]["nodeSelector"] == {"disk": "ssd", "zone": "b"}
    assert body["spec"]["tolerations"] == [{"key": "a"}, {"key": "b"}]
    assert body["metadata"]["annotations"]["from"] == "template"
    assert base["spec"]["containers"][0]["name"] == "default"  # what was read is not changed


def test_what_kubernetes_adds_to_a_pod_template_changes_nothing() -> None:
    container = {"name": "primary", "image": "none", "terminationMessagePolicy": "File"}

    spec = made(base={"spec": {"restartPolicy": "Always", "containers": [container]}})["spec"]

    assert spec["restartPolicy"] == "Never"  # or a task that has ended would begin again
    assert spec["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"


SPOT = FlyteSettings(interruptible={"tolerations": [{"key": "spot"}], "nodeSelector": {"kind": "spot"}})


@pytest.mark.parametrize(
    ("task_says", "run_says", "left", "spot"),
    [
        (True, None, 1, True),
        (True, None, 0, False),  # the last one that the platform may end runs where it does not
        (False, None, 1, False),
        (False, True, 1, True),
        (True, False, 1, False),
    ],
)
def test_an_interruptible_pod_goes_where_it_can_be_taken_away_but_for_the_last_time(
    task_says: bool, run_says: bool | None, left: int, spot: bool
) -> None:
    task = container_task()
    task.metadata.interruptible = task_says

    spec = made(task, SPOT, fields={"interruptible": run_says}, chances_left=left)["spec"]

    assert ("nodeSelector" in spec, "tolerations" in spec) == (spot, spot)


def test_gpus_and_shared_memory_are_asked_for() -> None:
    task = container_task(resources={"requests": [amount("GPU", "2"), amount("MEMORY", "1Gi")]})
    task.extended_resources.gpu_accelerator.device = "nvidia-tesla-a100"
    task.extended_resources.shared_memory.size_limit = "2Gi"

    spec = made(task)["spec"]

    assert spec["containers"][0]["resources"] == {
        "requests": {"nvidia.com/gpu": "2", "memory": "1Gi"},
        "limits": {"nvidia.com/gpu": "2", "memory": "1Gi"},
    }
    assert spec["nodeSelector"] == {"k8s.amazonaws.com/accelerator": "nvidia-tesla-a100"}
    assert spec["volumes"][0]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert spec["containers"][0]["volumeMounts"][0]["mountPath"] == "/dev/shm"


LIMITS: list[tuple[Body, Body, Body]] = [
    ({"memory": "250Mi"}, {}, {"memory": "250Mi"}),
    ({"memory": "250Mi", "cpu": "1"}, {"cpu": "2"}, {"memory": "250Mi", "cpu": "2"}),
    ({}, {"memory": "1Gi"}, {"memory": "1Gi"}),
    ({}, {}, {}),
]


@pytest.mark.parametrize(("requests", "limits", "found"), LIMITS)
@pytest.mark.parametrize("form", ["container", "pod"])
def test_a_request_without_a_limit_is_its_own_limit(form: str, requests: Body, limits: Body, found: Body) -> None:
    given = {"requests": requests, "limits": limits}
    if form == "pod":
        task = pod_task({"containers": [{"name": "main", "image": "a", "resources": given}]})
    else:
        task = container_task(
            resources={
                field: [amount(name.upper(), value) for name, value in amounts.items()]
                for field, amounts in given.items()
            }
        )

    assert made(task)["spec"]["containers"][0].get("resources", {}).get("limits", {}) == found


def test_limits_of_the_pod_template_stay_and_its_requests_are_no_limits() -> None:
    base = {
        "spec": {
            "containers": [{"name": "primary", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}}]
        }
    }
    task = container_task(resources={"requests": [amount("MEMORY", "1Gi")]})

    resources = made(task, base=base)["spec"]["containers"][0]["resources"]

    assert resources == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}


@pytest.mark.parametrize(
    ("own", "found"),
    [({}, True), ({"shareProcessNamespace": False}, False), ({"hostPID": True}, None)],
)
def test_the_program_is_not_process_1_which_ignores_sigterm(own: Body, found: bool | None) -> None:
    spec = made(pod_task({"containers": [{"name": "main", "image": "a"}], **own}))["spec"]

    assert spec.get("shareProcessNamespace") == found


@pytest.mark.parametrize(
    ("uri", "file", "folder"),
    [
        ("s3://runs/r1/a1/inputs.pb", "s3://runs/r1/a1/inputs.pb", "s3://runs/r1/a1"),
        ("s3://runs/r1/a1/in.pb", "s3://runs/r1/a1/in.pb", "s3://runs/r1/a1"),
        ("s3://runs/r1/a1", "s3://runs/r1/a1/inputs.pb", "s3://runs/r1/a1"),
        ("s3://runs/r1/a1/", "s3://runs/r1/a1/inputs.pb", "s3://runs/r1/a1"),
        ("s3://runs", "s3://runs/inputs.pb", "s3://runs"),
    ],
)
def test_f08_inputs_are_named_by_their_file_or_by_its_folder(uri: str, file: str, folder: str) -> None:
    task = container_task(args=["{{.input}}", "{{.inputPrefix}}"])

    assert made(task, fields={"inputUri": uri})["spec"]["containers"][0]["args"] == [file, folder]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"runOutputBase": "file:///runs/r1"}, "/runs/r1/a1/1/raw"),
        ({"rawDataPrefix": "file:///raw"}, "/raw/r1/a1/1"),
        ({"runOutputBase": "file:///runs/r1", "rawDataPrefix": "s3://raw"}, "s3://raw/r1/a1/1"),
        ({}, "s3://runs/r1/a1/1/raw"),
    ],
)
def test_f01_the_raw_data_prefix_of_a_volume_is_a_plain_path(fields: Body, found: str) -> None:
    task = container_task(args=["{{.rawOutputDataPrefix}}"])

    assert made(task, fields=fields)["spec"]["containers"][0]["args"] == [found]


def test_secrets_are_keys_of_kubernetes_own() -> None:
    task = container_task()
    wanted = task.security_context.secrets
    wanted.append(Secret(group="db", key="PASSWORD", mount_requirement=Secret.ENV_VAR, env_var="DB_PASSWORD"))
    wanted.append(Secret(key="api-key"))
    wanted.append(Secret(group="files", key="cert", mount_requirement=Secret.FILE))

    body = made(task)

    found = env(body)
    assert found["DB_PASSWORD"] == {"secretKeyRef": {"name": "db", "key": "PASSWORD"}}
    assert found["API_KEY"] == {"secretKeyRef": {"name": "api-key", "key": "api-key"}}
    assert body["spec"]["volumes"] == [{"name": "secret-files", "secret": {"secretName": "files"}}]
    assert body["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] == "/etc/flyte/secrets/files"


def test_kubernetes_itself_ends_a_pod_that_no_operator_ends() -> None:
    assert made(deadline=NOW + timedelta(seconds=30))["spec"]["activeDeadlineSeconds"] == 90


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (TaskTemplate(type="x"), "neither a container nor a pod"),
        (TaskTemplate(type="x", sql=Sql(statement="select 1")), "a sql, and only containers and pods"),
        (container_task(image=""), "container.image is empty"),
        (container_task(data_config=DataLoadingConfig(enabled=True)), "copilot"),
        (pod_task({}), "must name at least one container"),
        (pod_task({"containers": [{"image": "i"}]}), "must have a name"),
        (pod_task({"containers": [{"name": "a"}]}, primary="b"), "no container 'b'"),
        (pod_task({"containers": [{"name": "a"}], "serviceAccountName": "admin"}), "spec.runAs"),
    ],
)
def test_a_template_that_is_no_pod_is_told_what_is_wrong_with_it(task: TaskTemplate, problem: str) -> None:
    with pytest.raises(InvalidParametersError, match=problem):
        made(task)
