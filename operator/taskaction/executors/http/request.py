"""A request that is ready to be sent, and its response; values without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from taskaction.core.json_values import JsonSyntaxError, JsonValueError, parse_json, parse_text
from taskaction.core.names import digest
from taskaction.executors.http.effects import Effect
from taskaction.executors.http.headers import check_headers, check_method
from taskaction.plugin.errors import InvalidOutputError, InvalidParametersError

SAFELISTED = frozenset({"accept", "accept-language", "user-agent"})
"""Headers that hold nothing private, so that another origin may see them; in lower case."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """Request with every template rendered, and with the values of Secrets in plain.

    Attributes:
        namespace: the namespace on whose behalf it is sent; connections are not shared between namespaces.
        url_field: the field that the URL is from, for messages.
        timeout: seconds until the response is read; each redirect has as many.
        credential: a fingerprint of whatever else, apart from headers, decides who may share a connection.
        keyed: whether the target recognizes a repeat, by a key in the request or by what the request means.
        public_headers: further headers, in lower case, that another origin may see after a redirect.

    Raises:
        InvalidParametersError: the method or a header belongs to the client alone, or is not valid.
    """

    namespace: str
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    timeout: float
    credential: str = ""
    keyed: bool = False
    url_field: str = "url"
    public_headers: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        try:
            check_method(self.method)
            check_headers(self.headers)
        except ValueError as error:
            raise InvalidParametersError(str(error)) from error

    @property
    def connection_key(self) -> str:
        """The identity of those who may share a connection: a namespace, and its credentials."""
        shown = SAFELISTED | self.public_headers | {"content-type"}
        private = sorted((name.lower(), value) for name, value in self.headers.items() if name.lower() not in shown)
        login = urlsplit(self.url).netloc.rpartition("@")[0]
        return digest(orjson.dumps([self.namespace, self.credential, login, private]))


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """Response that has been read completely.

    Attributes:
        headers: the names are in lower case, the values are Latin-1.
        effect: what the request has done at the target, redirects included.
        redirect: why a redirect was not followed, and where it leads; otherwise empty.
    """

    code: int
    headers: Mapping[str, str]
    content: bytes
    effect: Effect = Effect.NONE
    redirect: str = ""
    _parsed: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def body(self) -> Any:
        """The JSON value if the content is JSON, with or without a byte order mark; otherwise the text.

        Raises:
            InvalidOutputError: the content is JSON, and a reader would change a value in it.
        """
        if not self._parsed:  # parsed once, since a large one takes milliseconds
            try:
                self._parsed.append(self._parse(self.content.removeprefix(_BYTE_ORDER_MARK)))
            except JsonValueError as error:
                raise InvalidOutputError(error.under("body")) from error
        return self._parsed[0]

    def _parse(self, content: bytes) -> Any:
        try:
            return parse_json(content) if self._says_json else parse_text(content.decode())
        except (JsonSyntaxError, UnicodeDecodeError):
            return content.decode(errors="replace")

    @property
    def _says_json(self) -> bool:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind.endswith(("/json", "+json"))
