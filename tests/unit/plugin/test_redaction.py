"""Property tests of the redactor: no secret in any encoding gets through, and no other text changes."""

import asyncio
import base64
import html
import json
import re
import time
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from yarl import URL

from taskaction.api.enums import LogLevel
from taskaction.api.task_action import Link, LogLine, Progress
from taskaction.lifecycle.outcomes import Failed, Paused, Pending, Succeeded
from taskaction.plugin.encodings import Canonical
from taskaction.plugin.redaction import LONGEST_TEXT_CHARS, SHORTEST_BYTES, Redactor
from taskaction.plugin.secrets import REDACTED, Secret

ENCODINGS = {
    "plain": lambda text: text,
    "json": lambda text: json.dumps(text)[1:-1],
    "json in utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "repr": lambda text: repr(text)[1:-1],
    "percent": lambda text: quote(text, safe=""),
    "percent in lower case": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "percent of a path": lambda text: quote(text, safe="/:@!$&'()*+,;="),
    "form": quote_plus,
    "yarl's query": lambda text: URL.build(query={"q": text}).raw_query_string.removeprefix("q="),
    "yarl's path": lambda text: URL.build(path="/" + text).raw_path[1:],
    "latin-1": lambda text: text.encode().decode("latin-1"),
    "html": html.escape,
    "folded": lambda text: text.replace(" ", "\r\n "),
}
BASE64 = {
    "basic": lambda text: base64.b64encode(f"ada:{text}".encode()).decode(),
    "offset 0": lambda text: base64.b64encode(text.encode()).decode(),
    "offset 1": lambda text: base64.b64encode(f"x{text}y".encode()).decode(),
    "offset 2": lambda text: base64.b64encode(f"xx{text}yy".encode()).decode(),
    "of URLs": lambda text: base64.urlsafe_b64encode(f"x{text}".encode()).decode(),
}
WRAPPED = {
    "in one line": lambda text: text,
    "without padding": lambda text: text.rstrip("="),
    "of URLs": lambda text: text.replace("+", "-").replace("/", "_"),
    "of URLs without padding": lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
    "at 76 columns": lambda text: wrapped(text, 76, "\n"),
    "at 76 columns with CRLF": lambda text: wrapped(text, 76, "\r\n"),
    "at 64 columns": lambda text: wrapped(text, 64, "\n"),
    "at 5 columns, indented": lambda text: wrapped(text, 5, "\n    "),
    "at 76 columns, in JSON": lambda text: json.dumps(wrapped(text, 76, "\r\n"))[1:-1],
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded in lower case": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "percent-encoded lines": lambda text: quote(wrapped(text, 76, "\r\n"), safe=""),
    "decoded as a form": lambda text: text.replace("+", " "),
}


def wrapped(text: str, columns: int, ending: str) -> str:
    """Return a text in lines, as MIME and PEM write it."""
    return ending.join(text[at : at + columns] for at in range(0, len(text), columns))


VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"])
SECRETS = st.text(st.one_of(VISIBLE, st.sampled_from("/+=%&\"\\ <'äöü€😀")), min_size=8, max_size=60).filter(
    lambda text: len(text.strip().encode()) >= SHORTEST_BYTES and len(Canonical(text).text.strip()) >= SHORTEST_BYTES
)
AROUND = st.text(st.characters(codec="utf-8"), max_size=40)


@given(secret=SECRETS, before=AROUND, after=AROUND, first=st.sampled_from(sorted(ENCODINGS)))
def test_no_encoding_of_a_secret_gets_through(secret: str, before: str, after: str, first: str) -> None:
    secret = secret.strip()
    encoded = ENCODINGS[first](secret)
    shown = Redactor([secret]).text(f"{before} {encoded} {after}")
    assert encoded not in shown
    assert secret not in Canonical(shown).text
    assert REDACTED in shown


