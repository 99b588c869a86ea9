"""One-time callback addresses for targets; each names its attempt and is signed, so no lookup is needed.

The operator creates them and the webhook inbox verifies them; both have the keys.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

import orjson

from taskaction.core.errors import ConfigurationError, TaskActionError

KEY_BYTES = 32
_PURPOSE = b"taskaction.dev/callback/v1\0"
_TOKEN_CHARS = 2048


class BadTokenError(TaskActionError):
    """The operator did not create the token, or it has expired."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Attempt that a callback is for, and its expiry in seconds since 1970."""

    namespace: str
    name: str
    uid: str
    attempt: int
    expires: int


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Signer and verifier of addresses; the first key signs and every key verifies, so that keys can be rotated."""

    url: str
    keys: Sequence[bytes]

    def address(self, ticket: Ticket) -> str:
        """Return the address for one attempt; equal tickets have equal addresses."""
        content = orjson.dumps(astuple(ticket))
        return f"{self.url.rstrip('/')}/callbacks/{_text(content)}.{_text(_sign(content, self.keys[0]))}"

    def read(self, token: str, now: datetime) -> Ticket:
        """Return the ticket of a token; raises ``BadTokenError``."""
        if len(token) > _TOKEN_CHARS:
            raise BadTokenError("the address is none of ours")
        said, _, signature = token.partition(".")
        try:
            content, given = _bytes(said), _bytes(signature)
        except (binascii.Error, ValueError):
            raise BadTokenError("the address is none of ours") from None
        fits = [hmac.compare_digest(_sign(content, key), given) for key in self.keys]
        if not any(fits):
            raise BadTokenError("the address is none of ours")
        ticket = Ticket(*orjson.loads(content))
        if now.timestamp() > ticket.expires:
            raise BadTokenError("the address is no longer valid")
        return ticket


def parse_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys of a file, one per line.

    Raises:
        ConfigurationError: the file has no key, or a key is too short to be safe.
    """
    keys = tuple(line.strip().encode() for line in text.splitlines() if line.strip())
    if not keys or any(len(key) < KEY_BYTES for key in keys):
        raise ConfigurationError(
            f"TASKACTION_WEBHOOKS_KEY_FILE: each line must be a key of at least {KEY_BYTES} characters; "
            "generate one with: openssl rand -hex 32"
        )
    return keys


def _sign(content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + content, "sha256")


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
