"""What the chart makes of its values, and what the API server says to it; nothing is installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.helm import CHART, Helm, HelmError
from cluster.clusters import Cluster
from local import account
from local.manifests import CRDS, POLICIES

Manifest = dict[str, Any]
POLICIES_SERVED = ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
RELEASE = ("ta", str(CHART), "--namespace=ops")


@pytest.fixture(scope="module")
def helm() -> Helm:
    """Helm without a cluster."""
    return Helm.built()


def rendered(helm: Helm, *options: str) -> list[Manifest]:
    served = (f"{kind}{part}" for kind in POLICIES_SERVED for part in ("", "Binding"))
    known = (f"--api-versions=admissionregistration.k8s.io/v1/{kind}" for kind in served)
    text = helm("template", *RELEASE, *known, *options)
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def of_kind(manifests: list[Manifest], kind: str) -> Iterator[Manifest]:
    return (manifest for manifest in manifests if manifest["kind"] == kind)


def containers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "Job"}:
            spec = manifest["spec"]["template"]["spec"]
            yield from ((spec, container) for container in spec["containers"])


def test_it_holds_every_crd_and_policy_as_they_stand(helm: Helm) -> None:
    specs = {(one["kind"], one["metadata"]["name"]): one.get("spec") for one in rendered(helm)}
    for folder in CRDS, POLICIES:
        for path in folder.glob("*.yaml"):
            for manifest in yaml.safe_load_all(path.read_text()):
                assert specs[manifest["kind"], manifest["metadata"]["name"]] == manifest["spec"], path


@pytest.mark.parametrize(("keep", "policy"), [("true", "keep"), ("false", None)])
def test_crds_are_kept_unless_said_otherwise(helm: Helm, keep: str, policy: str | None) -> None:
    for crd in of_kind(rendered(helm, f"--set=crds.keep={keep}"), "CustomResourceDefinition"):
        assert crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == policy


def test_crds_and_policies_can_be_left_to_others(helm: Helm) -> None:
    kinds = {one["kind"] for one in rendered(helm, "--set=crds.enabled=false", "--set=admissionPolicies.enabled=false")}
    assert "CustomResourceDefinition" not in kinds
    assert "ValidatingAdmissionPolicy" not in kinds


def test_the_operators_roles_are_those_that_its_tests_run_with(helm: Helm) -> None:
    rules = [rule for role in of_kind(rendered(helm, "--no-hooks"), "ClusterRole") for rule in role["rules"]]
    assert rules == [rule for name in account.EVERYWHERE for rule in account.read(name)]
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in rules)


def test_watching_a_few_namespaces_asks_for_rights_in_these_alone(helm: Helm) -> None:
    found = rendered(helm, "--set=watchNamespaces={a,b}", "--no-hooks")
    served = [
        one["metadata"]["namespace"] for one in of_kind(found, "RoleBinding") if "-served" in one["metadata"]["name"]
    ]
    assert served == ["a", "b"]
    assert [one["metadata"]["name"] for one in of_kind(found, "ClusterRoleBinding")] == ["ta-taskaction-operator-ops"]
    env = {one["name"]: one.get("value") for _, container in containers(found) for one in container["env"]}
    assert env["TASKACTION_WATCH_NAMESPACES"] == "a,b"


@pytest.mark.parametrize(
    ("values", "bindings"),
    [
        ((), []),
        (("--set=accounts.namespaces={team}",), [("RoleBinding", "team")]),
        (("--set=accounts.everywhere=true",), [("ClusterRoleBinding", None)]),
    ],
    ids=["nowhere", "in one namespace", "everywhere"],
)
def test_accounts_are_used_where_that_was_allowed(helm: Helm, values: tuple[str, ...], bindings: list[Any]) -> None:
    found = [
        (one["kind"], one["metadata"].get("namespace"))
        for one in rendered(helm, *values)
        if one["kind"].endswith("Binding") and one["metadata"]["name"].endswith("-accounts")
    ]
    assert found == bindings


def test_every_container_keeps_to_the_restricted_standard(helm: Helm) -> None:
    for spec, container in containers(rendered(helm)):
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_settings_become_the_operators_environment(helm: Helm) -> None:
    found = rendered(helm, "--set=settings.WORKERS_COUNT=128", "--set-string=settings.LOG_LEVEL=debug", "--no-hooks")
    env = {one["name"]: one.get("value") for _, container in containers(found) for one in container["env"]}
    assert (env["TASKACTION_WORKERS_COUNT"], env["TASKACTION_LOG_LEVEL"]) == ("128", "debug")


AGENT = (
    "--set=portAgent.enabled=true",
    "--set=portAgent.installationId=cluster-a",
    "--set=portAgent.namespace=port",
    "--set=portAgent.credentialsSecret=port",
)


def test_the_port_agent_is_there_only_where_it_is_asked_for(helm: Helm) -> None:
    assert not any("port-agent" in one["metadata"]["name"] for one in rendered(helm))
    names = {(one["kind"], one["metadata"]["name"], one["metadata"]["namespace"]) for one in agents(helm)}
    assert names == {
        ("ServiceAccount", "ta-taskaction-operator-port-agent", "ops"),
        ("Deployment", "ta-taskaction-operator-port-agent", "ops"),
        ("Role", "ta-taskaction-operator-port-agent", "port"),
        ("RoleBinding", "ta-taskaction-operator-port-agent", "port"),
    }


def agents(helm: Helm, *options: str) -> list[Manifest]:
    return [one for one in rendered(helm, *AGENT, *options) if "port-agent" in one["metadata"]["name"]]


def test_the_port_agent_has_the_rights_that_its_tests_run_with_and_no_others(helm: Helm) -> None:
    roles = list(of_kind(agents(helm), "Role"))
    assert [role["rules"] for role in roles] == [account.read("port-agent")]
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in roles[0]["rules"])
    (binding,) = of_kind(agents(helm), "RoleBinding")
    assert binding["subjects"][0]["name"] == "ta-taskaction-operator-port-agent"


def test_the_port_agent_takes_its_credentials_from_the_secret_and_keeps_to_the_restricted_standard(helm: Helm) -> None:
    mapping = '--set-json=portAgent.mapping={"deploy": {"provider": "ci"}}'
    found = agents(helm, mapping, "--set=portAgent.settings.POLL_CHECK_INTERVAL_SECONDS=2")
    ((spec, container),) = containers(found)
    env = {one["name"].removeprefix("TASKACTION_PORT_AGENT_"): one for one in container["env"]}
    for name, key in (("CLIENT_ID", "clientId"), ("CLIENT_SECRET", "clientSecret")):
        assert env[name]["valueFrom"] == {"secretKeyRef": {"name": "port", "key": key}}
    assert env["MAPPING"]["value"] == '{"deploy":{"provider":"ci"}}'
    assert env["POLL_CHECK_INTERVAL_SECONDS"]["value"] == "2"
    assert (env["NAMESPACE"]["value"], env["INSTALLATION_ID"]["value"]) == ("port", "cluster-a")
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["args"] == ["port-agent", "run"]


@pytest.mark.parametrize("missing", ["installationId", "namespace", "credentialsSecret"])
def test_a_port_agent_without_what_it_needs_is_refused(helm: Helm, missing: str) -> None:
    with pytest.raises(HelmError, match=missing):
        helm("template", *RELEASE, *AGENT, f"--set=portAgent.{missing}=")


def test_a_port_agent_whose_actions_nobody_would_run_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"portAgent\.namespace.*add it to watchNamespaces"):
        helm("template", *RELEASE, *AGENT, "--set=watchNamespaces={team}")
    helm("template", *RELEASE, *AGENT, "--set=watchNamespaces={team,port}")


INBOX = (
    "--set=webhooks.enabled=true",
    "--set=webhooks.url=https://hooks.example.org",
    "--set=webhooks.keySecret=webhook-key",
)


def inboxes(helm: Helm, *options: str) -> list[Manifest]:
    return [one for one in rendered(helm, *INBOX, *options) if "-webhooks" in one["metadata"]["name"]]


def test_the_inbox_is_there_only_where_it_is_asked_for(helm: Helm) -> None:
    assert not any("webhooks" in one["metadata"]["name"] for one in rendered(helm))
    kinds = sorted(one["kind"] for one in inboxes(helm) if one["kind"] not in {"ClusterRole", "ClusterRoleBinding"})
    assert kinds == ["Deployment", "Service", "ServiceAccount"]


def test_the_inbox_has_the_rights_that_its_tests_run_with_and_no_others(helm: Helm) -> None:
    found = inboxes(helm)
    rules = [rule for role in of_kind(found, "ClusterRole") for rule in role["rules"]]
    assert rules == [*account.read("webhooks-cluster"), *account.read("webhooks")]
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in rules)
    for binding in of_kind(found, "ClusterRoleBinding"):
        assert [subject["name"] for subject in binding["subjects"]] == ["ta-taskaction-operator-webhooks"]


def test_the_inbox_keeps_to_the_namespaces_that_are_served_and_to_the_accounts_that_are_open(helm: Helm) -> None:
    found = inboxes(helm, "--set=watchNamespaces={a,b}", "--set=accounts.namespaces={a}")
    bound = [(one["metadata"]["namespace"], one["roleRef"]["name"]) for one in of_kind(found, "RoleBinding")]
    name = "ta-taskaction-operator-ops"
    assert bound == [("a", f"{name}-webhooks"), ("b", f"{name}-webhooks"), ("a", f"{name}-accounts")]


def test_operator_and_inbox_share_the_key_of_callbacks(helm: Helm) -> None:
    found = rendered(helm, *INBOX, "--set=webhooks.settings.MAX_PENDING=7", "--no-hooks")
    pods = {container["name"]: (spec, container) for spec, container in containers(found)}
    for spec, container in pods.values():
        env = {one["name"]: one.get("value") for one in container["env"]}
        assert env["TASKACTION_WEBHOOKS_URL"] == "https://hooks.example.org"
        folder, _, name = env["TASKACTION_WEBHOOKS_KEY_FILE"].rpartition("/")
        assert [(one["mountPath"], one["readOnly"]) for one in container["volumeMounts"]] == [(folder, True)]
        (volume,) = spec["volumes"]
        assert volume["secret"] == {"secretName": "webhook-key", "items": [{"key": "key", "path": name}]}
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(pods) == {"operator", "webhooks"}
    assert {one["name"]: one.get("value") for one in pods["webhooks"][1]["env"]}[
        "TASKACTION_WEBHOOKS_MAX_PENDING"
    ] == "7"


def test_without_a_key_the_inbox_serves_providers_only(helm: Helm) -> None:
    for spec, container in containers(rendered(helm, "--set=webhooks.enabled=true", "--no-hooks")):
        assert "TASKACTION_WEBHOOKS_KEY_FILE" not in {one["name"] for one in container["env"]}
        assert "volumes" not in spec


def test_a_key_of_callbacks_without_their_address_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match="webhooks/url"):
        helm("template", *RELEASE, "--set=webhooks.keySecret=x")


def test_the_service_finds_the_inbox_and_not_the_operator(helm: Helm) -> None:
    found = rendered(helm, *INBOX)
    (service,) = of_kind(found, "Service")
    selected = [
        one["metadata"]["name"]
        for one in of_kind(found, "Deployment")
        if service["spec"]["selector"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert selected == ["ta-taskaction-operator-webhooks"]


WRONG = {
    "an address of the inbox that cannot be": "webhooks.url=hooks",
    "a setting of the inbox that the chart decides": "webhooks.settings.BIND=x",
    "a target of the port agent that cannot be": "portAgent.mapping.deploy.job=x",
    "a setting of the port agent that the chart decides": "portAgent.settings.CLIENT_SECRET=x",
    "an unknown value": "replicas=3",
    "an unknown value further down": "image.name=x",
    "a setting that the chart decides": "settings.NAMESPACE=x",
    "a setting with its prefix in small letters": "settings.workers=3",
    "a namespace that cannot be": "watchNamespaces={Team}",
    "a pull policy that cannot be": "image.pullPolicy=Sometimes",
    "too little time to drain": "terminationGracePeriodSeconds=5",
}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused_by_name(helm: Helm, value: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm("template", *RELEASE, f"--set={value}")
    assert value.partition("=")[0].rpartition(".")[2] in str(refused.value)


def test_the_linter_finds_nothing(helm: Helm) -> None:
    helm("lint", "--strict", str(CHART))


def test_the_api_server_takes_all_of_it(cluster: Cluster, tmp_path: Path, helm: Helm) -> None:
    content = helm("template", *RELEASE, "--namespace=default", *AGENT, *INBOX, "--set=portAgent.namespace=default")
    path = tmp_path / "all.yaml"
    path.write_text(content)
    said = cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", f"--filename={path}")
    assert len(said.splitlines()) == len([one for one in yaml.safe_load_all(content) if one])
