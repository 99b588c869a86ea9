"""Thread outside the event loop that ends the process when its leases have expired and the loop cannot stop the work.

A blocked loop cannot notice that its deadline has passed, while another replica takes over (docs/architecture.md).
"""

import asyncio
import os
import sys
import threading

from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock

EXIT_CODE = 70
_BEAT_SECONDS = 1.0


class Watchdog:
    """Monitor that expects a heartbeat of the loop within every lease duration while leases are held."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, tenures: ShardTenures, lease_duration: float
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._tenures = tenures
        self._patience = lease_duration
        self._beaten = clock.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._beaten = self._clock.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_BEAT_SECONDS):
            self._loop.call_soon_threadsafe(self._record_heartbeat)
            silent = self._clock.monotonic() - self._beaten
            if silent > self._patience and self._tenures.held_count:
                sys.stderr.write(f"event loop blocked for {silent:.0f}s, longer than the lease duration; exiting\n")
                sys.stderr.flush()
                os._exit(EXIT_CODE)  # no running work may outlive the lease

    def _record_heartbeat(self) -> None:
        self._beaten = self._clock.monotonic()
