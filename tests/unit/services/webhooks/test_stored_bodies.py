"""R36: bodies up to 1 MiB are kept as they came, in the event or in the storage, within the bytes of a namespace."""

import base64
import random
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fake_cluster import FakeCluster
from taskaction.api.action_event import CONTENT_LIMIT_BYTES, EventContent
from taskaction.api.base import format_time
from taskaction.cluster.gateway import ACTION_EVENTS, Body
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.plugin.event_content import (
    ContentLostError,
    EventContents,
    EventKey,
    address_of,
    event_name_of,
    former_address_of,
    pack_content,
)
from taskaction.plugin.storage import STORAGE_SETTING, ProjectStorage, StorageError
from taskaction.services.webhooks.envelopes import PackedRequest, WebhookSource, envelope, pack_body, pack_bytes
from taskaction.services.webhooks.store import InboxFullError, StoreResult, StoreSettings, WebhookEventStore
from taskaction.testing.clock import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = EventKey("team", "e", NOW)
RANDOM = random.Random(36).randbytes(CONTENT_LIMIT_BYTES)  # cannot be compressed
HEADERS = {"x-kind": "job", "authorization": "Bearer geheim"}


def source(name: str = "/providers/team/ci", namespace: str = "team") -> WebhookSource:
    return WebhookSource(name=name, namespace=namespace, max_pending=100, ttl_seconds=60)


def event(packed: PackedRequest, delivery: str = "1", of: WebhookSource | None = None) -> Body:
    return envelope(of or source(), delivery, {"correlationKey": "7"}, packed, NOW)


def store(cluster: Any = None, folder: str | None = None, **settings: Any) -> WebhookEventStore:
    limits = StoreSettings(max_pending=1000, **settings)
    return WebhookEventStore(cluster or FakeCluster(), FakeClock(), limits, EventContents(ProjectStorage(folder)))


def packed_of(size: int) -> PackedRequest:
    return pack_bytes(HEADERS, None, RANDOM[:size], frozenset())


# -- where a body is kept ----------------------------------------------------------------------------------------------


@given(content=st.binary(max_size=4096))
async def test_r36_bytes_in_an_event_are_read_back_unchanged(content: bytes) -> None:
    packed = pack_content(content)
    assert packed.size == len(content)
    assert await EventContents(ProjectStorage(None)).read(KEY, packed) == content


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


BODIES: dict[str, tuple[Any, bool, bool]] = {
    "fits into the payload": ("x" * 30_000, True, False),
    "fits compressed": ("x" * 1_000_000, False, False),
    "does not fit": (RANDOM[:400_000].hex(), False, True),
}


@pytest.mark.parametrize(("body", "in_payload", "in_storage"), BODIES.values(), ids=BODIES)
def test_r36_a_json_body_is_kept_where_it_fits(body: Any, in_payload: bool, in_storage: bool) -> None:
    packed = pack_body(HEADERS, body, frozenset())
    assert packed.payload["headers"] == {"x-kind": "job"}
    assert ("body" in packed.payload) == in_payload == (packed.content is None)
    assert packed.must_be_stored == in_storage


@pytest.mark.parametrize(("size", "in_storage"), [(0, False), (40_000, False), (262_000, False), (300_000, True)])
async def test_r34_r36_bytes_are_kept_whatever_their_size(tmp_path: Path, size: int, in_storage: bool) -> None:
    cluster, folder = FakeCluster(), f"file://{tmp_path}/"
    packed = packed_of(size)
    made = event(packed)
    assert await store(cluster, folder).create_events(source(), [made], packed, once=True) is StoreResult.NEW
    content = EventContent.model_validate(made["spec"]["content"])
    assert (content.data is None) == in_storage == (content.sha256 is not None)
    contents = EventContents(ProjectStorage(folder))
    key = EventKey("team", made["metadata"]["name"], NOW)
    assert await contents.read(key, content) == RANDOM[:size]
    await contents.remove(key, content)
    assert not files(tmp_path)
    with pytest.raises(ContentLostError, match="missing"):
        await contents.read(key, EventContent(size=size, sha256="0" * 64))


async def test_r36_without_storage_a_large_body_is_refused_with_the_settings_name() -> None:
    packed = packed_of(300_000)
    with pytest.raises(WebhookRefusedError, match=STORAGE_SETTING) as refused:
        await store().create_events(source(), [event(packed)], packed, once=True)
    assert refused.value.status == 413


async def test_r36_a_storage_that_is_away_stores_no_event(tmp_path: Path) -> None:
    (tmp_path / "team").write_text("in the way of a folder")
    cluster, packed = FakeCluster(), packed_of(300_000)
    with pytest.raises(StorageError):
        await store(cluster, f"file://{tmp_path}/").create_events(source(), [event(packed)], packed, once=True)
    assert not cluster.objects


