"""Kinds of batch and training work: KubeRay, Spark, Kubeflow, JobSet, Volcano, Kueue."""

from taskaction.executors.resource.states import Condition, Field, Meaning, Row, States

_SPARK = "status.applicationState.state"
_RAY = "status.jobDeploymentStatus"
_VOLCANO = "status.state.phase"

_RAY_JOB = States(
    rows=(
        # KubeRay leaves a RayJob whose validation failed as it is.
        Row(Meaning.FAILED, (Field(_RAY, ("Failed", "ValidationFailed")),)),
        Row(Meaning.FAILED, (Field(_RAY, ("Complete",)), Field("status.jobStatus", ("FAILED", "STOPPED")))),
        Row(Meaning.SUCCEEDED, (Field(_RAY, ("Complete",)), Field("status.jobStatus", ("SUCCEEDED",)))),
        Row(Meaning.SUSPENDED, (Field(_RAY, ("Suspending", "Suspended")),)),
        Row(Meaning.WAITING, (Field(_RAY, ("Initializing", "Waiting")),)),
        # jobStatus is that of the last try, FAILED while KubeRay prepares the next one.
        Row(Meaning.RUNNING, (Field(_RAY, ("Running", "Retrying")),)),
    ),
    details=("status.reason", "status.message"),
)
_SPARK_APPLICATION = States(
    rows=(
        Row(Meaning.SUCCEEDED, (Field(_SPARK, ("COMPLETED",)),)),
        Row(Meaning.FAILED, (Field(_SPARK, ("FAILED",)),)),
        Row(Meaning.SUSPENDED, (Field(_SPARK, ("SUSPENDING", "SUSPENDED")),)),
        # After SUBMISSION_FAILED and FAILING follows FAILED or, by the restart policy, another try.
        Row(Meaning.WAITING, (Field(_SPARK, ("SUBMITTED", "SUBMISSION_FAILED", "PENDING_RERUN", "RESUMING")),)),
        Row(Meaning.RUNNING, (Field(_SPARK, ("RUNNING", "SUCCEEDING", "FAILING", "INVALIDATING", "UNKNOWN")),)),
    ),
    details=("status.applicationState.errorMessage",),
)
_KUBEFLOW_JOB = States(
    rows=(
        Row(Meaning.FAILED, (Condition("Failed"),)),
        Row(Meaning.SUCCEEDED, (Condition("Succeeded"),)),
        Row(Meaning.SUSPENDED, (Condition("Suspended"),)),
        Row(Meaning.RUNNING, (Condition("Restarting"),)),
        Row(Meaning.RUNNING, (Condition("Running"),)),
        Row(Meaning.WAITING, (Condition("Created"),)),
    )
)
_TRAIN_JOB = States(
    rows=(
        Row(Meaning.FAILED, (Condition("Failed"),)),
        Row(Meaning.SUCCEEDED, (Condition("Complete"),)),
        Row(Meaning.SUSPENDED, (Condition("Suspended"),)),
        Row(Meaning.RUNNING, (Condition("Suspended", "False"),)),
    )
)
_JOB_SET = States(
    rows=(
        Row(Meaning.FAILED, (Condition("Failed"),)),
        Row(Meaning.SUCCEEDED, (Condition("Completed"),)),
        Row(Meaning.SUSPENDED, (Condition("Suspended"),)),
        Row(Meaning.RUNNING, (Condition("RestartingJobSet"),)),
        Row(Meaning.RUNNING, (Condition("StartupPolicyInProgress"),)),
        Row(Meaning.RUNNING, (Condition("StartupPolicyCompleted"),)),
        Row(Meaning.RUNNING, (Condition("Suspended", "False"),)),
    )
)
_VOLCANO_JOB = States(
    rows=(
        Row(Meaning.SUCCEEDED, (Field(_VOLCANO, ("Completed",)),)),
        Row(Meaning.FAILED, (Field(_VOLCANO, ("Failed", "Terminated")),)),
        # The command ResumeJob starts an aborted Job again.
        Row(Meaning.SUSPENDED, (Field(_VOLCANO, ("Aborting", "Aborted")),)),
        Row(Meaning.WAITING, (Field(_VOLCANO, ("Pending",)),)),
        Row(Meaning.RUNNING, (Field(_VOLCANO, ("Running", "Restarting", "Completing", "Terminating")),)),
    ),
    details=("status.state.reason", "status.state.message"),
)
_LOST = frozenset({"Failed", "FailedToStart", "OutOfSync", "OwnerNotFound", "WorkloadSliceReplaced"})
_WORKLOAD = States(
    rows=(
        Row(Meaning.FAILED, (Condition("Finished", "True", _LOST),)),
        Row(Meaning.SUCCEEDED, (Condition("Finished", "True", frozenset({"Succeeded"})),)),
        Row(Meaning.SUSPENDED, (Field("spec.active", (False,)),)),
        Row(Meaning.WAITING, (Condition("Evicted"),)),
        Row(Meaning.RUNNING, (Condition("Admitted"),)),
        Row(Meaning.WAITING, (Condition("Admitted", "False"),)),
        Row(Meaning.WAITING, (Condition("QuotaReserved"),)),
        Row(Meaning.WAITING, (Condition("QuotaReserved", "False"),)),
        Row(Meaning.WAITING, (Condition("BlockedOnPreemptionGates"),)),
        Row(Meaning.WAITING, (Condition("Requeued"),)),
        Row(Meaning.WAITING, (Condition("Requeued", "False"),)),
    )
)

KINDS = {
    ("ray.io", "RayJob"): _RAY_JOB,
    ("sparkoperator.k8s.io", "SparkApplication"): _SPARK_APPLICATION,
    ("kubeflow.org", "MPIJob"): _KUBEFLOW_JOB,
    ("kubeflow.org", "PyTorchJob"): _KUBEFLOW_JOB,
    ("kubeflow.org", "TFJob"): _KUBEFLOW_JOB,
    ("trainer.kubeflow.org", "TrainJob"): _TRAIN_JOB,
    ("jobset.x-k8s.io", "JobSet"): _JOB_SET,
    ("batch.volcano.sh", "Job"): _VOLCANO_JOB,
    ("kueue.x-k8s.io", "Workload"): _WORKLOAD,
}
