"""What the chart makes of its values, and what the API server says to it; nothing is installed."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chart.helm import CHART, Helm, HelmError
from cluster.clusters import Cluster
from local import account
from local.manifests import CRDS, POLICIES
from support.cluster import new_namespace
from support.observability import ALERTS, DASHBOARD, RULES
from support.rendered import read_manifests
from taskaction.integrations.flyte.service.settings import ActionsConfig

Manifest = dict[str, Any]
POLICIES_SERVED = ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
RELEASE = ("ta", str(CHART), "--namespace=ops")


@pytest.fixture(scope="module")
def helm() -> Helm:
    """Helm without a cluster."""
    return Helm.built()


@cache
def rendered(helm: Helm, *options: str) -> list[Manifest]:
    served = (f"{kind}{part}" for kind in POLICIES_SERVED for part in ("", "Binding"))
    known = (f"--api-versions=admissionregistration.k8s.io/v1/{kind}" for kind in served)
    text = helm("template", *RELEASE, *known, *options)
    return read_manifests(text)


def of_kind(manifests: list[Manifest], kind: str) -> Iterator[Manifest]:
    return (manifest for manifest in manifests if manifest["kind"] == kind)


def containers(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "Job", "Pod"}:
            spec = manifest["spec"] if manifest["kind"] == "Pod" else manifest["spec"]["template"]["spec"]
            yield from ((spec, container) for container in spec["containers"])


def test_it_holds_every_crd_and_policy_as_they_stand(helm: Helm) -> None:
    specs = {(one["kind"], one["metadata"]["name"]): one.get("spec") for one in rendered(helm)}
    for folder in CRDS, POLICIES:
        for path in folder.glob("*.yaml"):
            for manifest in read_manifests(path.read_text()):
                assert specs[manifest["kind"], manifest["metadata"]["name"]] == manifest["spec"], path


STORAGES = {"STORAGE": "s3://own", "FLOWS_STORAGE": "s3://old", "FLYTE_STORAGE": "team=s3://tasks"}


@pytest.mark.parametrize("names", [["STORAGE"], ["FLOWS_STORAGE"], ["FLYTE_STORAGE"], [*STORAGES], []], ids=str)
def test_every_component_that_reads_files_has_the_storage_of_the_operator(helm: Helm, names: list[str]) -> None:
    wanted = [f"--set=settings.{name}={STORAGES[name]}" for name in names]
    enabled = [f"--set={name}.enabled=true" for name in ("webhooks", "actions")]
    found = rendered(helm, *enabled, "--set=settings.SHARDS=4", *wanted)
    variables = {
        manifest["metadata"]["name"]: {
            entry["name"].removeprefix("TASKACTION_"): entry["value"]
            for one in manifest["spec"]["template"]["spec"]["containers"]
            for entry in one["env"]
            if entry["name"].removeprefix("TASKACTION_") in STORAGES
        }
        for manifest in of_kind(found, "Deployment")
    }
    assert len(variables) == 3
    assert all(shown == {name: STORAGES[name] for name in names} for shown in variables.values()), variables


@pytest.mark.parametrize(("keep", "policy"), [("true", "keep"), ("false", None)])
def test_crds_are_kept_unless_said_otherwise(helm: Helm, keep: str, policy: str | None) -> None:
    for crd in of_kind(rendered(helm, f"--set=crds.keep={keep}"), "CustomResourceDefinition"):
        assert crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == policy


def test_crds_and_policies_can_be_left_to_others(helm: Helm) -> None:
    kinds = {one["kind"] for one in rendered(helm, "--set=crds.enabled=false", "--set=admissionPolicies.enabled=false")}
    assert "CustomResourceDefinition" not in kinds
    assert "ValidatingAdmissionPolicy" not in kinds


def test_the_operators_roles_are_those_that_its_tests_run_with(helm: Helm) -> None:
    found = rendered(helm, "--no-hooks", "--set=userRoles.enabled=false")
    rules = [rule for role in of_kind(found, "ClusterRole") for rule in role["rules"]]
    assert sorted(map(str, rules)) == sorted(str(rule) for name in account.EVERYWHERE for rule in account.read(name))
    (role,) = of_kind(found, "Role")
    assert (role["metadata"]["namespace"], role["rules"]) == ("ops", account.read(account.OWN))
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in rules)


def test_watching_a_few_namespaces_asks_for_rights_in_these_alone(helm: Helm) -> None:
    found = rendered(helm, "--set=watchNamespaces={a,b}")
    for part, rights in (("operator-served", "served"), ("release", "release")):
        name = f"ta-taskaction-operator-ops-{part}"
        roles = [one for one in of_kind(found, "Role") if one["metadata"]["name"] == name]
        assert [(one["metadata"]["namespace"], one["rules"]) for one in roles] == [
            (namespace, account.read(rights)) for namespace in ("a", "b")
        ]
        bound = [one for one in of_kind(found, "RoleBinding") if one["metadata"]["name"] == name]
        assert [(one["metadata"]["namespace"], one["roleRef"]["kind"]) for one in bound] == [
            ("a", "Role"),
            ("b", "Role"),
        ]
    (everywhere,) = of_kind(found, "ClusterRoleBinding")  # what belongs to no namespace, and nothing else
    (role,) = (one for one in of_kind(found, "ClusterRole") if one["metadata"]["name"] == everywhere["roleRef"]["name"])
    assert role["rules"] == account.read("cluster")
    env = {one["name"]: one.get("value") for _, container in containers(found) for one in container.get("env", ())}
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
    assert kinds == ["Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"]


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
    served = f"{name}-webhooks-served"
    assert sorted(bound) == [("a", f"{name}-accounts"), ("a", served), ("b", served)]


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


HISTORY = ("--set=history.url=postgresql://ta@db:5432/ta", "--set=history.passwordSecret=history")


def test_operator_hook_and_service_share_the_database_of_the_history(helm: Helm) -> None:
    served = rendered(helm, *HISTORY, "--set=history.serve.enabled=true")
    found = {tuple(container["args"][:2]): container for _, container in containers(served)}
    password = {"valueFrom": {"secretKeyRef": {"name": "history", "key": "password"}}}
    for command in (("operator", "run"), ("history", "migrate"), ("history", "serve")):
        env = {entry.pop("name"): entry for entry in map(dict, found[command]["env"])}
        assert env["TASKACTION_HISTORY"] == {"value": "postgresql://ta@db:5432/ta"}
        assert env["TASKACTION_HISTORY_PASSWORD"] == password
    (hook,) = (job for job in of_kind(rendered(helm, *HISTORY), "Job") if job["metadata"]["name"].endswith("migration"))
    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert hook["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_a_service_of_a_history_requires_its_database(helm: Helm) -> None:
    with pytest.raises(HelmError, match="history/url"):
        helm("template", *RELEASE, "--set=history.serve.enabled=true")


@pytest.mark.parametrize("options", [(), (*HISTORY, "--set=history.migrate=false")])
def test_nothing_is_migrated_without_a_history_or_a_hook(helm: Helm, options: tuple[str, ...]) -> None:
    jobs = [job["metadata"]["name"] for job in of_kind(rendered(helm, *options), "Job")]
    assert not [name for name in jobs if name.endswith("migration")]


def test_the_service_finds_the_inbox_and_not_the_operator(helm: Helm) -> None:
    found = rendered(helm, *INBOX)
    (service,) = (one for one in of_kind(found, "Service") if one["metadata"]["name"].endswith("-webhooks"))
    assert chosen_by(found, service["spec"]["selector"]) == ["ta-taskaction-operator-webhooks"]


def chosen_by(found: list[Manifest], selector: dict[str, str]) -> list[str]:
    return [
        one["metadata"]["name"]
        for one in of_kind(found, "Deployment")
        if selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]


FLYTE = ("--set=actions.enabled=true", "--set=actions.namespaces.shop/production=shop")


def test_the_actions_service_is_there_only_where_it_is_asked_for(helm: Helm) -> None:
    def names(*options: str) -> list[Manifest]:
        return [one for one in rendered(helm, *options) if "actions" in one["metadata"]["name"].split("-")]

    assert names() == []
    assert {one["kind"] for one in names(*FLYTE)} > {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"}


def test_the_actions_service_has_its_rights_in_the_namespaces_of_its_actions_alone(helm: Helm) -> None:
    found = [one for one in rendered(helm, *FLYTE) if "-actions" in one["metadata"]["name"]]
    assert [(one["metadata"]["namespace"], one["rules"]) for one in of_kind(found, "Role")] == [
        (namespace, account.read("actions")) for namespace in ("flyte", "shop")
    ]
    assert [one["rules"] for one in of_kind(found, "ClusterRole")] == [account.read("actions-cluster")]
    bindings = [*of_kind(found, "RoleBinding"), *of_kind(found, "ClusterRoleBinding")]
    assert {subject["name"] for one in bindings for subject in one["subjects"]} == {"ta-taskaction-operator-actions"}


def test_the_actions_service_gets_its_namespaces_executors_and_settings(helm: Helm) -> None:
    types = '--set-json=actions.taskTypes={"*": "pod", "spark": "resource"}'
    found = rendered(
        helm, *FLYTE, types, "--set=actions.audiences={flyte,x}", "--set=actions.settings.MAX_CONCURRENT_WATCHES=7"
    )
    (container,) = (one for _, one in containers(found) if one["name"] == "actions")
    env = {one["name"].removeprefix("TASKACTION_ACTIONS_"): one.get("value") for one in container["env"]}
    expected = {"NAMESPACE": "flyte", "NAMESPACES": "shop/production=shop", "TASK_TYPES": "*=pod,spark=resource",
                "AUDIENCES": "flyte,x", "MAX_CONCURRENT_WATCHES": "7", "BIND": "0.0.0.0:8094"}  # fmt: skip
    assert {name: env[name] for name in expected} == expected
    assert not any("TLS" in name or name == "AUTHENTICATION" for name in env)
    ActionsConfig.from_environment({f"TASKACTION_ACTIONS_{name}": str(value) for name, value in env.items()})


@pytest.mark.parametrize(
    ("options", "endpoint", "audience"),
    [
        ((), None, None),
        (FLYTE, "http://ta-taskaction-operator-actions.ops:80", None),
        (
            (
                *FLYTE,
                "--set=actions.tls.secret=cert",
                "--set=actions.audiences={flyte,x}",
                "--set=actions.service.port=9",
            ),
            "https://ta-taskaction-operator-actions.ops:9",
            "flyte",
        ),
        ((*FLYTE, "--set=settings.FLYTE_ENDPOINT=https://actions.example"), "https://actions.example", None),
    ],
)
def test_the_operator_tells_the_pods_of_flytes_tasks_where_the_service_is(
    helm: Helm, options: tuple[str, ...], endpoint: str | None, audience: str | None
) -> None:
    (container,) = (one for _, one in containers(rendered(helm, *options)) if one["name"] == "operator")
    env = [(one["name"], one.get("value")) for one in container["env"] if "_FLYTE_" in one["name"]]
    wanted = {"TASKACTION_FLYTE_ENDPOINT": endpoint, "TASKACTION_FLYTE_AUDIENCE": audience}
    assert env == [(name, value) for name, value in wanted.items() if value is not None]


def test_the_actions_service_speaks_tls_with_the_certificate_of_a_secret(helm: Helm) -> None:
    secret = ("--set=actions.tls.secret=cert", "--set=actions.tls.clientCertificates=true")
    found = rendered(helm, *FLYTE, *secret)
    ((spec, container),) = (pair for pair in containers(found) if pair[1]["name"] == "actions")
    env = {one["name"].removeprefix("TASKACTION_ACTIONS_"): one.get("value") for one in container["env"]}
    (mount,) = container["volumeMounts"]
    files = {"TLS_CERT_FILE": "tls.crt", "TLS_KEY_FILE": "tls.key", "TLS_CLIENT_CA_FILE": "ca.crt"}
    assert {name: env[name] for name in files} == {name: f"{mount['mountPath']}/{at}" for name, at in files.items()}
    assert spec["volumes"] == [{"name": mount["name"], "secret": {"secretName": "cert"}}]
    (service,) = (one for one in of_kind(found, "Service") if one["metadata"]["name"].endswith("-actions"))
    assert service["spec"]["ports"] == [{"name": "https", "port": 80, "targetPort": "serve"}]
    assert chosen_by(found, service["spec"]["selector"]) == ["ta-taskaction-operator-actions"]


def test_client_certificates_without_a_certificate_of_its_own_are_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match="actions/tls/secret"):
        helm("template", *RELEASE, "--set=actions.tls.clientCertificates=true")


def test_flytes_actions_that_nobody_would_run_are_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"actions\.namespace.*\"shop\"; add it to watchNamespaces"):
        helm("template", *RELEASE, *FLYTE, "--set=watchNamespaces={flyte}")


EVERYTHING = (*AGENT, *INBOX, *FLYTE, *HISTORY, "--set=history.serve.enabled=true", "--set=console.enabled=true")
COMPONENTS = {"operator", "webhooks", "actions", "history", "console", "port-agent"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"operator"}),
        (EVERYTHING, COMPONENTS),
        ((*EVERYTHING, "--set=operator.enabled=false"), COMPONENTS - {"operator"}),
        (("--set=operator.enabled=false",), set()),
    ],
    ids=["by default", "all of it", "beside an operator of another release", "nothing"],
)
def test_each_component_is_there_by_choice_from_one_image(
    helm: Helm, options: tuple[str, ...], expected: set[str]
) -> None:
    found = rendered(helm, *options, "--set=image.tag=v7")
    assert {
        one["metadata"]["labels"]["app.kubernetes.io/component"] for one in of_kind(found, "Deployment")
    } == expected
    assert {one["image"] for _, one in containers(found)} <= {"taskaction-operator:v7"}
    assert ("Job" in {one["kind"] for one in found}) is ("operator" in expected)  # it ends what its own operator runs
    for spec, container in containers(found):
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_people_get_roles_that_are_part_of_the_built_in_ones(helm: Helm) -> None:
    people = {"viewer": "view", "editor": "edit", "approver": "admin", "admin": "admin"}
    name = "ta-taskaction-operator-ops-"

    def roles(*options: str) -> dict[str, Manifest]:
        found = {
            one["metadata"]["name"].removeprefix(name): one for one in of_kind(rendered(helm, *options), "ClusterRole")
        }
        return {role: found[role] for role in people if role in found}

    for role, manifest in roles().items():
        assert manifest["rules"] == account.read(role)
        assert manifest["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{people[role]}"] == "true"
    assert set(roles()) == set(people)
    apart = roles("--set=userRoles.aggregate=false").values()
    assert not any("aggregate" in label for one in apart for label in one["metadata"]["labels"])
    assert roles("--set=userRoles.enabled=false") == {}


def test_pods_of_one_component_are_spread_and_not_all_evicted_at_once(helm: Helm) -> None:
    found = rendered(helm, *EVERYTHING, "--set=replicaCount=3")
    budgets = {one["metadata"]["name"]: one["spec"] for one in of_kind(found, "PodDisruptionBudget")}
    name = "ta-taskaction-operator"
    assert set(budgets) == {
        name,
        f"{name}-webhooks",
        f"{name}-actions",
    }  # a single agent must not keep a node from going
    for of, budget in budgets.items():
        assert budget["maxUnavailable"] == 1
        assert chosen_by(found, budget["selector"]["matchLabels"]) == [of]
    for one in of_kind(found, "Deployment"):
        spread = one["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [rule["topologyKey"] for rule in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert {rule["whenUnsatisfiable"] for rule in spread} == {"ScheduleAnyway"}
        assert all(
            chosen_by(found, rule["labelSelector"]["matchLabels"]) == [one["metadata"]["name"]] for rule in spread
        )
    nowhere = rendered(helm, "--set=topologySpread.topologyKeys=null")
    assert not any("topologySpreadConstraints" in spec for spec, _ in containers(nowhere))


def test_network_policies_let_in_what_is_served_and_nothing_else(helm: Helm) -> None:
    assert not any(of_kind(rendered(helm, *EVERYTHING), "NetworkPolicy"))
    peer = '--set-json=networkPolicy.actionsFrom=[{"podSelector": {}}]'
    egress = '--set-json=networkPolicy.egress=[{"ports": [{"port": 443}]}]'
    found = rendered(helm, *EVERYTHING, "--set=networkPolicy.enabled=true", peer)
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(found, "NetworkPolicy")}
    assert "ingress" not in policies.pop("ta-taskaction-operator-hooks"), "nobody calls a hook"
    pods = {one["name"]: one for _, one in containers(found) if "ports" in one}
    ports = {name: {port["name"] for port in one["ports"]} for name, one in pods.items()}
    for name, policy in policies.items():
        assert chosen_by(found, policy["podSelector"]["matchLabels"]) == [name]
        component = policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == ports.pop(component)
        assert policy["policyTypes"] == ["Ingress"]
    assert ports == {}
    assert policies["ta-taskaction-operator-actions"]["ingress"][1]["from"] == [{"podSelector": {}}]
    for one in of_kind(rendered(helm, "--set=networkPolicy.enabled=true", egress), "NetworkPolicy"):
        assert one["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert one["spec"]["egress"] == [{"ports": [{"port": 443}]}]


def test_a_priority_level_is_for_the_accounts_of_the_release(helm: Helm) -> None:
    assert not any(of_kind(rendered(helm), "FlowSchema"))
    found = rendered(helm, *EVERYTHING, "--set=flowControl.enabled=true")
    (level,) = of_kind(found, "PriorityLevelConfiguration")
    levels = {one["metadata"]["name"]: one["spec"] for one in of_kind(found, "FlowSchema")}
    name = "ta-taskaction-operator-ops"
    assert levels[name]["priorityLevelConfiguration"]["name"] == level["metadata"]["name"]
    assert levels[f"{name}-leases"]["priorityLevelConfiguration"]["name"] == "leader-election"
    assert levels[f"{name}-leases"]["matchingPrecedence"] < levels[name]["matchingPrecedence"]
    accounts = {one["spec"]["template"]["spec"]["serviceAccountName"] for one in of_kind(found, "Deployment")}
    for spec in levels.values():
        assert {subject["serviceAccount"]["name"] for subject in spec["rules"][0]["subjects"]} == accounts


@pytest.mark.parametrize(
    ("options", "namespace"), [((), "ops"), (("--set=watchNamespaces={a,b}",), "a")], ids=["all", "some namespaces"]
)
def test_helms_test_runs_an_action_where_the_operator_runs_them(
    helm: Helm, options: tuple[str, ...], namespace: str
) -> None:
    found = [one for one in rendered(helm, *options) if one["metadata"]["name"] == "ta-taskaction-operator-test"]
    assert {one["metadata"]["annotations"]["helm.sh/hook"] for one in found} == {"test"}
    (role,) = of_kind(found, "Role")
    assert (role["metadata"]["namespace"], role["rules"]) == (namespace, account.read("test"))
    (pod,) = of_kind(found, "Pod")
    assert f"--namespace={namespace}" in pod["spec"]["containers"][0]["args"]


MONITORED = ("--set=metrics.serviceMonitor.enabled=true", "--set=metrics.alerts.enabled=true",
             "--set=metrics.dashboard.enabled=true")  # fmt: skip


def test_one_monitor_finds_the_metrics_of_every_component(helm: Helm) -> None:
    found = rendered(helm, *EVERYTHING, *MONITORED)
    (monitor,) = of_kind(found, "ServiceMonitor")
    (service,) = (
        one
        for one in of_kind(found, "Service")
        if monitor["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
    )
    assert len(chosen_by(found, service["spec"]["selector"])) == len(COMPONENTS)
    (port,) = service["spec"]["ports"]
    assert [one["port"] for one in monitor["spec"]["endpoints"]] == [port["name"]]
    for spec, container in containers(found):
        if spec.get("restartPolicy") != "Never":
            assert port["targetPort"] in {one["name"] for one in container["ports"]}
            probes = (container[name]["httpGet"]["port"] for name in ("readinessProbe", "livenessProbe"))
            assert set(probes) == {port["targetPort"]}


def test_alerts_can_be_left_out_and_lead_to_their_runbooks(helm: Helm) -> None:
    site = "--set=metrics.alerts.runbooks=https://docs.example.org/runbooks/"
    found = rendered(helm, *MONITORED, site, "--set=metrics.alerts.disabled={TaskActionFailing}")
    (rule,) = of_kind(found, "PrometheusRule")
    (group,) = rule["spec"]["groups"]
    told = {one["alert"]: one for one in group["rules"]}
    assert set(told) == {rule["alert"] for rule in RULES} - {"TaskActionFailing"}
    for name, one in told.items():
        assert one["annotations"]["runbook_url"] == f"https://docs.example.org/runbooks/{name}.html"
    (plain,) = of_kind(rendered(helm, *MONITORED), "PrometheusRule")
    assert [group] != plain["spec"]["groups"] == ALERTS["groups"]


def test_the_dashboard_is_where_grafanas_sidecar_looks(helm: Helm) -> None:
    (config,) = of_kind(rendered(helm, *MONITORED), "ConfigMap")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config["data"]["taskaction-operator.json"]) == DASHBOARD


def test_what_pods_need_beside_is_added_to_all_of_them(helm: Helm) -> None:
    volume = '--set-json=extraVolumes=[{"name": "ca", "configMap": {"name": "ca"}}]'
    mount = '--set-json=extraVolumeMounts=[{"name": "ca", "mountPath": "/etc/ca"}]'
    env = '--set-json=actions.extraEnv=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]'
    labels = ("--set=podLabels.team=x", "--set=podAnnotations.note=y")
    found = rendered(helm, *EVERYTHING, volume, mount, env, *labels, "--no-hooks")
    for spec, container in containers(found):
        assert spec["volumes"][-1]["name"] == container["volumeMounts"][-1]["name"] == "ca"
        assert (container["env"][-1]["name"] == "A") is (container["name"] == "actions")
    for one in of_kind(found, "Deployment"):
        told = one["spec"]["template"]["metadata"]
        assert (told["labels"]["team"], told["annotations"]) == ("x", {"note": "y"})


def test_pods_of_hooks_fit_into_namespaces_with_quotas_and_meshes(helm: Helm) -> None:
    found = rendered(helm, "--set=podLabels.sidecar=no", "--set=podAnnotations.note=y")
    (job,), (pod,) = of_kind(found, "Job"), of_kind(found, "Pod")
    for one in (job["spec"]["template"], pod):
        assert one["metadata"]["labels"]["sidecar"] == "no"
        assert one["metadata"]["annotations"]["note"] == "y"
        (container,) = one["spec"]["containers"]
        assert {"requests", "limits"} <= set(container["resources"])


WRONG = {
    "a setting of the Actions service that the chart decides": "actions.settings.AUTHENTICATION=none",
    "a namespace of the Actions service that cannot be": "actions.namespaces.shop=Shop",
    "an environment that is none": "extraEnv[0].key=x",
    "an alert that cannot be": "metrics.alerts.disabled={Failing}",
    "no pod that may be missing": "podDisruptionBudget.maxUnavailable=0",
    "an address of the inbox that cannot be": "webhooks.url=hooks",
    "a setting of the inbox that the chart decides": "webhooks.settings.BIND=x",
    "a target of the port agent that cannot be": "portAgent.mapping.deploy.job=x",
    "a setting of the port agent that the chart decides": "portAgent.settings.CLIENT_SECRET=x",
    "a history in a file, which only one pod would have": "history.url=sqlite:////data/history.db",
    "a database of the history that the chart decides": "settings.HISTORY=postgresql://user@host/history",
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
    assert value.partition("=")[0].rpartition(".")[2].partition("[")[0] in str(refused.value)


def test_the_linter_finds_nothing(helm: Helm) -> None:
    helm("lint", "--strict", str(CHART))


def test_the_api_server_takes_all_of_it(cluster: Cluster, tmp_path: Path, helm: Helm) -> None:
    here = [
        f"--set={place}=default" for place in ("portAgent.namespace", "actions.namespace", "actions.namespaces.shop")
    ]
    whole = [f"--set={name}.enabled=true" for name in ("networkPolicy", "flowControl", "metrics.dashboard")]
    whole += [
        "--set=actions.tls.secret=cert",
        "--set=replicaCount=3",
        "--skip-tests",
    ]  # helm makes a test's account before its pod
    content = helm(
        "template", *RELEASE, "--namespace=default", *AGENT, *INBOX, "--set=actions.enabled=true", *here, *whole
    )
    path = tmp_path / "all.yaml"
    path.write_text(content)
    said = cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", f"--filename={path}")
    assert len(said.splitlines()) == len(read_manifests(content))


BASIC = "nobody"
"""An account to which nothing was granted: it has what every account has."""
FORBIDDEN = {
    ("", "secrets"): ("get", "list", "watch", "create", "update", "patch", "delete"),
    ("", "configmaps"): ("get", "list", "create", "update", "patch", "delete"),
    ("", "pods"): ("get", "create", "update", "patch", "delete"),
    ("", "pods/exec"): ("create", "get"),
    ("", "pods/log"): ("get",),
    ("", "serviceaccounts/token"): ("create",),
    ("", "users"): ("impersonate",),
    ("", "groups"): ("impersonate",),
    ("", "nodes"): ("get", "list"),
    ("", "namespaces"): ("create", "update", "patch", "delete"),
    ("apps", "deployments"): ("create", "update", "patch", "delete"),
    ("batch", "jobs"): ("create", "update", "patch", "delete"),
    ("rbac.authorization.k8s.io", "roles"): ("create", "update", "patch", "bind", "escalate"),
    ("rbac.authorization.k8s.io", "rolebindings"): ("create", "update", "patch"),
    ("rbac.authorization.k8s.io", "clusterroles"): ("create", "update", "patch", "bind", "escalate"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"): ("create", "update", "patch"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): ("create", "update", "patch", "delete"),
    ("apiextensions.k8s.io", "customresourcedefinitions"): ("create", "update", "patch", "delete"),
    ("taskaction.dev", "taskactions"): ("deletecollection", "update"),
    ("taskaction.dev", "clusteractionproviders"): ("create", "update", "patch", "delete", "use"),
    ("taskaction.dev", "actionproviders"): ("create", "update", "patch", "delete"),
}
"""What no component may do in its own name, whatever the code may come to ask for."""
SCOPES = {
    "": ("served", "cluster", "own", "accounts"),
    "-webhooks": ("webhooks", "webhooks-cluster", "accounts"),
    "-actions": ("actions", "actions-cluster"),
    "-history": ("history-cluster",),
    "-console": ("console",),
    "-port-agent": ("port-agent",),
    "-release": ("release", "release-own"),
    "-test": ("test",),
}
Allowed = set[tuple[str, str, str]]


def expanded(rules: list[Manifest]) -> Allowed:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture(scope="module")
def home(cluster: Cluster) -> Iterator[str]:
    """The namespace of a release of which nothing but the rights is installed, and of its actions."""
    with new_namespace(cluster, "ops") as name:
        yield name


def allowed(cluster: Cluster, home: str, account_name: str, namespace: str | None = None) -> Allowed:
    """Give what the API server says that an account of the release may do in a namespace, by default the release's."""
    where = {"namespace": namespace or home}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": where}
    user = f"--as=system:serviceaccount:{home}:{account_name}"
    answer = json.loads(
        cluster.kubectl("create", "--validate=false", "-f", "-", "-o", "json", user, stdin=json.dumps(review))
    )
    return expanded(answer["status"]["resourceRules"])


