"""Time zones come from the package ``tzdata``, and change their offset at most once within two days."""

import struct
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import pairwise

import pytest

from taskaction.schedules import zones
from taskaction.schedules.errors import ScheduleError
from taskaction.schedules.zones import end_of_offset, load_zone, offset_at, tzdata_version, zone_names

TWO_DAYS = timedelta(days=2)
SINCE = datetime(1980, 1, 1, tzinfo=UTC)


def test_the_version_is_that_of_the_database() -> None:
    assert (files("tzdata") / "zoneinfo" / "tzdata.zi").read_text().startswith(f"# version {tzdata_version()}\n")


def test_zones_of_the_system_are_not_consulted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the system's zones were asked")

    monkeypatch.setattr(zoneinfo._common, "load_tzdata", refuse)
    zones._read_zone.cache_clear()
    assert offset_at(load_zone("Pacific/Kiritimati"), SINCE).total_seconds() != 0


@pytest.mark.parametrize(
    ("name", "fix"),
    {
        "Europe/Berln": "use Europe/Berlin",
        "europe/berlin": "use Europe/Berlin",
        "Local": "use a name of the IANA database",
        "": "use a name of the IANA database",
        "../tzdata/zones": "use",
        "/etc/localtime": "use",
        "zone.tab": "use a name of the IANA database",
        "x" * 5000: "use a name of the IANA database",
    }.items(),
)
def test_an_unknown_zone_is_refused_with_a_fix(name: str, fix: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        load_zone(name)
    assert str(refused.value).startswith('spec.timeZone: unknown time zone "')
    assert fix in str(refused.value)
    assert len(str(refused.value)) < 200


def test_every_zone_loads() -> None:
    assert len(zone_names()) > 500
    for name in zone_names():
        assert load_zone(name).key == name


def changes(name: str) -> Iterator[datetime]:
    """Return the changes of offset that the compiled zone lists (until 2037 at least), read without ``zoneinfo``."""
    data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    header = ">4s c 15x 6l"
    size = struct.calcsize(header)
    _, _, isut, isstd, leap, times, types, chars = struct.unpack_from(header, data)
    second = size + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    _, _, isut, isstd, leap, times, types, chars = struct.unpack_from(header, data, second)
    start = second + size
    moments = struct.unpack_from(f">{times}q", data, start)
    kinds = data[start + times * 8 : start + times * 9]
    offsets = [struct.unpack_from(">l", data, start + times * 9 + kind * 6)[0] for kind in kinds]
    for (_, before), (moment, after) in pairwise(zip(moments, offsets, strict=True)):
        if before != after and moment >= SINCE.timestamp():
            yield datetime.fromtimestamp(moment, UTC)


def test_no_zone_changes_its_offset_twice_within_two_days() -> None:
    seen = 0
    for name in zone_names():
        for one, other in pairwise(changes(name)):
            assert other - one > TWO_DAYS, name
            seen += 1
    assert seen > 5000


def test_the_end_of_an_offset_is_the_second_of_the_change() -> None:
    seen = 0
    for name in sorted(zone_names())[::7]:
        zone = load_zone(name)
        for moment in changes(name):
            start = moment - timedelta(days=1, seconds=17)
            assert end_of_offset(zone, start, start + TWO_DAYS) == moment
            assert end_of_offset(zone, start, moment) == moment
            assert end_of_offset(zone, start, moment - timedelta(seconds=1)) == moment - timedelta(seconds=1)
            assert end_of_offset(zone, moment, moment + timedelta(days=1)) == moment + timedelta(days=1)
            seen += 1
    assert seen > 1000
