"""Words for a refusal of what is created in the name of a ServiceAccount; pure."""

from taskaction.cluster.errors import ForbiddenError, MissingAccountError


def explain_denial(error: ForbiddenError, account: str, namespace: str, objects: str) -> str:
    """Return who lacks which permission, with the remedy; ``account`` is empty if the operator itself has asked.

    ``objects`` says what the account creates.
    """
    text = str(error)
    if not account or isinstance(error, MissingAccountError):
        return text
    if "cannot impersonate" in text:
        return (
            f"the operator may not impersonate ServiceAccount {account!r} in namespace {namespace!r}: its "
            "administrator must permit it"
        )
    return f"{text}; ServiceAccount {account!r} creates {objects}: add a RoleBinding for it"
