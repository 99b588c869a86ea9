"""Authentication of webhook requests: pure functions that compare in constant time; no I/O, no logs."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from taskaction.api.enums import SignatureAlgorithm, SignatureEncoding
from taskaction.api.webhook import HmacAuthentication, SignedTimestamp, WebhookAuthentication, WebhookSecretRef
from taskaction.plugin.errors import WebhookRefusedError

_UNAUTHORIZED = 401
_TOLERANCE = timedelta(minutes=5)
_SIGNED = "{timestamp}.{body}"
_TIMESTAMP_CHARS = 15
_HASHES = {
    SignatureAlgorithm.SHA256: "sha256",
    SignatureAlgorithm.SHA512: "sha512",
    SignatureAlgorithm.SHA1: "sha1",
}


def secret_of(authentication: WebhookAuthentication) -> WebhookSecretRef | None:
    """Return the reference of the Secret that an authentication needs, or None."""
    if authentication.hmac is not None:
        return authentication.hmac.secret_key_ref
    if authentication.basic is not None:
        return authentication.basic.password_secret_key_ref
    return authentication.token.secret_key_ref if authentication.token is not None else None


def secret_headers(authentication: WebhookAuthentication) -> frozenset[str]:
    """Return the headers, in lower case, that carry the secret itself: they are never stored."""
    token = authentication.token
    return frozenset({"authorization"} | ({token.header.lower()} if token is not None and token.header else set()))


def is_signed(authentication: WebhookAuthentication, headers: Mapping[str, str]) -> bool:
    """Whether the body decides if the sender is authentic: whether there is a signature of it."""
    return authentication.hmac is not None and authentication.hmac.header.lower() in headers


def authenticate(
    authentication: WebhookAuthentication, secret: str, headers: Mapping[str, str], content: bytes, now: datetime
) -> None:
    """Check that the sender is authentic; ``headers`` have lower-case names.

    Raises:
        WebhookRefusedError: 401; the message names what is missing, and never the expected value.
    """
    if authentication.hmac is not None:
        _check_signature(authentication.hmac, secret, headers, content, now)
    elif authentication.basic is not None:
        expected = base64.b64encode(f"{authentication.basic.username}:{secret}".encode()).decode()
        _check_text(f"Basic {expected}", headers, "Authorization")
    elif authentication.token is not None and authentication.token.header is not None:
        _check_text(secret, headers, authentication.token.header)
    elif authentication.token is not None:
        _check_text(f"Bearer {secret}", headers, "Authorization")
    elif authentication.none is None:
        raise WebhookRefusedError(_UNAUTHORIZED, "no webhook authentication is configured for this provider")


def _check_signature(
    said: HmacAuthentication, secret: str, headers: Mapping[str, str], content: bytes, now: datetime
) -> None:
    value = _header(headers, said.header)
    prefix = said.prefix or ""
    given = _decode_signature(value.removeprefix(prefix), said.encoding) if value.startswith(prefix) else None
    if given is None:
        raise WebhookRefusedError(_UNAUTHORIZED, f"header {said.header} is not a valid signature")
    signed = content if said.timestamp is None else _signed_content(said.timestamp, headers, content, now)
    if not hmac.compare_digest(hmac.digest(secret.encode(), signed, _HASHES[said.algorithm]), given):
        raise WebhookRefusedError(_UNAUTHORIZED, f"the signature in header {said.header} does not match the body")


def _signed_content(said: SignedTimestamp, headers: Mapping[str, str], content: bytes, now: datetime) -> bytes:
    """Return the signed content where it includes a timestamp; refuse a timestamp too far from now."""
    text = _header(headers, said.header)
    if not (text.isascii() and text.isdecimal() and len(text) <= _TIMESTAMP_CHARS):
        raise WebhookRefusedError(_UNAUTHORIZED, f"header {said.header} is not a Unix timestamp in seconds")
    tolerance = (said.tolerance or _TOLERANCE).total_seconds()
    if abs(now.timestamp() - int(text)) > tolerance:
        raise WebhookRefusedError(_UNAUTHORIZED, f"the timestamp in header {said.header} is too far from now")
    before, _, rest = (said.signed or _SIGNED).partition("{timestamp}")
    between, _, after = rest.partition("{body}")
    return f"{before}{text}{between}".encode() + content + after.encode()


def _check_text(expected: str, headers: Mapping[str, str], name: str) -> None:
    if not hmac.compare_digest(expected.encode(), _header(headers, name).encode()):
        raise WebhookRefusedError(_UNAUTHORIZED, f"header {name} does not match")


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name.lower())
    if not value:
        raise WebhookRefusedError(_UNAUTHORIZED, f"header {name} is missing")
    return value


def _decode_signature(text: str, encoding: SignatureEncoding) -> bytes | None:
    try:
        if encoding is SignatureEncoding.HEX:
            return bytes.fromhex(text)
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