@given(secret=SECRETS, first=st.sampled_from(sorted(ENCODINGS)), second=st.sampled_from(sorted(ENCODINGS)))
def test_no_encoding_of_an_encoding_gets_through(secret: str, first: str, second: str) -> None:
    secret = secret.strip()
    assume("latin-1" not in {first, second})
    encoded = ENCODINGS[second](ENCODINGS[first](secret))
    assert encoded not in Redactor([secret]).text(f"it was {encoded} there")


@given(secret=SECRETS, how=st.sampled_from(sorted(BASE64)))
def test_base64_of_anything_with_a_secret_in_it_is_redacted(secret: str, how: str) -> None:
    secret = secret.strip()
    shown = Redactor([secret]).text(f"Basic {BASE64[how](secret)}")
    assert REDACTED in shown
    assert len(shown) < len("Basic ") + len(REDACTED) + 14


@pytest.mark.parametrize("how", WRAPPED)
@pytest.mark.parametrize("offset", range(3))
@given(secret=SECRETS, around=st.integers(0, 40))
def test_base64_is_redacted_however_it_is_written(how: str, offset: int, secret: str, around: int) -> None:
    secret = secret.strip()
    before = "x" * (3 * around + offset)
    encoded = WRAPPED[how](base64.b64encode(f"{before}{secret}{'y' * around}".encode()).decode())
    shown = Redactor([secret]).text(f"token: {encoded} (sent)")
    assert REDACTED in shown
    rest = re.sub(r"\\r|\\n|%..|\W", "", shown.replace(REDACTED, "|").lower())
    assert len(rest) < len("token") + len("sent") + 4 * (len(before) + around) / 3 + 18


@given(secret=SECRETS, others=st.lists(SECRETS, max_size=5), data=st.data())
def test_a_text_that_was_cut_shows_no_recognizable_part(secret: str, others: list[str], data: st.DataObject) -> None:
    secret = secret.strip()
    text = f"{'the target says: ' * 2}{secret}"
    kept = data.draw(st.integers(SHORTEST_BYTES, len(secret)))
    redactor = Redactor([secret, *others])
    assert secret[:kept] not in redactor.text(text[: len(text) - len(secret) + kept])
    assert secret[-kept:] not in redactor.text(f"…{secret[-kept:]} was wrong")


@given(secrets=st.lists(SECRETS, max_size=5), text=st.text(max_size=200))
def test_a_text_without_a_secret_stays_as_it_is(secrets: list[str], text: str) -> None:
    canonical = Canonical(text).text
    heads = {Canonical(one.strip()).text[:SHORTEST_BYTES] for one in secrets} | {one.strip()[:8] for one in secrets}
    tails = {Canonical(one.strip()).text[-SHORTEST_BYTES:] for one in secrets} | {one.strip()[-8:] for one in secrets}
    assume(not any(part and part in place for part in heads | tails for place in (text, canonical)))
    assert Redactor(secrets).text(text) == text


@given(texts=st.lists(st.text(max_size=30), max_size=5))
def test_without_secrets_nothing_changes(texts: list[str]) -> None:
    assert Redactor([]).value({"a": texts, "b": 12345678}) == {"a": texts, "b": 12345678}


def test_secrets_that_overlap_are_redacted_as_one() -> None:
    shown = Redactor(["abcdefgh", "efghijkl", "ijklmnop", "cdefghijk"]).text("xabcdefghijklmnopx")
    assert shown == f"x{REDACTED}x"


@pytest.mark.parametrize("number", [12345678, 12345678.0, 1234567.5])
def test_a_number_is_redacted_as_a_whole_only(number: float) -> None:
    redactor = Redactor(["12345678", "1234567.5"])
    assert redactor.value([number, 912345678, 1, True, None]) == [REDACTED, 912345678, 1, True, None]


@pytest.mark.parametrize("number", [0, -0.0, 1.0, 1.5, 9_999_999.0, 9_999_999, -999_999.0, 1e19, 5e-324, 1e300])
def test_a_number_without_a_secret_stays_as_it_is(number: float) -> None:
    assert Redactor(["hunter2-secret"]).value([number]) == [number]


