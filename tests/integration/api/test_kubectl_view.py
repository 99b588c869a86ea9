"""What people see by kubectl: columns, short names, the category, field selectors and explanations."""

import json
from collections.abc import Iterator

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.refusals import Body, create, manifest, merge
from taskaction.core.constants import API_VERSION
from taskaction.crdgen.manifest import KINDS, Kind

COLUMNS = {
    "ta": "NAME PHASE EXECUTOR PROVIDER TASK ATTEMPT MESSAGE AGE",
    "ap": "NAME EXECUTOR READY REASON QUEUED RUNNING AGE",
    "cap": "NAME EXECUTOR READY REASON QUEUED RUNNING AGE",
    "ae": "NAME TYPE TARGET SENDER AGE",
    "af": "NAME VALID REASON TITLE AGE",
    "afr": "NAME PHASE FLOW STATE MESSAGE AGE",
}
WIDE = {
    "ta": f"{COLUMNS['ta']} REASON PARENT PARTITION EXTERNAL-ID",
    "ap": f"{COLUMNS['ap']} MESSAGE",
    "cap": f"{COLUMNS['cap']} MESSAGE",
    "ae": f"{COLUMNS['ae']} CORRELATION-KEY",
    "af": f"{COLUMNS['af']} MESSAGE",
    "afr": f"{COLUMNS['afr']} REASON LABEL TAGS VISITS PARENT",
}
STATUS = {"phase": "Running", "reason": "Started", "message": "half", "attempt": 2, "externalId": "job-1"}
OBJECTS = {
    "ta": manifest("TaskAction", {"executor": "noop", "parentRef": {"name": "one"}, "partitionKey": "shop"}),
    "ap": manifest("ActionProvider", {"executor": "noop"}),
    "ae": manifest(
        "ActionEvent", {"type": "Update", "target": {"name": "one"}, "correlationKey": "job-1", "sender": "me"}
    ),
    "af": manifest("ActionFlow", {"definition": {"StartAt": "Only"}, "title": "flow"}),
    "afr": manifest("ActionFlowRun", {"flowRef": {"name": "f"}, "parentRef": {"name": "one"}}),
}
SELECTED = {
    "status.phase=Running": "ta",
    "status.phase!=Succeeded,status.phase!=Queued": "ta",
    "spec.executor=noop,spec.parentRef.name=one": "ta",
    "spec.parentRef.name=one": "ta",
    "spec.partitionKey=shop": "ta",
    "spec.executor=noop": "ap",
    "spec.type=Update": "ae",
    "spec.target.name=one": "ae",
    "spec.correlationKey=job-1": "ae",
    "spec.flowRef.name=f,spec.parentRef.name=one,status.phase=Queued": "afr",
}


@pytest.fixture(scope="module")
def objects(shared: Kubectl) -> Iterator[Kubectl]:
    """One object of each kind that has everything that is shown, and others that no selector means."""
    for body in OBJECTS.values():
        create(shared, body)
    create(shared, manifest("ClusterActionProvider", {"executor": "noop"}, name=f"subject-{shared.namespace}"))
    create(shared, manifest("TaskAction", {"providerRef": {"name": "p"}}, name="other"))
    create(shared, manifest("ActionProvider", {"executor": "sleep"}, name="other"))
    create(shared, manifest("ActionEvent", {"type": "Trace", "target": {"name": "two"}}, name="other"))
    merge(shared, "ta", "subject", {"status": STATUS}, "--subresource=status")
    yield shared
    shared("delete", "cap", f"subject-{shared.namespace}")


@pytest.mark.parametrize("short", COLUMNS)
def test_a_list_has_the_columns_that_people_look_for(objects: Kubectl, short: str) -> None:
    assert " ".join(objects("get", short).splitlines()[0].split()) == COLUMNS[short]
    assert " ".join(objects("get", short, "-o", "wide").splitlines()[0].split()) == WIDE[short]


