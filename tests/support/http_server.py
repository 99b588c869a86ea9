"""The HTTP target of `taskaction.testing`, under the name by which the project's own tests know it."""

from taskaction.testing.targets import (
    Handler,
    HttpServer,
    Seen,
    breaks_off,
    floods,
    hangs,
    hangs_up,
    redirects,
    says,
    trickles,
)

__all__ = [
    "Handler",
    "HttpServer",
    "Seen",
    "breaks_off",
    "floods",
    "hangs",
    "hangs_up",
    "redirects",
    "says",
    "trickles",
]
