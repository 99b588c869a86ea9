"""States of the kinds of certificates, Secrets and Crossplane."""

from support.kind_states.model import NEW, condition, conditions, kind, on

PROVISIONING = (
    kind(
        "cert-manager.io/v1",
        "Certificate",
        "cert-manager/cert-manager v1.21.1, pkg/apis/certmanager/v1/types_certificate.go, "
        "internal/controller/certificates/policies/constants.go",
        NEW,
        *conditions("Ready", "True", ["Ready"], "succeeded"),
        *conditions(
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
                "WindowError",
                "ARIError",
                "SecretTemplateMismatch",
                "SecretManagedMetadataMismatch",
                "Disabled",
                "AdditionalOutputFormatsMismatch",
                "ManagedFieldsParseError",
                "SecretOwnerRefMismatch",
            ],
            "running",
        ),
        on("running", condition("Ready", "Unknown")),
        *conditions("Issuing", "True", ["DoesNotExist", "Renewing"], "running"),
        *conditions("Issuing", "False", ["Failed", "Denied", "InvalidRequest", "Issued"], "running"),
        on("running", condition("Ready", "False", "DoesNotExist"), condition("Issuing", "False", "Denied")),
        on("succeeded", condition("Ready"), condition("Issuing", "True", "Renewing")),
    ),
    kind(
        "external-secrets.io/v1",
        "ExternalSecret",
        "external-secrets/external-secrets v2.9.0, apis/externalsecrets/v1/externalsecret_types.go",
        NEW,
        *conditions("Ready", "True", ["SecretSynced", "ResourceSynced"], "succeeded"),
        *conditions(
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
        on("running", condition("Deleted")),
        on("running", condition("Ready", "Unknown")),
    ),
    kind(
        "database.example.org/v1alpha1",
        "PostgreSQL",
        "crossplane/crossplane v2.3.4, apis/core/v2/condition.go",
        NEW,
        on("succeeded", condition("Synced", "True", "ReconcileSuccess"), condition("Ready", "True", "Available")),
        *conditions("Synced", "True", ["ReconcileSuccess"], "running"),
        *conditions("Ready", "True", ["Available"], "running"),
        *conditions("Synced", "False", ["ReconcileError"], "running"),
        *conditions("Synced", "False", ["ReconcilePaused"], "suspended"),
        on("running", condition("Synced", "Unknown")),
        *conditions("Ready", "False", ["Unavailable", "Creating", "Deleting", "Waiting"], "running"),
        on("running", condition("Ready", "Unknown")),
        *(
            on("running", condition("Synced"), condition("Ready", "False", reason))
            for reason in ("Unavailable", "Creating", "Deleting")
        ),
        on("running", condition("Synced", "False", "ReconcileError"), condition("Ready")),
        categories=("claim",),
    ),
)