SPOILT = {
    "not Base64": EventContent(size=1, data="!"),
    "not compressed": EventContent(size=1, data=base64.b64encode(b"abc").decode()),
    "cut": EventContent(size=9, data=base64.b64encode(zlib.compress(b"some text")[:-3]).decode()),
    "more than it may be": EventContent(size=1, data=base64.b64encode(zlib.compress(b"x" * 1_048_577)).decode()),
    "missing": EventContent(size=1, sha256="0" * 64),
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
async def test_r36_what_cannot_be_read_back_is_lost_with_a_reason(tmp_path: Path, content: EventContent) -> None:
    with pytest.raises(ContentLostError):
        await EventContents(ProjectStorage(f"file://{tmp_path}/")).read(KEY, content)


async def test_r36_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    contents, packed = EventContents(ProjectStorage(f"file://{tmp_path}/")), packed_of(300_000)
    assert packed.content is not None
    await contents.write(KEY, packed.body)
    (file,) = files(tmp_path)
    file.write_bytes(packed.body + b" ")
    with pytest.raises(ContentLostError, match="changed"):
        await contents.read(KEY, packed.content)


async def test_other_bytes_under_the_same_name_replace_nothing(tmp_path: Path) -> None:
    contents, first = EventContents(ProjectStorage(f"file://{tmp_path}/")), packed_of(300_000)
    assert first.content is not None
    await contents.write(KEY, first.body)
    await contents.write(KEY, first.body + b"!")
    assert await contents.read(KEY, first.content) == first.body


async def test_a_repeated_request_leaves_no_other_file(tmp_path: Path) -> None:
    cluster, folder, packed = FakeCluster(), f"file://{tmp_path}/", packed_of(300_000)
    assert await store(cluster, folder).create_events(source(), [event(packed)], packed, once=False) is StoreResult.NEW
    for minute in range(3):
        again = envelope(source(), "1", {"correlationKey": "7"}, packed, NOW + timedelta(minutes=minute))
        found = await store(cluster, folder).create_events(source(), [again], packed, once=False)
        assert found is StoreResult.KNOWN
    assert len(files(tmp_path)) == 1


async def test_the_bytes_of_an_event_stay_when_those_of_an_earlier_one_of_its_name_go(tmp_path: Path) -> None:
    contents, packed = EventContents(ProjectStorage(f"file://{tmp_path}/")), packed_of(300_000)
    assert packed.content is not None
    later = KEY._replace(received_at=NOW + timedelta(milliseconds=1))
    for key in KEY, later:
        await contents.write(key, packed.body)
    await contents.remove(KEY, packed.content)
    assert await contents.read(later, packed.content) == packed.body


async def test_the_bytes_of_an_event_that_waits_during_an_upgrade_are_read_and_removed(tmp_path: Path) -> None:
    """An earlier release stored them under an address without the time of receipt."""
    storage, packed = ProjectStorage(f"file://{tmp_path}/"), packed_of(300_000)
    contents = EventContents(storage)
    assert packed.content is not None
    await storage.write(f"{storage.folder}team/webhooks/e-{packed.content.sha256}", packed.body)
    assert await contents.read(KEY, packed.content) == packed.body
    await contents.remove(KEY, packed.content)
    assert not files(tmp_path)


@given(
    st.datetimes(datetime(1000, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?", fullmatch=True),
)
def test_the_event_of_a_file_is_found_by_its_address_at_any_time(moment: datetime, name: str) -> None:
    recorded = datetime.fromisoformat(format_time(moment))
    address = address_of("s3://bucket/", EventKey("team", name, recorded), "0" * 64)
    assert address == address_of("s3://bucket/", EventKey("team", name, moment), "0" * 64)
    assert event_name_of(address) == name
    assert address.startswith(f"s3://bucket/team/webhooks/{moment.date().isoformat()}/")
    assert event_name_of(former_address_of("s3://bucket/", EventKey("team", name, recorded), "0" * 64)) == name


# -- pending bytes -----------------------------------------------------------------------------------------------------


async def filled(
    inbox: WebhookEventStore, of: WebhookSource, packed: PackedRequest, number: int = 100, mark: str = ""
) -> tuple[int, InboxFullError | None]:
    """Store requests until one is refused; give how many were stored, and the refusal."""
    for stored in range(number):
        try:
            await inbox.create_events(of, [event(packed, f"{mark} {stored}", of)], packed, once=True)
        except InboxFullError as full:
            return stored, full
    return number, None


async def test_r36_pending_bytes_of_a_namespace_are_bounded_and_cost_their_sender_only() -> None:
    cluster, packed = FakeCluster(), packed_of(90_000)
    inbox = store(cluster, max_pending_bytes=10 * packed.size)
    greedy, modest = source("/integration/a", "ops"), source("/integration/b", "ops")
    stored, full = await filled(inbox, greedy, packed)
    assert stored == 10
    assert full is not None
    assert (full.status, full.retry_after > 0) == (429, True)
    assert "TASKACTION_WEBHOOKS_MAX_PENDING_BYTES" in str(full)
    assert (await filled(inbox, modest, packed))[0] == 5  # its equal share
    assert (await filled(inbox, source(namespace="another"), packed))[0] == 10
    await inbox.count_pending()  # as another replica finds them
    assert (await filled(inbox, greedy, packed, mark="more"))[0] == 0
    cluster.objects.clear()
    await inbox.count_pending()
    assert (await filled(inbox, greedy, packed, 1, mark="later"))[0] == 1


@pytest.mark.parametrize("text", ["-5", "9" * 30, "", "many", "1e9"])
async def test_r36_a_forged_size_counts_for_nobody_else(text: str) -> None:
    cluster, packed = FakeCluster(), packed_of(90_000)
    forged = event(packed, "forged", source())
    forged["metadata"] |= {"uid": "f", "annotations": {"taskaction.dev/webhook-bytes": text}}
    cluster.store(ACTION_EVENTS, forged)
    inbox = store(cluster, max_pending_bytes=3 * packed.size)
    await inbox.count_pending()
    assert (await filled(inbox, source(namespace="another"), packed))[0] == 3
