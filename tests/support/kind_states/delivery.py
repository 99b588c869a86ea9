"""States of the kinds of continuous delivery."""

from collections.abc import Iterator

from support.kind_states.model import NEW, Body, State, condition, conditions, kind, on

_FLUX_STATES = (
    NEW,
    State("running", {"observedGeneration": -1}),
    State("suspended", {}, {"suspend": True}),
    on("running", condition("Reconciling", "True", "Progressing"), condition("Ready", "Unknown", "Progressing")),
    on("running", condition("Reconciling", "True", "ProgressingWithRetry"), condition("Ready", "False")),
    on("running", condition("Reconciling"), condition("Ready")),
)
_FLUX_CONDITIONS = "fluxcd/pkg apis/meta v1.31, apis/meta/conditions.go"


def _argo_states() -> Iterator[State]:
    """Yield every combination of the phase of the operation, the sync status and the health."""
    operations = {"": "", "Running": "running", "Terminating": "running", "Failed": "failed", "Error": "failed"}
    for operation, meaning in (operations | {"Succeeded": ""}).items():
        for sync in ("", "Synced", "OutOfSync", "Unknown"):
            for health in ("Unknown", "Progressing", "Healthy", "Suspended", "Degraded", "Missing"):
                healthy = "succeeded" if (sync, health) == ("Synced", "Healthy") else "running"
                found = meaning or ("suspended" if health == "Suspended" else healthy)
                status: Body = {"sync": {"status": sync}, "health": {"status": health}}
                yield State(found, status | ({"operationState": {"phase": operation}} if operation else {}))


DELIVERY = (
    kind(
        "kustomize.toolkit.fluxcd.io/v1",
        "Kustomization",
        f"fluxcd/kustomize-controller v1.9.4, internal/controller/kustomization_controller.go; {_FLUX_CONDITIONS}",
        *_FLUX_STATES,
        *conditions("Ready", "True", ["ReconciliationSucceeded"], "succeeded"),
        *conditions(
            "Ready",
            "False",
            [
                "ArtifactFailed",
                "BuildFailed",
                "HealthCheckFailed",
                "HealthCheckCanceled",
                "PruneFailed",
                "ReconciliationFailed",
                "DependencyNotReady",
                "DirCreationFailed",
            ],
            "running",
        ),
        *conditions("Stalled", "True", ["InvalidCELExpression", "FeatureGateDisabled", "AccessDenied"], "failed"),
        on("running", condition("Healthy", "False", "HealthCheckFailed"), condition("Ready", "False")),
        on("succeeded", condition("Healthy", "True", "Succeeded"), condition("Ready")),
    ),
    kind(
        "helm.toolkit.fluxcd.io/v2",
        "HelmRelease",
        f"fluxcd/helm-controller v1.6.3, api/v2/condition_types.go; {_FLUX_CONDITIONS}",
        *_FLUX_STATES,
        *conditions("Ready", "True", ["InstallSucceeded", "UpgradeSucceeded", "TestSucceeded"], "succeeded"),
        *conditions(
            "Ready",
            "False",
            [
                "InstallFailed",
                "UpgradeFailed",
                "TestFailed",
                "RollbackFailed",
                "RollbackSucceeded",
                "UninstallFailed",
                "UninstallSucceeded",
                "ArtifactFailed",
                "DependencyNotReady",
            ],
            "running",
        ),
        *conditions(
            "Stalled",
            "True",
            ["RetriesExceeded", "MissingRollbackTarget", "InvalidCELExpression", "AccessDenied"],
            "failed",
        ),
        on("succeeded", condition("Released"), condition("TestSuccess"), condition("Ready")),
        on("running", condition("Remediated"), condition("Released", "False"), condition("Ready", "False")),
        on("running", condition("Drifted", "True", "DriftDetected"), condition("Ready", "Unknown")),
        on("succeeded", condition("Drifted", "False", "NoDriftDetected"), condition("Ready")),
    ),
    kind(
        "argoproj.io/v1alpha1",
        "Application",
        "argoproj/argo-cd v3.5.1, gitops-engine/pkg/health/health.go, gitops-engine/pkg/sync/common/types.go",
        NEW,
        *_argo_states(),
    ),
)
