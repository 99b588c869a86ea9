"""The values of Secrets that one call of an executor knows: reads them, keeps count, and redacts them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from taskaction.api.reasons import Reason
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.redaction import SHORTEST_BYTES, Redactor, number_text
from taskaction.plugin.secrets import Secret, secrets_in

MOST_VALUES = 256
MOST_BYTES = 16 * 1024
"""Limits of the values of one call, within which a search for them is built in a few milliseconds."""
_NOTHING_KNOWN = Redactor(())
"""The search of all calls without a Secret; to build one for each would take longer than the call."""


class RawSecretReader(Protocol):
    """Reader of Secrets with the rights of one account."""

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> Secret:
        """Return the value of one key; see ``plugin.base.SecretReader``."""


@dataclass(frozen=True, slots=True)
class SearchRules:
    """What a value must fulfil to be found in what an executor returns.

    Attributes:
        executor: the name of the executor, for messages.
        shortest_bytes: 0 if the executor never returns what its target said.
    """

    executor: str
    shortest_bytes: int = SHORTEST_BYTES


class SecretLedger:
    """Reader of Secrets for one call, which redacts every value that it has read or been told of.

    Attributes:
        redactor: the search for all values known so far.
    """

    def __init__(self, reader: RawSecretReader, rules: SearchRules) -> None:
        self._reader = reader
        self._rules = rules
        self._texts: set[str] = set()
        self._redactor: Redactor | None = None

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> Secret:
        """Return the value of one key, and redact it from now on; see ``plugin.base.SecretReader``."""
        value = await self._reader.read_secret(name, key, namespace=namespace)
        self._add(value, f"Secret {name!r}: the value of key {key!r}")
        return value

    def protect(self, text: str) -> Secret:
        """Return a text that was made from Secrets, or is one, as a ``Secret``, and redact it from now on."""
        if len(text.encode()) >= SHORTEST_BYTES:
            self._texts.add(text)
            self._redactor = None
        return Secret(text)

    def redact(self, text: str) -> str:
        """Return ``text`` without any value: for a text that is shortened before the call returns it."""
        return self.redactor.text(text)

    def add_parameters(self, parameters: Any) -> None:
        """Redact the values of ``spec.parametersFrom`` from now on.

        Raises:
            InvalidParametersError: a value is too short to be recognized, or there are too many.
        """
        for place, value in secrets_in(parameters):
            self._add(value, f"spec.parametersFrom: the value of {'.'.join(map(str, place))!r}")

    @property
    def redactor(self) -> Redactor:
        """The search for all values known so far; built when it is first needed."""
        if self._redactor is None:
            self._redactor = Redactor(self._texts) if self._texts else _NOTHING_KNOWN
        return self._redactor

    def _add(self, secret: Secret, what: str) -> None:
        value = secret.reveal()
        if isinstance(value, bool) or value == "":  # tells nothing
            return
        text = value if isinstance(value, str) else number_text(value)
        if len(text.strip().encode()) < self._rules.shortest_bytes:
            raise InvalidParametersError(
                f"{what} has fewer than {self._rules.shortest_bytes} bytes: executor {self._rules.executor!r} returns "
                "what its target says, in which so short a value cannot be recognized and hidden; use a longer one, or "
                "spec.parameters if it is not secret",
                code=Reason.SECRET_TOO_SHORT,
            )
        if len(text.encode()) >= SHORTEST_BYTES:
            self._texts.add(text)
            self._redactor = None
        if len(self._texts) > MOST_VALUES or sum(map(len, self._texts)) > MOST_BYTES:
            raise InvalidParametersError(
                f"{what}: the values from Secrets are more than {MOST_VALUES}, or longer than {MOST_BYTES} bytes "
                "together, and cannot be searched for in what the target says; use only those that the action needs",
                code=Reason.SECRET_TOO_LONG,
            )


_current: ContextVar[SecretLedger | None] = ContextVar("secret_ledger", default=None)


@contextmanager
def redact_logs(ledger: SecretLedger) -> Iterator[None]:
    """Redact the values of a ledger from all that is logged in this context, also by tasks that it starts."""
    token = _current.set(ledger)
    try:
        yield
    finally:
        _current.reset(token)


def redact_log_line(line: str) -> str:
    """Return a line of the log without the values that the current call knows."""
    ledger = _current.get()
    return line if ledger is None else ledger.redact(line)
