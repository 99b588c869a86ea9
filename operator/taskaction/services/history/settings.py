"""Settings of the history service, from environment variables with a prefix; it shares the operator's settings."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, field_validator

from taskaction.api.base import PositiveDuration
from taskaction.history.retention import RetentionRules, parse_place
from taskaction.plugin.setting_types import COMMA_LIST, PAIRS, BindAddress
from taskaction.plugin.settings import Settings


class HistoryServeConfig(Settings, env_prefix="TASKACTION_HISTORY_SERVE_"):
    """Settings with their defaults; the environment variable ``TASKACTION_HISTORY_SERVE_<NAME>`` sets one."""

    bind: BindAddress = "127.0.0.1:8096"
    """Address and port of the service."""
    probes_bind: BindAddress = "127.0.0.1:8097"
    """Address and port of /healthz, /readyz and /metrics."""
    audiences: Annotated[tuple[str, ...], COMMA_LIST] = ()
    """Audiences of which a token must name one, separated by commas. Default: the API server's own."""
    query_timeout: PositiveDuration = timedelta(seconds=10)
    """Maximum duration of a query of the database; the request then gets 503."""
    database_connections: Annotated[int, Field(ge=1, le=1_000)] = 16
    """Maximum number of connections to the database."""
    max_concurrent_requests: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Maximum number of concurrent requests; further ones get 503 with Retry-After."""
    max_concurrent_requests_per_caller: Annotated[int, Field(ge=1, le=10_000)] = 6
    """Maximum number of concurrent requests of one caller; further ones get 429 with Retry-After."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """Maximum number of connections; further ones are closed at once."""
    max_connections_per_source: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Maximum number of connections from one address, such as that of the console; further ones are closed at once."""
    keep: PositiveDuration | None = None
    """Time after its end for which a record is kept. Default: forever."""
    keep_places: Annotated[dict[str, PositiveDuration], PAIRS] = Field(default_factory=dict)
    """Times for namespaces, and for providers in one or in every namespace, such as
    team-a=720h,team-a/ci=24h,*/nightly=2160h. The most specific one holds, before KEEP."""
    max_records: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of records of a namespace; the oldest ones are deleted. Default: any number."""
    max_records_places: Annotated[dict[str, Annotated[int, Field(ge=1)]], PAIRS] = Field(default_factory=dict)
    """Maximum numbers for namespaces, and for providers in one or in every namespace, such as team-a=100000,*/ci=1000.
    The most specific one holds, before MAX_RECORDS."""
    keep_at_least: PositiveDuration = timedelta(hours=24)
    """Time after its end for which no record is deleted by these rules. Set it to the longest time to live of your
    actions: the record of an object that still exists would be written again."""
    retention_interval: PositiveDuration = timedelta(hours=1)
    """Interval of deleting what the rules do not keep; one replica does it."""
    shutdown_delay: PositiveDuration = timedelta(seconds=5)
    """Time to accept requests after SIGTERM, until load balancers stop sending them here."""

    @field_validator("keep_places", "max_records_places")
    @classmethod
    def _check_places(cls, values: dict[str, Any]) -> dict[str, Any]:
        for text in values:
            parse_place(text)
        return values

    def retention(self) -> RetentionRules:
        """Return which records are kept."""
        return RetentionRules(
            age=self.keep,
            ages={parse_place(text): age for text, age in self.keep_places.items()},
            number=self.max_records,
            numbers={parse_place(text): number for text, number in self.max_records_places.items()},
            at_least=self.keep_at_least,
        )
