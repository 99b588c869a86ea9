"""Settings of requests to targets, from environment variables of the operator."""

import os
import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError
from yarl import URL

from taskaction.plugin.setting_types import COMMA_LIST
from taskaction.plugin.settings import Settings


def _check_proxy(value: SecretStr | None) -> SecretStr | None:
    if value is None:
        return None
    try:
        url = URL(value.get_secret_value())
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        # The message of a ValueError about a secret setting is not shown, since it may quote the value.
        raise PydanticCustomError("proxy_url", "use a URL such as http://proxy.example.org:3128")
    return value


def _check_certificates(value: Path) -> Path:
    try:
        ssl.create_default_context(cafile=os.fspath(value))
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"use a file with certificates in PEM form ({error})") from error
    return value


class HttpSettings(Settings, env_prefix="TASKACTION_HTTP_"):
    """Settings with their defaults; ``TASKACTION_HTTP_<NAME>`` in the operator's environment sets one."""

    proxy: Annotated[SecretStr | None, AfterValidator(_check_proxy)] = None
    """URL of the proxy for requests to targets, with user and password if it asks for them. The operator resolves and
    checks the target's address itself. Default: HTTPS_PROXY for https, HTTP_PROXY for http."""
    no_proxy: Annotated[tuple[str, ...], COMMA_LIST] | None = None
    """Targets that are reached without the proxy, separated by commas: names with their subdomains, addresses, CIDRs,
    or `*` for all. Default: NO_PROXY."""
    ca_file: Annotated[Path, AfterValidator(_check_certificates)] | None = None
    """File with certificates of further authorities that targets and the proxy may have theirs from, in PEM form; read
    at the start."""
