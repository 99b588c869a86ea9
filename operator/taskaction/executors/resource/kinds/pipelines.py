"""Kinds of pipelines: Argo Workflows and Tekton."""

from taskaction.executors.resource.states import Condition, Field, Meaning, Row, States

_WORKFLOW = States(
    rows=(
        Row(Meaning.SUCCEEDED, (Field("status.phase", ("Succeeded",)),)),
        Row(Meaning.FAILED, (Field("status.phase", ("Failed", "Error")),)),
        Row(Meaning.SUSPENDED, (Field("spec.suspend", (True,)),)),
        Row(Meaning.WAITING, (Field("status.phase", ("Pending",)),)),
        Row(Meaning.RUNNING, (Field("status.phase", ("Running",)),)),
    ),
    details=("status.message",),
)


def _tekton(pending: str) -> States:
    """Return the table of a kind by Knative's rule: Succeeded is Unknown until the end, whatever the reason."""
    return States(
        rows=(
            Row(Meaning.FAILED, (Condition("Succeeded", "False"),)),
            Row(Meaning.SUCCEEDED, (Condition("Succeeded"),)),
            Row(Meaning.SUSPENDED, (Condition("Succeeded", "Unknown", frozenset({pending})),)),
            Row(Meaning.RUNNING, (Condition("Succeeded", "Unknown"),)),
        )
    )


KINDS = {
    ("argoproj.io", "Workflow"): _WORKFLOW,
    ("tekton.dev", "PipelineRun"): _tekton("PipelineRunPending"),
    ("tekton.dev", "TaskRun"): _tekton("TaskRunPending"),
}
