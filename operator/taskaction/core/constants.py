"""Names under the project's API group, in one place so that no two parts disagree; holds no logic."""

GROUP = "taskaction.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/abort"
"""Held only while an external effect may have to be cancelled before the object goes."""

HELD_LABEL = f"{GROUP}/held"
"""Set and removed with the finalizer, so that finished objects that still bear it are found by a selector."""

PORT_FINALIZER = f"{GROUP}/port-report"
"""Held while Port has not been told how an action that was claimed from it has ended."""

PORT_UNREPORTED_LABEL = f"{GROUP}/port-unreported"
"""Set and removed with that finalizer, so that such actions are found by a selector."""

UID_LABEL = f"{GROUP}/uid"
"""On what an attempt creates: the action's uid, by which it is watched and found."""

ATTEMPT_LABEL = f"{GROUP}/attempt"
"""On what an attempt creates: the attempt's number."""

ACTION_LABEL = f"{GROUP}/action"
"""On what an attempt creates: the action's name, for people, where it is short enough for a label."""

RUN_LABEL = f"{GROUP}/flow-run"
"""On an action that a run started: the run's name."""

VISIT_ANNOTATION = f"{GROUP}/visit"
"""On an action that a run started: which visit of a state started it."""

STATE_ANNOTATION = f"{GROUP}/state"
"""On an action that a run started: the name of that state, which may be no label."""

SIGNAL_ANNOTATION = f"{GROUP}/signal"
"""On a run that an action started: which signal of the action it was handed last."""

FLOW_STATE_LIMIT_BYTES = 200 * 1024
"""How large the state of a run, or its output, may be within its object (reference section 2.18)."""

FLOW_STORED_LIMIT_BYTES = 16 * 1024 * 1024
"""How large either may be in storage: all of it is in memory, and written anew with each status."""

FLOW_ACTION_LIMIT_BYTES = 1024 * 1024
"""How large the manifest of a run's action may be: less than etcd takes, whose own refusal looks like an outage."""

ORPHAN_FINALIZER = "orphan"
"""Kubernetes' own mark of ``--cascade=orphan``: the deletion of its bearer must not reach the children."""

PARENT_ANNOTATION = f"{GROUP}/parent-uid"
"""Written with the ownerReference, so that an orphaned child is told from one that was never adopted.

It names the child as well: a child that is restored from a backup brings it along, and was never adopted.
"""

EPOCH_ANNOTATION = f"{GROUP}/epoch"
"""On a shard's Lease: the fencing epoch of its holder."""

FIELD_MANAGER = "taskaction-operator"

NESTING_LIMIT = 100
"""Levels of JSON in parameters, configuration and results."""

OUTPUT_LIMIT_BYTES = 32 * 1024
MESSAGE_LIMIT_CHARS = 1024
ATTEMPTS_KEPT = 10
HISTORY_KEPT = 32
LINKS_KEPT = 16
