"""A thread outside the loop that ends the process when its leases have run out and the loop cannot stop the work.

A loop that is blocked cannot see that its deadline has passed, while another replica takes over (design, section 5).
"""

import asyncio
import os
import sys
import threading

from taskaction.control.sharding.leases import ShardLeases
from taskaction.core.clock import Clock

EXIT_CODE = 70
_BEAT_SECONDS = 1.0


def force_exit(seconds: float) -> None:
    """End the process after ``seconds`` if it is still there: a plug-in's tasks and threads may ignore that it ends."""
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()


class Watchdog:
    """Expects a sign of life of the loop within every lease duration, as long as leases are held."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, leases: ShardLeases, lease_duration: float
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._leases = leases
        self._patience = lease_duration
        self._beaten = clock.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._beaten = self._clock.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_BEAT_SECONDS):
            self._loop.call_soon_threadsafe(self._beat)
            silent = self._clock.monotonic() - self._beaten
            if silent > self._patience and self._leases.held:
                sys.stderr.write(f"the event loop was blocked for {silent:.0f}s, longer than a lease lasts: exiting\n")
                sys.stderr.flush()
                os._exit(EXIT_CODE)  # nothing that is still running may outlive the lease

    def _beat(self) -> None:
        self._beaten = self._clock.monotonic()