def test_a_row_says_how_an_action_stands(objects: Kubectl) -> None:
    row = objects("get", "ta", "subject", "-o", "wide", "--no-headers").split()
    assert row[:5] == ["subject", "Running", "noop", "2", "half"]  # no provider, so nothing in its column
    assert row[6:] == ["Started", "one", "shop", "job-1"]  # after the age
    assert objects("get", "ta", "other", "--no-headers").split()[:3] == ["other", "Queued", "p"]


def test_every_kind_has_its_short_name(crds: Cluster) -> None:
    rows = crds.kubectl("api-resources", f"--api-group={API_VERSION.partition('/')[0]}", "--no-headers").splitlines()
    assert {(row.split()[0], row.split()[1], row.split()[-1]) for row in rows} >= {
        ("taskactions", "ta", "TaskAction"),
        ("actionproviders", "ap", "ActionProvider"),
        ("clusteractionproviders", "cap", "ClusterActionProvider"),
        ("actionevents", "ae", "ActionEvent"),
        ("actionflows", "af", "ActionFlow"),
        ("actionflowruns", "afr", "ActionFlowRun"),
    }


def test_the_category_shows_everything(objects: Kubectl) -> None:
    names = objects("get", "actions", "-o", "name").split()
    assert {name.partition("/")[0].partition(".")[0] for name in names} >= {
        "taskaction",
        "actionprovider",
        "clusteractionprovider",
        "actionevent",
        "actionflow",
        "actionflowrun",
    }


@pytest.mark.parametrize(("selector", "kind"), SELECTED.items(), ids=SELECTED)
def test_objects_are_selected_by_a_field(objects: Kubectl, selector: str, kind: str) -> None:
    found = objects("get", kind, f"--field-selector={selector}", "-o", "jsonpath={.items[*].metadata.name}")
    assert found == "subject"


def test_actions_are_selected_by_their_provider(objects: Kubectl) -> None:
    flag = "--field-selector=spec.providerRef.name=p"
    assert objects("get", "ta", flag, "-o", "jsonpath={.items[*].metadata.name}") == "other"


def test_every_selectable_field_is_in_the_table() -> None:
    tested = {part.partition("=")[0].rstrip("!") for selector in SELECTED for part in selector.split(",")}
    selectable = {path.removeprefix(".") for kind in KINDS for path in kind.selectable}
    assert tested | {"spec.providerRef.name"} == selectable


@pytest.fixture(scope="module")
def published(crds: Cluster) -> Body:
    """The schemas that `kubectl explain` reads."""
    document = json.loads(crds.kubectl("get", "--raw", f"/openapi/v3/apis/{API_VERSION}"))
    return dict(document["components"]["schemas"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_is_explained(published: Body, kind: Kind) -> None:
    group, _, version = API_VERSION.partition("/")
    schema = published[".".join([*reversed(group.split(".")), version, kind.name])]
    assert schema["description"]
    fields = dict(walk("", schema))
    assert len(fields) > 10
    assert [path for path, text in fields.items() if not text.strip()] == []


def walk(path: str, schema: Body) -> Iterator[tuple[str, str]]:
    """Give every field below a schema with its description."""
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child.get("description", "")
        yield from walk(f"{path}.{name}", child)
        yield from walk(f"{path}.{name}[]", child.get("items", {}))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("ta", "Creating the object starts the action; deleting it aborts it and its children."),
        ("ta.spec.timeouts.attempt", "Maximum time from the start of an attempt to its end."),
        ("ta.spec.parametersFrom.secretKeyRef.key", "The key in the object."),
        ("ta.status.phase", "then Succeeded, Failed, Aborted or TimedOut"),
        ("cap.spec.allowedNamespaces", "`team-*` for a prefix"),
        ("ae.spec.ttlSeconds", "at most 7 days"),
    ],
)
def test_kubectl_explains_a_field(crds: Cluster, path: str, words: str) -> None:
    assert words in " ".join(crds.kubectl("explain", path).split())
