"""States of the kinds of batch and training work."""

from collections.abc import Iterator

from support.kind_states.model import NEW, State, condition, conditions, kind, on, values

_KUBEFLOW_STATES = (
    NEW,
    on("waiting", condition("Created")),
    on("running", condition("Created"), condition("Running")),
    on("running", condition("Created"), condition("Running", "False"), condition("Restarting")),
    on("suspended", condition("Created"), condition("Suspended"), condition("Running", "False")),
    on("running", condition("Created"), condition("Suspended", "False"), condition("Running")),
    on("succeeded", condition("Created"), condition("Running", "False"), condition("Succeeded")),
    on("failed", condition("Created"), condition("Running", "False"), condition("Failed")),
    on("running", condition("Created"), condition("Running"), condition("Failed", "False")),
)
_TRAINING_OPERATOR = "kubeflow/training-operator v1.9.0, pkg/apis/kubeflow.org/v1/common_types.go"
_RAY_JOB_STATUSES = ("", "PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED")


def _ray_states() -> Iterator[State]:
    """Yield every pair of jobDeploymentStatus and jobStatus."""
    meanings = {
        "Initializing": "waiting",
        "Waiting": "waiting",
        "Running": "running",
        "Retrying": "running",
        "Suspending": "suspended",
        "Suspended": "suspended",
        "Failed": "failed",
        "ValidationFailed": "failed",
    }
    complete = {"SUCCEEDED": "succeeded", "FAILED": "failed", "STOPPED": "failed"}
    for job in _RAY_JOB_STATUSES:
        yield State("running", {"jobDeploymentStatus": "", "jobStatus": job})
        yield State(complete.get(job, "running"), {"jobDeploymentStatus": "Complete", "jobStatus": job})
        for deployment, meaning in meanings.items():
            yield State(meaning, {"jobDeploymentStatus": deployment, "jobStatus": job})


