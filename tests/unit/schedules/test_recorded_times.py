"""Times that the library of Kubernetes' CronJob has, for expressions around changes of the clock.

``tests/data/schedules/cron_times.json`` is what robfig/cron v3.0.1 returned, by ``ParseStandard("TZ=zone expression")``
and ``Next``, with the time zones of ``tzdata`` 2026.6. All moments are seconds of UTC.
"""

import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from taskaction.schedules.times import Cron

RECORDED = json.loads((Path(__file__).parents[2] / "data" / "schedules" / "cron_times.json").read_text())


@pytest.mark.parametrize("recorded", RECORDED, ids=[f"{one['cron']} {one['zone']}" for one in RECORDED])
def test_times_are_those_of_cronjob(recorded: dict[str, Any]) -> None:
    assert recorded["times"]
    times = Cron(recorded["cron"], recorded["zone"])
    after, last = (datetime.fromtimestamp(seconds, UTC) for seconds in (recorded["after"], recorded["times"][-1]))
    found = [int(moment.timestamp()) for moment in islice(times.times(after, last), 100)]
    assert found == recorded["times"]
