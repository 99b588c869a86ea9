"""Who may send: each way of authentication takes what fits, and nothing else."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.api.webhook import WebhookAuthentication
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.services.webhooks.signatures import authenticate, secret_headers, secret_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
REF = {"name": "s", "key": "k"}
STAMP = str(int(NOW.timestamp()))


def signature(algorithm: str, content: bytes = BODY, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), content, getattr(hashlib, algorithm)).digest()


def way(**said: Any) -> WebhookAuthentication:
    return WebhookAuthentication.model_validate(said)


def signed(**said: Any) -> WebhookAuthentication:
    return way(hmac={"secretKeyRef": REF, "header": "X-Sig", **said})


GITHUB = signed(header="X-Hub-Signature-256", prefix="sha256=")
TIMED = signed(timestamp={"header": "X-Time", "tolerance": "1m"})
SLACK = signed(prefix="v0=", timestamp={"header": "X-Time", "signed": "v0:{timestamp}:{body}"})
BASIC = way(basic={"username": "hook", "passwordSecretKeyRef": REF})
BEARER = way(token={"secretKeyRef": REF})
TOKEN = way(token={"secretKeyRef": REF, "header": "X-Gitlab-Token"})
OPEN = way(none=True)
CREDENTIALS = base64.b64encode(f"hook:{SECRET}".encode()).decode()

FITS: dict[str, tuple[WebhookAuthentication, Mapping[str, str]]] = {
    "GitHub's documented example": (
        GITHUB,
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
    ),
    "in capitals": (signed(), {"x-sig": signature("sha256").hex().upper()}),
    "SHA-512": (signed(algorithm="SHA512"), {"x-sig": signature("sha512").hex()}),
    "SHA-1": (signed(algorithm="SHA1"), {"x-sig": signature("sha1").hex()}),
    "Base64": (signed(encoding="Base64"), {"x-sig": base64.b64encode(signature("sha256")).decode()}),
    "with a time": (
        TIMED,
        {"x-time": STAMP, "x-sig": signature("sha256", STAMP.encode() + b"." + BODY).hex()},
    ),
    "Slack's form": (
        SLACK,
        {"x-time": STAMP, "x-sig": "v0=" + signature("sha256", f"v0:{STAMP}:".encode() + BODY).hex()},
    ),
    "user and password": (BASIC, {"authorization": f"Basic {CREDENTIALS}"}),
    "bearer": (BEARER, {"authorization": f"Bearer {SECRET}"}),
    "a header's value": (TOKEN, {"x-gitlab-token": SECRET}),
    "nothing is asked": (OPEN, {}),
}
LATE = str(int(NOW.timestamp()) - 61)
REFUSED: dict[str, tuple[WebhookAuthentication, Mapping[str, str]]] = {
    "no signature": (GITHUB, {}),
    "an empty signature": (GITHUB, {"x-hub-signature-256": ""}),
    "a signature without its prefix": (GITHUB, {"x-hub-signature-256": signature("sha256").hex()}),
    "a prefix without a signature": (GITHUB, {"x-hub-signature-256": "sha256="}),
    "of another body": (signed(), {"x-sig": signature("sha256", b"other").hex()}),
    "of another secret": (signed(), {"x-sig": signature("sha256", secret="x").hex()}),
    "of another hash": (signed(), {"x-sig": signature("sha1").hex()}),
    "cut short": (signed(), {"x-sig": signature("sha256").hex()[:-2]}),
    "no hexadecimal": (signed(), {"x-sig": "zz"}),
    "no Base64": (signed(encoding="Base64"), {"x-sig": "*"}),
    "no time": (TIMED, {"x-sig": signature("sha256").hex()}),
    "a time that is none": (TIMED, {"x-time": "now", "x-sig": signature("sha256", b"now." + BODY).hex()}),
    "a time in digits of another script": (TIMED, {"x-time": "١٧٦٧", "x-sig": "00"}),
    "an old request again": (
        TIMED,
        {"x-time": LATE, "x-sig": signature("sha256", LATE.encode() + b"." + BODY).hex()},
    ),
    "another time than the signed one": (
        TIMED,
        {"x-time": STAMP, "x-sig": signature("sha256", b"1." + BODY).hex()},
    ),
    "another password": (BASIC, {"authorization": "Basic " + base64.b64encode(b"hook:x").decode()}),
    "a bearer for a password": (BASIC, {"authorization": f"Bearer {CREDENTIALS}"}),
    "no password": (BASIC, {}),
    "another token": (BEARER, {"authorization": f"Bearer {SECRET}x"}),
    "a token without its word": (BEARER, {"authorization": SECRET}),
    "another header": (TOKEN, {"authorization": f"Bearer {SECRET}"}),
    "a token that is no ASCII": (TOKEN, {"x-gitlab-token": "ü"}),
}


@pytest.mark.parametrize(("said", "headers"), FITS.values(), ids=FITS)
def test_who_has_the_secret_may_send(said: WebhookAuthentication, headers: Mapping[str, str]) -> None:
    authenticate(said, SECRET, headers, BODY, NOW)


@pytest.mark.parametrize(("said", "headers"), REFUSED.values(), ids=REFUSED)
def test_ocean_d15_who_has_not_is_refused_and_told_no_secret(
    said: WebhookAuthentication, headers: Mapping[str, str]
) -> None:
    with pytest.raises(WebhookRefusedError) as refused:
        authenticate(said, SECRET, headers, BODY, NOW)
    assert refused.value.status == 401
    assert SECRET not in str(refused.value)


@given(secret=st.text(min_size=1), content=st.binary(), other=st.binary())
def test_a_signature_fits_one_body_only(secret: str, content: bytes, other: bytes) -> None:
    headers = {"x-sig": signature("sha256", content, secret).hex()}
    authenticate(signed(), secret, headers, content, NOW)
    if other != content:
        with pytest.raises(WebhookRefusedError):
            authenticate(signed(), secret, headers, other, NOW)


@given(st.text(), st.text(alphabet=st.characters(codec="utf-8")))
def test_no_header_is_an_error_of_ours(secret: str, value: str) -> None:
    for said in (GITHUB, TIMED, BASIC, BEARER, TOKEN, signed(encoding="Base64")):
        names = ("x-hub-signature-256", "x-sig", "x-time", "authorization", "x-gitlab-token")
        with suppress(WebhookRefusedError):
            authenticate(said, secret, dict.fromkeys(names, value), BODY, NOW)


def test_the_secret_that_is_needed_is_named_and_its_header_is_never_stored() -> None:
    assert [secret_of(one) is None for one in (GITHUB, BASIC, TOKEN, OPEN)] == [False, False, False, True]
    assert secret_headers(TOKEN) == {"authorization", "x-gitlab-token"}
    assert secret_headers(GITHUB) == {"authorization"}
