"""`python -m chart.generated`: write the chart's README from its values, and names of settings into their schema."""

import sys
from pathlib import Path

from chart import settings
from chart.helm import CHART
from chart.readme import readme


def files() -> dict[Path, str]:
    """Return every generated file, by its path."""
    return {CHART / "README.md": readme(CHART), CHART / settings.SCHEMA: settings.schema(CHART)}


def main() -> int:
    """Write the files; give the exit code."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
