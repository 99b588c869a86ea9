"""Derived names: the same facts give the same name in every process and release, evenly spread and within bounds."""

import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.core import names
from taskaction.core.names import digest, scheduled_name, shard_of, stable_hash, truncate


@pytest.mark.parametrize(
    ("text", "expected"), [("", 16476032584258269876), ("team-a/noop", 6910737003020931014)], ids=["nothing", "a key"]
)
def test_a_hash_never_changes_from_one_release_to_the_next(text, expected) -> None:
    assert stable_hash(text) == expected


def test_two_replicas_of_different_releases_agree_on_the_shard_of_a_key() -> None:
    assert shard_of("team-a/noop", 16) == 6


def test_a_hash_is_the_same_in_another_process() -> None:
    source = f"import runpy; print(runpy.run_path({names.__file__!r})['stable_hash']('key'))"
    said = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout

    assert int(said) == stable_hash("key")


@settings(max_examples=200)
@given(key=st.text(), shards=st.integers(1, 256))
def test_every_key_has_one_of_the_shards(key, shards) -> None:
    assert 0 <= shard_of(key, shards) < shards


@pytest.mark.parametrize("shards", [2, 16, 50])
@pytest.mark.parametrize(
    "key", [lambda number: str(UUID(int=number)), lambda number: f"team-{number}/noop"], ids=["uids", "names"]
)
def test_shards_get_about_the_same_number_of_keys(shards, key) -> None:
    found = Counter(shard_of(key(number), shards) for number in range(20_000))

    assert len(found) == shards
    assert max(found.values()) < 1.25 * 20_000 / shards
    assert min(found.values()) > 0.75 * 20_000 / shards


def test_a_digest_never_changes_from_one_release_to_the_next() -> None:
    assert digest(b"{}") == "2afb9b83f9314e5d029766197f539792"


@settings(max_examples=100)
@given(one=st.binary(max_size=64), other=st.binary(max_size=64))
def test_digests_are_equal_just_where_the_data_is(one, other) -> None:
    assert (digest(one) == digest(other)) == (one == other)
    assert len(digest(one)) == 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("1234", "1234"), ("12345", "12345"), ("123456", "1234…"), ("ä" * 9, "ääää…")],
    ids=["nothing", "shorter", "just as long", "one too long", "counted in characters, not bytes"],
)
def test_text_is_cut_at_its_limit_and_shows_it(text, expected) -> None:
    assert truncate(text, 5) == expected


@settings(max_examples=200)
@given(text=st.text(), limit=st.integers(1, 30))
def test_a_text_is_never_longer_than_its_limit_and_untouched_within_it(text, limit) -> None:
    cut = truncate(text, limit)

    assert len(cut) <= limit
    assert cut == text or len(text) > limit
    assert cut.removesuffix("…") == text[: len(cut.removesuffix("…"))]


NINE = datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_the_name_of_a_scheduled_object_is_that_of_its_schedule_and_time() -> None:
    assert scheduled_name("nightly", NINE) == "nightly-1769850000"
    assert scheduled_name("x" * 52, NINE) == "x" * 52 + "-1769850000"


@given(
    name=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?", fullmatch=True),
    time=st.integers(0, 253_402_300_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_the_name_of_a_scheduled_object_is_valid_and_its_own(name, time) -> None:
    named = scheduled_name(name, time)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", named)
    assert named != scheduled_name(name, time - timedelta(seconds=1))
    assert named != scheduled_name(f"{name}a", time)