TRAINING = (
    kind(
        "ray.io/v1",
        "RayJob",
        "ray-project/kuberay v1.7.0, ray-operator/apis/ray/v1/rayjob_types.go",
        NEW,
        *_ray_states(),
    ),
    kind(
        "sparkoperator.k8s.io/v1beta2",
        "SparkApplication",
        "kubeflow/spark-operator v2.5.2, api/v1beta2/sparkapplication_types.go",
        NEW,
        State("running", {"applicationState": {"state": ""}}),
        *values(
            "applicationState.state",
            succeeded="COMPLETED",
            failed="FAILED",
            suspended="SUSPENDING SUSPENDED",
            waiting="SUBMITTED SUBMISSION_FAILED PENDING_RERUN RESUMING",
            running="RUNNING SUCCEEDING FAILING INVALIDATING UNKNOWN",
        ),
    ),
    kind("kubeflow.org/v1", "PyTorchJob", _TRAINING_OPERATOR, *_KUBEFLOW_STATES),
    kind("kubeflow.org/v1", "TFJob", _TRAINING_OPERATOR, *_KUBEFLOW_STATES),
    kind(
        "kubeflow.org/v2beta1",
        "MPIJob",
        "kubeflow/mpi-operator v0.8.0, pkg/apis/kubeflow/v2beta1/types.go",
        *_KUBEFLOW_STATES,
    ),
    kind(
        "trainer.kubeflow.org/v1alpha1",
        "TrainJob",
        "kubeflow/trainer v2.3.0, pkg/apis/trainer/v1alpha1/trainjob_types.go",
        NEW,
        *conditions("Suspended", "True", ["Suspended"], "suspended"),
        *conditions("Suspended", "False", ["Resumed"], "running"),
        *conditions("Complete", "True", ["AllJobsCompleted"], "succeeded"),
        *conditions("Failed", "True", ["TrainingRuntimeNotSupported", "DeadlineExceeded", "FailedJobs"], "failed"),
    ),
    kind(
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        "kubernetes-sigs/jobset v0.12.0, api/jobset/v1alpha2/jobset_types.go",
        NEW,
        on("succeeded", condition("Completed")),
        on("failed", condition("Failed")),
        on("suspended", condition("Suspended")),
        on("running", condition("Suspended", "False")),
        on("running", condition("RestartingJobSet")),
        on("running", condition("StartupPolicyInProgress")),
        on("running", condition("StartupPolicyCompleted")),
        on("running", condition("Completed", "False"), condition("Failed", "False"), condition("RestartingJobSet")),
    ),
    kind(
        "batch.volcano.sh/v1alpha1",
        "Job",
        "volcano-sh/apis v1.14.3, pkg/apis/batch/v1alpha1/job.go",
        NEW,
        *values(
            "state.phase",
            succeeded="Completed",
            failed="Failed Terminated",
            suspended="Aborting Aborted",
            waiting="Pending",
            running="Running Restarting Completing Terminating",
        ),
    ),
    kind(
        "kueue.x-k8s.io/v1beta2",
        "Workload",
        "kubernetes-sigs/kueue v0.19.2, apis/kueue/v1beta2/workload_types.go",
        NEW,
        *conditions("Finished", "True", ["Succeeded"], "succeeded"),
        *conditions(
            "Finished",
            "True",
            ["Failed", "FailedToStart", "OutOfSync", "OwnerNotFound", "WorkloadSliceReplaced"],
            "failed",
        ),
        *conditions(
            "QuotaReserved",
            "False",
            [
                "NoMatchingFlavor",
                "WaitingForQuota",
                "ExceedsMaxQuota",
                "TopologyPlacementFailed",
                "WaitingForPreemptedWorkloads",
                "Misconfigured",
                "Suspended",
                "PendingEvaluation",
                "WaitingForPodsReady",
                "Inadmissible",
                "OnHold",
                "Pending",
                "Waiting",
                "AdmissionGated",
            ],
            "waiting",
        ),
        on("waiting", condition("QuotaReserved")),
        *conditions(
            "Admitted",
            "False",
            ["NoReservation", "UnsatisfiedAdmissionChecks", "PendingDelayedTopologyRequests"],
            "waiting",
        ),
        on("running", condition("QuotaReserved"), condition("Admitted")),
        *(
            on("running", condition("Admitted"), condition("PodsReady", status, reason))
            for status, reason in (
                ("False", "WaitForStart"),
                ("False", "WaitForRecovery"),
                ("True", "Started"),
                ("True", "Recovered"),
            )
        ),
        on("running", condition("Admitted"), condition("WaitingForReplacementPods")),
        on("waiting", condition("BlockedOnPreemptionGates", "True", "PreemptionGated")),
        *conditions(
            "Evicted",
            "True",
            [
                "Preempted",
                "FlavorMigration",
                "PodsReadyTimeout",
                "AdmissionCheck",
                "ClusterQueueStopped",
                "LocalQueueStopped",
                "NodeFailures",
                "EvictedOnManagerCluster",
            ],
            "waiting",
        ),
        on("suspended", condition("Evicted", "True", "Deactivated"), active=False),
        *(
            on("suspended", condition("DeactivationTarget", "True", reason), active=False)
            for reason in ("RequeuingLimitExceeded", "MaximumExecutionTimeExceeded")
        ),
        *(
            on("waiting", condition("Requeued", "True", reason))
            for reason in ("Reactivated", "BackoffFinished", "ClusterQueueRestarted", "LocalQueueRestarted")
        ),
        on("waiting", condition("Requeued", "False", "PodsReadyTimeout")),
        *(
            on("waiting", condition("Evicted"), condition("Preempted", "True", reason))
            for reason in (
                "InClusterQueue",
                "InCohortReclamation",
                "InCohortFairSharing",
                "InCohortReclaimWhileBorrowing",
            )
        ),
        on("failed", condition("Finished", "True", "Failed"), active=False),
    ),
)
