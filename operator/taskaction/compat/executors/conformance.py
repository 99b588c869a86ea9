"""Deprecated path, for one release; import from ``taskaction.testing.conformance``."""

import warnings

from taskaction.testing.conformance import *  # noqa: F403

warnings.warn(f"{__name__} is deprecated; import from taskaction.testing.conformance", DeprecationWarning, stacklevel=2)
