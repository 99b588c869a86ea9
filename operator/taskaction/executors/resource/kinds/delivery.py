"""Kinds of continuous delivery: Flux and Argo CD."""

from taskaction.executors.resource.states import Condition, Field, Meaning, Row, States

_OPERATION = "status.operationState.phase"
_HEALTH = "status.health.status"

_FLUX = States(
    rows=(
        # Flux retries whatever is not stalled.
        Row(Meaning.FAILED, (Condition("Stalled"),)),
        Row(Meaning.SUSPENDED, (Field("spec.suspend", (True,)),)),
        Row(Meaning.RUNNING, (Condition("Reconciling"),)),
        Row(Meaning.SUCCEEDED, (Condition("Ready"),)),
        Row(Meaning.RUNNING, (Condition("Ready", "False"),)),
        Row(Meaning.RUNNING, (Condition("Ready", "Unknown"),)),
    )
)
_APPLICATION = States(
    rows=(
        # An operation stays Running while Argo CD retries it.
        Row(Meaning.FAILED, (Field(_OPERATION, ("Failed", "Error")),)),
        Row(Meaning.RUNNING, (Field(_OPERATION, ("Running", "Terminating")),)),
        Row(Meaning.SUCCEEDED, (Field("status.sync.status", ("Synced",)), Field(_HEALTH, ("Healthy",)))),
        Row(Meaning.SUSPENDED, (Field(_HEALTH, ("Suspended",)),)),
        # An application that is Degraded may become Healthy again.
        Row(Meaning.RUNNING, (Field(_HEALTH, ("Progressing", "Degraded", "Missing", "Unknown")),)),
        Row(Meaning.RUNNING, (Field("status.sync.status", ("OutOfSync", "Unknown")), Field(_HEALTH, ("Healthy",)))),
    ),
    details=("status.operationState.message", "status.conditions.0.message"),
)

KINDS = {
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): _FLUX,
    ("helm.toolkit.fluxcd.io", "HelmRelease"): _FLUX,
    ("argoproj.io", "Application"): _APPLICATION,
}
