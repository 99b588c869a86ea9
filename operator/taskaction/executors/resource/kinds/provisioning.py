"""Kinds that stand for something to be provided: cert-manager, External Secrets, Crossplane.

Their controllers retry every failure, so none of their states is the end of an attempt but the success.
"""

from taskaction.executors.resource.states import Condition, Meaning, Row, States

_CERTIFICATE = States(
    rows=(
        Row(Meaning.SUCCEEDED, (Condition("Ready"),)),
        Row(Meaning.RUNNING, (Condition("Ready", "False"),)),
        Row(Meaning.RUNNING, (Condition("Ready", "Unknown"),)),
        Row(Meaning.RUNNING, (Condition("Issuing"),)),
        Row(Meaning.RUNNING, (Condition("Issuing", "False"),)),
    )
)
_EXTERNAL_SECRET = States(
    rows=(
        Row(Meaning.SUCCEEDED, (Condition("Ready"),)),
        Row(Meaning.RUNNING, (Condition("Ready", "False"),)),
        Row(Meaning.RUNNING, (Condition("Ready", "Unknown"),)),
        Row(Meaning.RUNNING, (Condition("Deleted"),)),
    ),
    observed="status.syncedResourceVersion",  # the generation and a hash of the metadata, such as 2-1f0e
)
_CROSSPLANE = States(
    rows=(
        Row(Meaning.SUSPENDED, (Condition("Synced", "False", frozenset({"ReconcilePaused"})),)),
        Row(Meaning.SUCCEEDED, (Condition("Ready"), Condition("Synced"))),
        Row(Meaning.RUNNING, (Condition("Synced", "False"),)),
        Row(Meaning.RUNNING, (Condition("Ready", "False"),)),
        Row(Meaning.RUNNING, (Condition("Ready", "Unknown"),)),
        Row(Meaning.RUNNING, (Condition("Synced", "Unknown"),)),
        Row(Meaning.RUNNING, (Condition("Synced"),)),
        Row(Meaning.RUNNING, (Condition("Ready"),)),
    )
)

KINDS = {
    ("cert-manager.io", "Certificate"): _CERTIFICATE,
    ("external-secrets.io", "ExternalSecret"): _EXTERNAL_SECRET,
}
CATEGORIES = {"claim": _CROSSPLANE, "composite": _CROSSPLANE}
"""Tables by a category of the kind: users name the kinds of Crossplane's claims and composite resources."""
