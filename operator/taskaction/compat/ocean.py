"""Deprecated path, for one release; import from ``taskaction.integrations.port.ocean``."""

import warnings

from taskaction.integrations.port.ocean import *  # noqa: F403

warnings.warn(
    f"{__name__} is deprecated; import from taskaction.integrations.port.ocean", DeprecationWarning, stacklevel=2
)
