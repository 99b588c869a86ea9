"""Folders that the operator reads for the actions of a namespace, because an action names them; pure.

The address of a result comes from whoever creates the action, and the credentials are the operator's. So an action gets
nothing of a folder that is not its namespace's.
"""

from dataclasses import dataclass
from typing import Self

EVERY_NAMESPACE = "*"


@dataclass(frozen=True, slots=True)
class FolderGrant:
    """Folder, and the namespace that may name it; empty if each namespace has a folder of its own in it."""

    folder: str
    namespace: str = ""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read ``FOLDER``, ``NAMESPACE=FOLDER``, or ``*=FOLDER``."""
        namespace, sign, folder = text.partition("=")
        return cls(folder, namespace) if sign and "://" not in namespace else cls(text)

    def covers(self, address: str, namespace: str) -> bool:
        """Whether actions of a namespace may name an address."""
        if not self.namespace:
            return address.startswith(f"{self.folder}{namespace}/")
        return self.namespace in {EVERY_NAMESPACE, namespace} and address.startswith(self.folder)


def first_own_folder(text: str) -> str | None:
    """Return the first folder of a list in which each namespace has a folder of its own, or None."""
    grants = (FolderGrant.from_text(word.strip()) for word in text.split(",") if word.strip())
    return next((grant.folder for grant in grants if not grant.namespace), None)
