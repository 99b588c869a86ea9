"""Views: what a page shows, and which changes make it show something else."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskaction.services.console.rows import ObjectRow
from taskaction.services.console.viewers import BrowserSession


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Request of a signed-in person for a page.

    Attributes:
        query: parameters in the order in which they were sent.
        path: parts of the path by name.
    """

    session: BrowserSession
    query: Sequence[tuple[str, str]]
    path: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PageView:
    """Content of a page.

    Attributes:
        values: what the template inserts.
        concerns: whether the page shows something of a row; a change of it is a reason to load the page again.
    """

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    concerns: Callable[[ObjectRow], bool] = lambda _: False


Page = Callable[[PageRequest], Awaitable[PageView]]
"""Function that returns a view; it raises ``PageError``, ``SignInError`` or ``ClusterError``."""
