"""Every state of every known kind, from its controller's own code, and what it means for an action.

The names of the sources are: repository, release, file. A state is a status, with a spec where it counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from taskaction.cluster.gateway import Resource

Body = dict[str, Any]
MEANINGS = ("succeeded", "failed", "suspended", "waiting", "running")


@dataclass(frozen=True)
class State:
    """One state of a kind; ``names`` are the texts in it that belong to the kind."""

    meaning: str
    status: Body
    spec: Body = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The state in a few words, for the name of a test."""
        return "-".join([self.meaning, *_leaves(self.status), *_leaves(self.spec)])[:100]


@dataclass(frozen=True)
class Known:
    """A kind and all its states."""

    resource: Resource
    source: str
    states: tuple[State, ...]

    @property
    def title(self) -> str:
        """Group and kind."""
        return f"{self.resource.group}/{self.resource.kind}"


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> Body:
    """Return a condition."""
    more = {name: text for name, text in {"reason": reason, "message": message}.items() if text}
    return {"type": kind, "status": status} | more


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    else:
        yield str(value)


def _nested(path: str, value: Any) -> Body:
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


def _values(path: str, **meanings: str) -> list[State]:
    """Return a state for each word of each meaning, as the value of one field of the status."""
    return [State(meaning, _nested(path, word)) for meaning, words in meanings.items() for word in words.split()]


def _conditions(kind: str, status: str, reasons: Iterable[str], meaning: str) -> list[State]:
    """Return a state for each reason of a condition."""
    return [State(meaning, {"conditions": [condition(kind, status, one)]}) for one in reasons]


def _on(meaning: str, *conditions: Body, **spec: Any) -> State:
    return State(meaning, {"conditions": list(conditions)}, spec)


def _kind(api_version: str, kind: str, source: str, *states: State, categories: tuple[str, ...] = ()) -> Known:
    group, _, version = api_version.rpartition("/")
    plural = f"{kind.lower()}s"
    resource = Resource(group=group, version=version, plural=plural, kind=kind, categories=categories)
    return Known(resource, source, states)


