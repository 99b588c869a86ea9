"""States of the kinds of pipelines."""

from support.kind_states.model import NEW, State, conditions, kind, values

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
    "SidecarFailed InitContainerOOM InitContainerFailed FailureIgnored"
)
PIPELINES = (
    kind(
        "argoproj.io/v1alpha1",
        "Workflow",
        "argoproj/argo-workflows v4.1.2, pkg/apis/workflow/v1alpha1/workflow_phase.go",
        NEW,
        *values("phase", succeeded="Succeeded", failed="Failed Error", waiting="Pending", running="Running"),
        State("suspended", {"phase": "Running"}, {"suspend": True}),
        State("failed", {"phase": "Failed"}, {"suspend": True}),
    ),
    kind(
        "tekton.dev/v1",
        "PipelineRun",
        "tektoncd/pipeline v1.15.0, pkg/apis/pipeline/v1/pipelinerun_types.go",
        NEW,
        *conditions("Succeeded", "True", ["Succeeded", "Completed"], "succeeded"),
        *conditions("Succeeded", "False", _PIPELINE_RUN_FAILURES.split(), "failed"),
        *conditions("Succeeded", "Unknown", _PIPELINE_RUN_STEPS.split(), "running"),
        *conditions("Succeeded", "Unknown", ["PipelineRunPending"], "suspended"),
    ),
    kind(
        "tekton.dev/v1",
        "TaskRun",
        "tektoncd/pipeline v1.15.0, pkg/apis/pipeline/v1/taskrun_types.go",
        NEW,
        *conditions("Succeeded", "True", ["Succeeded"], "succeeded"),
        *conditions("Succeeded", "False", _TASK_RUN_FAILURES.split(), "failed"),
        *conditions("Succeeded", "Unknown", ["Started", "Running", "Pending", "ToBeRetried"], "running"),
        *conditions("Succeeded", "Unknown", ["TaskRunPending"], "suspended"),
    ),
)