@pytest.mark.parametrize("secret", ["10000000", "-1000000", "12345678.5", "1234.5678"])
def test_a_number_of_eight_characters_is_searched_for(secret: str) -> None:
    assert Redactor([secret]).value([float(secret)]) == [REDACTED]


def test_many_numbers_take_little_time() -> None:
    redactor, numbers = Redactor(["hunter2-secret"]), [number / 7 for number in range(20_000)]
    began = time.process_time()
    redactor.value(numbers)
    assert time.process_time() - began < 2


def test_every_field_of_every_outcome_is_redacted() -> None:
    secret, link = "s3cret-value", Link(name="s3cret-value", url="https://x/?t=s3cret-value")
    found = [
        Succeeded(
            output={secret: [secret]}, output_uri=f"s3://{secret}", external_id=secret, message=secret, links=(link,)
        ),
        Failed(code=secret, message=secret, output=secret, external_id=secret),
        Pending(poll_after=1, external_id=secret, message=secret, progress=Progress(message=secret), links=(link,)),
        Paused(message=secret, external_id=secret, links=(link,)),
        Succeeded(output=Secret(7)),
    ]
    shown = [Redactor([secret]).fields(one) for one in found]
    assert secret not in str(shown)
    assert shown[-1].output == REDACTED
    assert all(type(one) is type(other) for one, other in zip(found, shown, strict=True))


@pytest.mark.parametrize(
    ("secrets", "text"),
    [
        ([f"{number:020}" for number in range(256)], "0123456789" * 6000),
        (["a" * length for length in range(8, 128)], "a" * 60_000),
        (['%"\\+ä/' * 2500], "%41%22\\u00e4\\\\" * 4000),
        (["s3cret-value"], "\n".join(["czNjcmV0LXZhbHVl", "czNjcmV0LXZhb"] * 2000)),
        (["s3cret-value"], " +-_" * 16_000),
    ],
    ids=["many", "nested in each other", "long and encoded", "wrapped lines", "nothing but gaps"],
)
def test_hostile_texts_take_little_time(secrets: list[str], text: str) -> None:
    started = time.thread_time()
    Redactor(secrets).text(text)
    assert time.thread_time() - started < 1.0  # 0.05 s on an idle machine; anything quadratic takes minutes


def test_a_text_longer_than_any_that_is_recorded_is_cut_first() -> None:
    assert len(Redactor(["s3cret-value"]).text("x" * 10 * LONGEST_TEXT_CHARS)) == LONGEST_TEXT_CHARS


def test_r38_no_part_of_a_progress_keeps_a_secret() -> None:
    secret = "correct-horse-battery"
    line = LogLine(number=1, at=datetime(2026, 1, 1, tzinfo=UTC), level=LogLevel.INFO, message=f"sent {secret}")
    progress = Progress(message=secret, label=secret, log=(line,), output={"token": [secret]})
    shown = Redactor([secret]).fields(progress).to_json()
    assert secret not in json.dumps(shown)
    assert (shown["log"][0]["number"], shown["output"]) == (1, {"token": [REDACTED]})


async def test_a_value_with_many_texts_is_searched_in_turns_with_the_same_result() -> None:
    redactor = Redactor(["correct horse battery", "1234567890"])
    value = {"correct horse battery": [f"text {number}" for number in range(2_000)], "n": [1234567890, 7, 1.5, None]}
    value["more"] = ["the correct horse battery", ["x" * 1_000], {"a": Secret("staple")}]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    found = await redactor.value_in_turns(value)
    counting.cancel()
    assert found == redactor.value(value)
    assert found["more"] == ["the [redacted]", ["x" * 1_000], {"a": "[redacted]"}]
    assert found["n"] == ["[redacted]", 7, 1.5, None]
    assert turns > 2
