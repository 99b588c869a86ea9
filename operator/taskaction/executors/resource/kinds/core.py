"""Kinds of Kubernetes itself, by version 1.36; ``workloads.pod_states`` reads pods."""

from taskaction.executors.resource.states import Condition, Field, Meaning, Row, States

CREATED = States(rows=(Row(Meaning.SUCCEEDED),))
"""Table of kinds that no controller works on: their objects are complete once they exist."""
_PHASE = "status.phase"

_NAMESPACE = States(
    rows=(
        Row(Meaning.SUCCEEDED, (Field(_PHASE, ("Active",)),)),
        Row(Meaning.RUNNING, (Field(_PHASE, ("Terminating",)),)),
    )
)
_VOLUME_CLAIM = States(
    rows=(
        Row(Meaning.SUCCEEDED, (Field(_PHASE, ("Bound",)),)),
        Row(Meaning.FAILED, (Field(_PHASE, ("Lost",)),)),
        Row(Meaning.WAITING, (Field(_PHASE, ("Pending",)),)),
    )
)
_DEPLOYMENT = States(
    rows=(
        # Every other reason, such as ReplicaSetCreateError, is retried.
        Row(Meaning.FAILED, (Condition("Progressing", "False", frozenset({"ProgressDeadlineExceeded"})),)),
        Row(Meaning.SUCCEEDED, (Condition("Available"),)),
        Row(Meaning.SUSPENDED, (Field("spec.paused", (True,)),)),
        Row(Meaning.RUNNING, (Condition("Available", "False"),)),
        Row(Meaning.RUNNING, (Condition("Progressing"),)),
        Row(Meaning.RUNNING, (Condition("Progressing", "False"),)),
        Row(Meaning.RUNNING, (Condition("ReplicaFailure"),)),
    )
)
_JOB = States(
    rows=(
        Row(Meaning.FAILED, (Condition("Failed"),)),
        Row(Meaning.SUCCEEDED, (Condition("Complete"),)),
        Row(Meaning.SUSPENDED, (Condition("Suspended"),)),
        # Interim conditions: pods of the Job may still run.
        Row(Meaning.RUNNING, (Condition("FailureTarget"),)),
        Row(Meaning.RUNNING, (Condition("SuccessCriteriaMet"),)),
    )
)

KINDS = {
    ("", "ConfigMap"): CREATED,
    ("", "Secret"): CREATED,
    ("", "Service"): CREATED,
    ("", "ServiceAccount"): CREATED,
    ("", "Namespace"): _NAMESPACE,
    ("", "PersistentVolumeClaim"): _VOLUME_CLAIM,
    ("apps", "Deployment"): _DEPLOYMENT,
    ("batch", "Job"): _JOB,
    ("batch", "CronJob"): CREATED,
}