@pytest.mark.parametrize("mode", ["cluster", "namespaces"])
def test_each_account_may_do_what_its_code_asks_for_and_nothing_else(
    helm: Helm, cluster: Cluster, home: str, mode: str
) -> None:
    places = [f"--set={name}={home}" for name in ("portAgent.namespace", "actions.namespace", "actions.namespaces.x")]
    open_to = [f"--set=accounts.namespaces={{{home}}}"]
    if mode == "namespaces":
        open_to.append(f"--set=watchNamespaces={{{home}}}")
    options = (
        *AGENT,
        *INBOX,
        *HISTORY,
        "--set=actions.enabled=true",
        "--set=history.serve.enabled=true",
        "--set=console.enabled=true",
        *places,
        *open_to,
        f"--namespace={home}",
    )
    roles = [one for one in rendered(helm, *options) if one["apiVersion"].startswith("rbac.authorization.k8s.io/")]
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": roles})
    cluster.kubectl("apply", "-f", "-", stdin=content)
    try:
        basic = allowed(cluster, home, BASIC)
        for part, scopes in SCOPES.items():
            granted = allowed(cluster, home, f"ta-taskaction-operator{part}") - basic
            assert granted == expanded([rule for scope in scopes for rule in account.read(scope)]) - basic, part
            wrong = {(*what, verb) for what, verbs in FORBIDDEN.items() for verb in verbs}
            assert granted & wrong == set(), part
            assert not any("*" in words for words in granted), part
            if mode == "namespaces":
                elsewhere = allowed(cluster, home, f"ta-taskaction-operator{part}", "default") - basic
                assert elsewhere == expanded(
                    [rule for name in scopes if "cluster" in name for rule in account.read(name)]
                )
    finally:
        cluster.kubectl("delete", "-f", "-", "--ignore-not-found", "--wait=false", stdin=content)
