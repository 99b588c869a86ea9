"""Deprecated path, for one release; import from ``taskaction.plugin``."""

import warnings

from taskaction.plugin.parameters import *  # noqa: F403

warnings.warn(f"{__name__} is deprecated; import from taskaction.plugin", DeprecationWarning, stacklevel=2)