_PHASES = "kubernetes v1.36, staging/src/k8s.io/api/core/v1/types.go"
_NEW = State("running", {})
CORE = (
    _kind("v1", "Namespace", _PHASES, _NEW, *_values("phase", succeeded="Active", running="Terminating")),
    _kind(
        "v1",
        "PersistentVolumeClaim",
        _PHASES,
        _NEW,
        *_values("phase", succeeded="Bound", failed="Lost", waiting="Pending"),
    ),
    _kind(
        "v1",
        "Pod",
        _PHASES,
        State("waiting", {}),
        *_values("phase", succeeded="Succeeded", failed="Failed", waiting="Pending Unknown", running="Running"),
    ),
    _kind(
        "apps/v1",
        "Deployment",
        "kubernetes v1.36, pkg/controller/deployment/util/deployment_util.go",
        _NEW,
        *_conditions("Available", "True", ["MinimumReplicasAvailable"], "succeeded"),
        *_conditions("Available", "False", ["MinimumReplicasUnavailable"], "running"),
        *_conditions("Progressing", "False", ["ProgressDeadlineExceeded"], "failed"),
        *_conditions("Progressing", "False", ["ReplicaSetCreateError"], "running"),
        *_conditions(
            "Progressing",
            "True",
            ["NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated", "NewReplicaSetAvailable"],
            "running",
        ),
        *_conditions("ReplicaFailure", "True", ["FailedCreate", "FailedDelete"], "running"),
        _on("suspended", condition("Progressing", "Unknown", "DeploymentPaused"), paused=True),
        _on("running", condition("Progressing", "Unknown", "DeploymentResumed")),
        _on("failed", condition("Available"), condition("Progressing", "False", "ProgressDeadlineExceeded")),
    ),
    _kind(
        "batch/v1",
        "Job",
        "kubernetes v1.36, staging/src/k8s.io/api/batch/v1/types.go",
        _NEW,
        State("running", {"active": 1}),
        *_conditions("Complete", "True", ["CompletionsReached", "SuccessPolicy"], "succeeded"),
        *_conditions("SuccessCriteriaMet", "True", ["CompletionsReached", "SuccessPolicy"], "running"),
        *_conditions("Suspended", "True", ["JobSuspended"], "suspended"),
        *_conditions("Suspended", "False", ["JobResumed"], "running"),
        *(
            state
            for kind, meaning in {"Failed": "failed", "FailureTarget": "running"}.items()
            for state in _conditions(
                kind,
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
        _on("failed", condition("FailureTarget"), condition("Failed")),
        _on("succeeded", condition("SuccessCriteriaMet"), condition("Complete")),
    ),
)

_KUBEFLOW_STATES = (
    _NEW,
    _on("waiting", condition("Created")),
    _on("running", condition("Created"), condition("Running")),
    _on("running", condition("Created"), condition("Running", "False"), condition("Restarting")),
    _on("suspended", condition("Created"), condition("Suspended"), condition("Running", "False")),
    _on("running", condition("Created"), condition("Suspended", "False"), condition("Running")),
    _on("succeeded", condition("Created"), condition("Running", "False"), condition("Succeeded")),
    _on("failed", condition("Created"), condition("Running", "False"), condition("Failed")),
    _on("running", condition("Created"), condition("Running"), condition("Failed", "False")),
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
    _kind(
        "ray.io/v1",
        "RayJob",
        "ray-project/kuberay v1.7.0, ray-operator/apis/ray/v1/rayjob_types.go",
        _NEW,
        *_ray_states(),
    ),
    _kind(
        "sparkoperator.k8s.io/v1beta2",
        "SparkApplication",
        "kubeflow/spark-operator v2.5.2, api/v1beta2/sparkapplication_types.go",
        _NEW,
        State("running", {"applicationState": {"state": ""}}),
        *_values(
            "applicationState.state",
            succeeded="COMPLETED",
            failed="FAILED",
            suspended="SUSPENDING SUSPENDED",
            waiting="SUBMITTED SUBMISSION_FAILED PENDING_RERUN RESUMING",
            running="RUNNING SUCCEEDING FAILING INVALIDATING UNKNOWN",
        ),
    ),
    _kind("kubeflow.org/v1", "PyTorchJob", _TRAINING_OPERATOR, *_KUBEFLOW_STATES),
    _kind("kubeflow.org/v1", "TFJob", _TRAINING_OPERATOR, *_KUBEFLOW_STATES),
    _kind(
        "kubeflow.org/v2beta1",
        "MPIJob",
        "kubeflow/mpi-operator v0.8.0, pkg/apis/kubeflow/v2beta1/types.go",
        *_KUBEFLOW_STATES,
    ),
    _kind(
        "trainer.kubeflow.org/v1alpha1",
        "TrainJob",
        "kubeflow/trainer v2.3.0-rc.3, pkg/apis/trainer/v1alpha1/trainjob_types.go",
        _NEW,
        *_conditions("Suspended", "True", ["Suspended"], "suspended"),
        *_conditions("Suspended", "False", ["Resumed"], "running"),
        *_conditions("Complete", "True", ["AllJobsCompleted"], "succeeded"),
        *_conditions("Failed", "True", ["TrainingRuntimeNotSupported", "DeadlineExceeded", "FailedJobs"], "failed"),
    ),
    _kind(
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        "kubernetes-sigs/jobset v0.12.0, api/jobset/v1alpha2/jobset_types.go",
        _NEW,
        _on("succeeded", condition("Completed")),
        _on("failed", condition("Failed")),
        _on("suspended", condition("Suspended")),
        _on("running", condition("Suspended", "False")),
        _on("running", condition("RestartingJobSet")),
        _on("running", condition("StartupPolicyInProgress")),
        _on("running", condition("StartupPolicyCompleted")),
        _on("running", condition("Completed", "False"), condition("Failed", "False"), condition("RestartingJobSet")),
    ),
    _kind(
        "batch.volcano.sh/v1alpha1",
        "Job",
        "volcano-sh/apis v1.14.3, pkg/apis/batch/v1alpha1/job.go",
        _NEW,
        *_values(
            "state.phase",
            succeeded="Completed",
            failed="Failed Terminated",
            suspended="Aborting Aborted",
            waiting="Pending",
            running="Running Restarting Completing Terminating",
        ),
    ),
    _kind(
        "kueue.x-k8s.io/v1beta2",
        "Workload",
        "kubernetes-sigs/kueue v0.19.2, apis/kueue/v1beta2/workload_types.go",
        _NEW,
        *_conditions("Finished", "True", ["Succeeded"], "succeeded"),
        *_conditions(
            "Finished",
            "True",
            ["Failed", "FailedToStart", "OutOfSync", "OwnerNotFound", "WorkloadSliceReplaced"],
            "failed",
        ),
        *_conditions(
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
        _on("waiting", condition("QuotaReserved")),
        *_conditions(
            "Admitted",
            "False",
            ["NoReservation", "UnsatisfiedAdmissionChecks", "PendingDelayedTopologyRequests"],
            "waiting",
        ),
        _on("running", condition("QuotaReserved"), condition("Admitted")),
        *(
            _on("running", condition("Admitted"), condition("PodsReady", status, reason))
            for status, reason in (
                ("False", "WaitForStart"),
                ("False", "WaitForRecovery"),
                ("True", "Started"),
                ("True", "Recovered"),
            )
        ),
        _on("running", condition("Admitted"), condition("WaitingForReplacementPods")),
        _on("running", condition("BlockedOnPreemptionGates", "True", "PreemptionGated")),
        *_conditions(
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
        _on("suspended", condition("Evicted", "True", "Deactivated"), active=False),
        *(
            _on("suspended", condition("DeactivationTarget", "True", reason), active=False)
            for reason in ("RequeuingLimitExceeded", "MaximumExecutionTimeExceeded")
        ),
        *(
            _on("waiting", condition("Requeued", "True", reason))
            for reason in ("Reactivated", "BackoffFinished", "ClusterQueueRestarted", "LocalQueueRestarted")
        ),
        _on("waiting", condition("Requeued", "False", "PodsReadyTimeout")),
        *(
            _on("waiting", condition("Evicted"), condition("Preempted", "True", reason))
            for reason in (
                "InClusterQueue",
                "InCohortReclamation",
                "InCohortFairSharing",
                "InCohortReclaimWhileBorrowing",
            )
        ),
        _on("failed", condition("Finished", "True", "Failed"), active=False),
    ),
)

_PIPELINE_RUN_STEPS = (
    "Started Running ResolvingPipelineRef PipelineRunStopping CancelledRunningFinally StoppedRunningFinally "
    "PipelineRunTimeoutRunningFinally PipelineRunCouldntCancel PipelineRunCouldntTimeOut"
)
_PIPELINE_RUN_FAILURES = (
    "Failed Cancelled PipelineRunTimeout CouldntGetPipeline InvalidPipelineResourceBindings InvalidWorkspaceBindings "
    "InvalidTaskRunSpecs ParameterTypeMismatch ObjectParameterMissKeys ParamArrayIndexingInvalid CouldntGetTask "
    "ParameterMissing PipelineValidationFailed CouldntGetPipelineResult PipelineInvalidGraph "
    "InvalidMatrixParameterTypes InvalidTaskResultReference InvalidPipelineResultReference "
    "RequiredWorkspaceMarkedOptional ResourceVerificationFailed CreateRunFailed CELEvaluationFailed InvalidParamValue"
)
_TASK_RUN_FAILURES = (
    "Failed TaskRunCancelled TaskRunTimeout TaskRunImagePullFailed CreateContainerConfigError PodCreationFailed "
    "TaskRunResultLargerThanAllowedLimit TaskRunStopSidecarFailed InvalidParamValue TaskRunResolutionFailed "
    "TaskRunValidationFailed TaskValidationFailed ResourceVerificationFailed PodEvicted StepOOM StepFailed SidecarOOM "
    "SidecarFailed InitContainerOOM InitContainerFailed"
)
PIPELINES = (
    _kind(
        "argoproj.io/v1alpha1",
        "Workflow",
        "argoproj/argo-workflows v4.1.2, pkg/apis/workflow/v1alpha1/workflow_phase.go",
        _NEW,
        *_values("phase", succeeded="Succeeded", failed="Failed Error", waiting="Pending", running="Running"),
        State("suspended", {"phase": "Running"}, {"suspend": True}),
        State("failed", {"phase": "Failed"}, {"suspend": True}),
    ),
    _kind(
        "tekton.dev/v1",
        "PipelineRun",
        "tektoncd/pipeline v1.15.0, pkg/apis/pipeline/v1/pipelinerun_types.go",
        _NEW,
        *_conditions("Succeeded", "True", ["Succeeded", "Completed"], "succeeded"),
        *_conditions("Succeeded", "False", _PIPELINE_RUN_FAILURES.split(), "failed"),
        *_conditions("Succeeded", "Unknown", _PIPELINE_RUN_STEPS.split(), "running"),
        *_conditions("Succeeded", "Unknown", ["PipelineRunPending"], "suspended"),
    ),
    _kind(
        "tekton.dev/v1",
        "TaskRun",
        "tektoncd/pipeline v1.15.0, pkg/apis/pipeline/v1/taskrun_types.go",
        _NEW,
        *_conditions("Succeeded", "True", ["Succeeded", "FailureIgnored"], "succeeded"),
        *_conditions("Succeeded", "False", _TASK_RUN_FAILURES.split(), "failed"),
        *_conditions("Succeeded", "Unknown", ["Started", "Running", "Pending", "ToBeRetried"], "running"),
        *_conditions("Succeeded", "Unknown", ["TaskRunPending"], "suspended"),
    ),
)

_FLUX_STATES = (
    _NEW,
    State("running", {"observedGeneration": -1}),
    State("suspended", {}, {"suspend": True}),
    _on("running", condition("Reconciling", "True", "Progressing"), condition("Ready", "Unknown", "Progressing")),
    _on("running", condition("Reconciling", "True", "ProgressingWithRetry"), condition("Ready", "False")),
    _on("running", condition("Reconciling"), condition("Ready")),
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
    _kind(
        "kustomize.toolkit.fluxcd.io/v1",
        "Kustomization",
        f"fluxcd/kustomize-controller v1.9.4, internal/controller/kustomization_controller.go; {_FLUX_CONDITIONS}",
        *_FLUX_STATES,
        *_conditions("Ready", "True", ["ReconciliationSucceeded"], "succeeded"),
        *_conditions(
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
        *_conditions("Stalled", "True", ["InvalidCELExpression", "FeatureGateDisabled", "AccessDenied"], "failed"),
        _on("running", condition("Healthy", "False", "HealthCheckFailed"), condition("Ready", "False")),
        _on("succeeded", condition("Healthy", "True", "Succeeded"), condition("Ready")),
    ),
    _kind(
        "helm.toolkit.fluxcd.io/v2",
        "HelmRelease",
        f"fluxcd/helm-controller v1.6.3, api/v2/condition_types.go; {_FLUX_CONDITIONS}",
        *_FLUX_STATES,
        *_conditions(
            "Ready", "True", ["InstallSucceeded", "UpgradeSucceeded", "TestSucceeded", "RollbackSucceeded"], "succeeded"
        ),
        *_conditions(
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
        *_conditions(
            "Stalled",
            "True",
            ["RetriesExceeded", "MissingRollbackTarget", "InvalidCELExpression", "AccessDenied"],
            "failed",
        ),
        _on("succeeded", condition("Released"), condition("TestSuccess"), condition("Ready")),
        _on("running", condition("Remediated"), condition("Released", "False"), condition("Ready", "False")),
        _on("running", condition("Drifted", "True", "DriftDetected"), condition("Ready", "Unknown")),
    ),
    _kind(
        "argoproj.io/v1alpha1",
        "Application",
        "argoproj/argo-cd v3.5.1, gitops-engine/pkg/health/health.go, gitops-engine/pkg/sync/common/types.go",
        _NEW,
        *_argo_states(),
    ),
)

PROVISIONING = (
    _kind(
        "cert-manager.io/v1",
        "Certificate",
        "cert-manager/cert-manager v1.21.1, pkg/apis/certmanager/v1/types_certificate.go, "
        "internal/controller/certificates/policies/constants.go",
        _NEW,
        *_conditions("Ready", "True", ["Ready"], "succeeded"),
        *_conditions(
            "Ready",
            "False",
            [
                "DoesNotExist",
                "MissingData",
                "InvalidKeyPair",
                "InvalidCertificate",
                "InvalidCertificateRequest",
                "SecretMismatch",
                "IncorrectIssuer",
                "IncorrectCertificate",
                "RequestChanged",
                "Expired",
            ],
            "running",
        ),
        *_conditions("Ready", "Unknown", ["Pending"], "running"),
        *_conditions("Issuing", "True", ["DoesNotExist", "Renewing"], "running"),
        *_conditions("Issuing", "False", ["Failed", "Denied", "InvalidRequest", "Issued"], "running"),
        _on("running", condition("Ready", "False", "DoesNotExist"), condition("Issuing", "False", "Denied")),
        _on("succeeded", condition("Ready"), condition("Issuing", "True", "Renewing")),
    ),
    _kind(
        "external-secrets.io/v1",
        "ExternalSecret",
        "external-secrets/external-secrets v2.9.0, apis/externalsecrets/v1/externalsecret_types.go",
        _NEW,
        *_conditions("Ready", "True", ["SecretSynced", "ResourceSynced"], "succeeded"),
        *_conditions(
            "Ready",
            "False",
            [
                "SecretSyncedError",
                "SecretDeleted",
                "SecretMissing",
                "ResourceSyncedError",
                "ResourceDeleted",
                "ResourceMissing",
            ],
            "running",
        ),
        _on("running", condition("Deleted")),
        _on("running", condition("Ready", "Unknown")),
    ),
    _kind(
        "database.example.org/v1alpha1",
        "PostgreSQL",
        "crossplane/crossplane v2.3.4, apis/core/v2/condition.go",
        _NEW,
        _on("succeeded", condition("Synced", "True", "ReconcileSuccess"), condition("Ready", "True", "Available")),
        *_conditions("Synced", "True", ["ReconcileSuccess"], "running"),
        *_conditions("Ready", "True", ["Available"], "running"),
        *_conditions("Synced", "False", ["ReconcileError"], "running"),
        *_conditions("Synced", "False", ["ReconcilePaused"], "suspended"),
        *_conditions("Synced", "Unknown", [""], "running"),
        *_conditions("Ready", "False", ["Unavailable", "Creating", "Deleting", "Waiting"], "running"),
        *_conditions("Ready", "Unknown", [""], "running"),
        *(
            _on("running", condition("Synced"), condition("Ready", "False", reason))
            for reason in ("Unavailable", "Creating", "Deleting")
        ),
        _on("running", condition("Synced", "False", "ReconcileError"), condition("Ready")),
        categories=("claim",),
    ),
)

CREATED = tuple(
    _kind(api_version, kind, "no controller completes it", State("succeeded", {}))
    for api_version, kind in (
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("batch/v1", "CronJob"),
    )
)
ALL = (*CREATED, *CORE, *TRAINING, *PIPELINES, *DELIVERY, *PROVISIONING)
