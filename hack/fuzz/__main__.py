"""Feed one target of `tests/support/fuzz_targets.py` with mutations of its corpus: `make fuzz TARGET=schema`."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["taskaction", "simpleeval", "jsonschema", "protovalidate", "yaml"]):
    from support.fuzz_targets import CORPUS, TARGETS

FOUND = Path(__file__).parents[2] / ".fuzz"
"""Inputs that were found; copy those that matter into the corpus, and give them the ending of the others."""


def main() -> None:
    """Run until the time that `-max_total_time` gives, or the first error."""
    name, *options = sys.argv[1:]
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    folders = [str(found), str(CORPUS / name)]  # new inputs go into the first
    atheris.Setup([sys.argv[0], *options, "-timeout=5", "-max_len=4096", *folders], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
