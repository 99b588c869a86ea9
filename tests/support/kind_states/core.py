"""States of the kinds of Kubernetes itself."""

from support.kind_states.model import NEW, State, condition, conditions, kind, on, values

_PHASES = "kubernetes v1.36, staging/src/k8s.io/api/core/v1/types.go"
CORE = (
    kind("v1", "Namespace", _PHASES, NEW, *values("phase", succeeded="Active", running="Terminating")),
    kind(
        "v1",
        "PersistentVolumeClaim",
        _PHASES,
        NEW,
        *values("phase", succeeded="Bound", failed="Lost", waiting="Pending"),
    ),
    kind(
        "v1",
        "Pod",
        _PHASES,
        State("waiting", {}),
        *values("phase", succeeded="Succeeded", failed="Failed", waiting="Pending Unknown", running="Running"),
    ),
    kind(
        "apps/v1",
        "Deployment",
        "kubernetes v1.36, pkg/controller/deployment/util/deployment_util.go",
        NEW,
        *conditions("Available", "True", ["MinimumReplicasAvailable"], "succeeded"),
        *conditions("Available", "False", ["MinimumReplicasUnavailable"], "running"),
        *conditions("Progressing", "False", ["ProgressDeadlineExceeded"], "failed"),
        *conditions("Progressing", "False", ["ReplicaSetCreateError"], "running"),
        *conditions(
            "Progressing",
            "True",
            ["NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated", "NewReplicaSetAvailable"],
            "running",
        ),
        *conditions("ReplicaFailure", "True", ["FailedCreate", "FailedDelete"], "running"),
        on("suspended", condition("Progressing", "Unknown", "DeploymentPaused"), paused=True),
        on("running", condition("Progressing", "Unknown", "DeploymentResumed")),
        on("failed", condition("Available"), condition("Progressing", "False", "ProgressDeadlineExceeded")),
    ),
    kind(
        "batch/v1",
        "Job",
        "kubernetes v1.36, staging/src/k8s.io/api/batch/v1/types.go",
        NEW,
        State("running", {"active": 1}),
        *conditions("Complete", "True", ["CompletionsReached", "SuccessPolicy"], "succeeded"),
        *conditions("SuccessCriteriaMet", "True", ["CompletionsReached", "SuccessPolicy"], "running"),
        *conditions("Suspended", "True", ["JobSuspended"], "suspended"),
        *conditions("Suspended", "False", ["JobResumed"], "running"),
        *(
            state
            for name, meaning in {"Failed": "failed", "FailureTarget": "running"}.items()
            for state in conditions(
                name,
                "True",
                [
                    "BackoffLimitExceeded",
                    "DeadlineExceeded",
                    "PodFailurePolicy",
                    "FailedIndexes",
                    "MaxFailedIndexesExceeded",
                ],
                meaning,
            )
        ),
        on("failed", condition("FailureTarget"), condition("Failed")),
        on("succeeded", condition("SuccessCriteriaMet"), condition("Complete")),
    ),
)
CREATED = tuple(
    kind(api_version, name, "no controller completes it", State("succeeded", {}))
    for api_version, name in (
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("batch/v1", "CronJob"),
    )
)
