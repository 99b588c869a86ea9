"""Positions in a list of the history, and the opaque tokens by which clients continue from them; pure."""

import base64
import binascii
from dataclasses import dataclass
from typing import Self

_MAX_CHARS = 128
_MAX_INTEGER = 2**63 - 1
_INVALID = "invalid token; use the `nextPageToken` of the page before"


@dataclass(frozen=True, slots=True)
class PagePosition:
    """Place of a row in the order of all lists: the newest end first, then the uid."""

    ended_at: int
    uid: str

    @classmethod
    def parse(cls, token: str) -> Self:
        """Return the position that a token stands for; raise ``ValueError``."""
        try:
            text = base64.urlsafe_b64decode(token.encode()).decode() if len(token) <= _MAX_CHARS else ""
            number, _, uid = text.partition(":")
            found = cls(int(number), uid)
        except (ValueError, binascii.Error, UnicodeError):
            raise ValueError(_INVALID) from None
        if not uid.isprintable() or not uid or abs(found.ended_at) > _MAX_INTEGER:
            raise ValueError(_INVALID)
        return found

    def to_token(self) -> str:
        """Return the token that stands for this position."""
        return base64.urlsafe_b64encode(f"{self.ended_at}:{self.uid}".encode()).decode()
