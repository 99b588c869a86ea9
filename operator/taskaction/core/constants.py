"""Names in the project's API group, in one place; no logic."""

GROUP = "taskaction.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/abort"
"""Set only while an external effect may have to be cancelled before the object is removed."""

HELD_LABEL = f"{GROUP}/held"
"""Set and removed with the finalizer, so that a selector finds finished objects that still have it."""

PORT_FINALIZER = f"{GROUP}/port-report"
"""Set until the end of an action that was claimed from Port is reported to Port."""

PORT_UNREPORTED_LABEL = f"{GROUP}/port-unreported"
"""Set and removed with that finalizer, so that a selector finds such actions."""

UID_LABEL = f"{GROUP}/uid"
"""On objects that an attempt creates: the action's uid, by which they are watched and found."""

ATTEMPT_LABEL = f"{GROUP}/attempt"
"""On objects that an attempt creates: the number of the attempt."""

ACTION_LABEL = f"{GROUP}/action"
"""On objects that an attempt creates: the action's name, for people, if it is short enough for a label."""

RUN_LABEL = f"{GROUP}/flow-run"
"""On an action that a flow run started: the run's name."""

VISIT_ANNOTATION = f"{GROUP}/visit"
"""On an action that a flow run started: the visit of a state that started it."""

ORIGIN_ANNOTATION = f"{GROUP}/origin"
"""On an object that a run, an attempt or a service created: what it was created for. Only their accounts may set it."""

TASK_LABEL = "flyte.org/task"
"""On an action that the Actions service created: the name of the task, for people."""

START_ANNOTATION = f"{GROUP}/reports-start"
"""On a pod: timeouts of its action count from when it is scheduled and when it runs, so both matter at once."""

ORIGIN_PROBE = "probe"
"""The value of that annotation that the admission policy refuses to everybody, so that its presence can be tested."""

SCHEDULE_LABEL = f"{GROUP}/schedule"
"""On an object that a schedule made: the name of the schedule."""

SCHEDULED_TIME_ANNOTATION = f"{GROUP}/scheduled-time"
"""On an object that a schedule made: its nominal time."""

STATE_ANNOTATION = f"{GROUP}/state"
"""On an action that a flow run started: the name of that state, which may not be a valid label."""

SIGNAL_ANNOTATION = f"{GROUP}/signal"
"""On a flow run that an action started: the last signal of the action that was passed to it."""

FLOW_STATE_LIMIT_BYTES = 200 * 1024
"""Maximum size of the state of a run, or of its output, within its object."""

FLOW_STORED_LIMIT_BYTES = 16 * 1024 * 1024
"""Maximum size of either in storage: all of it is in memory, and is written again with each status."""

ORPHAN_FINALIZER = "orphan"
"""Kubernetes' finalizer of ``--cascade=orphan``: the deletion of such an object must not affect its children."""

PARENT_ANNOTATION = f"{GROUP}/parent-uid"
"""Written with the ownerReference, to distinguish an orphaned child from one that was never adopted.

It names the child as well: a child that is restored from a backup has the annotation, but was never adopted.
"""

EPOCH_ANNOTATION = f"{GROUP}/epoch"
"""On a shard's Lease: the fencing epoch of its holder."""

ACQUISITIONS_ANNOTATION = f"{GROUP}/acquisitions"
"""On a shard's Lease: epoch and time of its last acquisitions, which show since when each former holder is gone."""

REPLICA_ANNOTATION = f"{GROUP}/replica"
"""On a replica's Lease: ``live``, ``leaving`` or ``fenced``. The shards of such a replica belong to it until others
have fenced it, which they do when the Lease has expired."""

FIELD_MANAGER = "taskaction-operator"

NESTING_LIMIT = 100
"""Maximum nesting of JSON in parameters, configuration and results."""

EXTERNAL_ID_CHARS = 1024
PARTITION_KEY_CHARS = 253
OUTPUT_LIMIT_BYTES = 32 * 1024
MESSAGE_LIMIT_CHARS = 1024
ATTEMPTS_KEPT = 10
HISTORY_KEPT = 32
LINKS_KEPT = 16
LOG_LINES_KEPT = 20
