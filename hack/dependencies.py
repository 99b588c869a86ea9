"""`python -m dependencies lock|update|check`: pin every package by its hashes, and the base of the image by its digest.

uv compiles the files in `hack/requirements`: `dev.txt` is what `.venv` has, `runtime.txt` what the image has,
`build.txt` what builds both, and `fuzz.txt` what `make fuzz` adds, which few platforms have. One resolution covers
every supported Python and platform. The files name no index, so pip uses the one that the machine is configured for.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cluster.errors import ClusterError

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "hack" / "requirements"
DEV, RUNTIME, BUILD, FUZZ = (REQUIREMENTS / f"{name}.txt" for name in ("dev", "runtime", "build", "fuzz"))
PROJECT, BUILD_TOOLS = ROOT / "pyproject.toml", REQUIREMENTS / "build.in"
CLIENT = ROOT / "packages" / "taskaction-client" / "pyproject.toml"
"""What it requires, the operator requires as well; so it has no pins of its own."""
DOCKERFILE = ROOT / "Dockerfile"
OLDEST_PYTHON = "3.11.5"
"""What the site's theme requires; the operator itself runs with 3.11.0."""
COMPILE = (
    sys.executable, "-m", "uv", "pip", "compile", "--quiet",
    "--universal", f"--python-version={OLDEST_PYTHON}", "--generate-hashes",
    "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--custom-compile-command=make lock",
)  # fmt: skip
_BASE = re.compile(r"^ARG BASE=(?P<tag>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})$", re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def main(arguments: list[str] | None = None) -> int:
    """Run one step; a failure is one sentence."""
    parser = argparse.ArgumentParser(prog="dependencies", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("lock", help="pin what pyproject.toml and build.in require now; keep all other versions")
    steps.add_parser("update", help="pin the newest versions that they allow, and the base image's present digest")
    steps.add_parser("check", help="everything is pinned, and is what pyproject.toml and build.in require")
    step = parser.parse_args(arguments).step
    try:
        match step:
            case "lock":
                compile_requirements()
            case "update":
                compile_requirements("--upgrade")
                update_base()
            case "check":
                check()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def check() -> None:
    """Refuse what is not pinned, without asking any index or registry.

    Raises:
        ClusterError: a package or the base is not pinned, or a pin is not what the project requires.
    """
    base(DOCKERFILE.read_text(encoding="utf-8"))
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras, tools = project["optional-dependencies"], BUILD_TOOLS.read_text(encoding="utf-8")
    runtime = [*project["dependencies"], *extras["actions"], *extras["history"], *extras["console"]]
    build = [name for line in tools.splitlines() if (name := line.partition("#")[0].strip())]
    client = tomllib.loads(CLIENT.read_text(encoding="utf-8"))["project"]["dependencies"]
    dev = DEV.read_text(encoding="utf-8")
    found = [f"dev.txt: {problem}" for problem in problems(dev, [*runtime, *extras["dev"], *build, *client])]
    only_fuzz = {canonicalize_name(Requirement(one).name) for one in extras["fuzz"]}
    for path, required in ((RUNTIME, runtime), (BUILD, build), (FUZZ, [*runtime, *extras["fuzz"]])):
        text = path.read_text(encoding="utf-8")
        others = sorted((name, version) for name, version in pins(text) - pins(dev) if name not in only_fuzz)
        found += [f"{path.name}: {problem}" for problem in problems(text, required)]
        found += [f"{path.name}: {name}=={version} is not in dev.txt" for name, version in others]
    if found:
        raise ClusterError(f"hack/requirements/{'; '.join(found)}: run make lock")


def problems(text: str, required: list[str]) -> Iterator[str]:
    """Return what is wrong with a file of requirements, one clause each."""
    for line in _lines(text):
        if line.startswith("-"):
            yield f"{line.split()[0]} names an index or another file"
        elif not re.match(r"[\w.-]+==\S+", line) or "--hash=sha256:" not in line:
            yield f"{line.split()[0]} has no exact version or no hash"
    pinned = dict(pins(text))
    for requirement in map(Requirement, required):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            yield f"{requirement.name} is missing"
        elif version not in requirement.specifier:
            yield f"{requirement.name} {version} is not {requirement.specifier}"


def pins(text: str) -> frozenset[tuple[str, str]]:
    """Return every package of a file with its version."""
    found = (re.match(r"([\w.-]+)==([^\s;]+)", line) for line in _lines(text))
    return frozenset((canonicalize_name(match[1]), match[2]) for match in found if match)


def _lines(text: str) -> list[str]:
    joined = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in joined if line.strip() and not line.startswith("#")]


def compile_requirements(*options: str) -> None:
    """Write the four files; the others have the versions of the first."""
    shipped = ("--extra=actions", "--extra=history", "--extra=console")
    _run(*COMPILE, *options, "--extra=dev", *shipped, str(PROJECT), str(BUILD_TOOLS), f"--output-file={DEV}")
    _run(*COMPILE, *shipped, f"--constraint={DEV}", str(PROJECT), f"--output-file={RUNTIME}")
    _run(*COMPILE, f"--constraint={DEV}", str(BUILD_TOOLS), f"--output-file={BUILD}")
    _run(*COMPILE, "--extra=fuzz", *shipped, f"--constraint={DEV}", str(PROJECT), f"--output-file={FUZZ}")


def update_base() -> None:
    """Write the digest that the base's tag has now; the registry is asked by Docker, which knows how to reach it."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    tag = base(text)[0]
    if shutil.which("docker") is None:
        raise ClusterError(f"the digest of {tag} is unchanged: install Docker with buildx, which asks the registry")
    digest = _run("docker", "buildx", "imagetools", "inspect", tag, "--format={{.Manifest.Digest}}").strip()
    DOCKERFILE.write_text(with_digest(text, digest), encoding="utf-8")


def base(dockerfile: str) -> tuple[str, str]:
    """Return the tag and the digest of the image's base.

    Raises:
        ClusterError: the base has no digest.
    """
    found = _BASE.search(dockerfile)
    if not found:
        raise ClusterError("Dockerfile: ARG BASE has no digest; write it as NAME:TAG@sha256:DIGEST")
    return found["tag"], found["digest"]


def with_digest(dockerfile: str, digest: str) -> str:
    """Return the Dockerfile with another digest of the same tag.

    Raises:
        ClusterError: this is not a digest, or the base has none.
    """
    if not _DIGEST.fullmatch(digest):
        raise ClusterError(f"Docker returned {digest!r} instead of a digest: run docker buildx imagetools inspect")
    tag = base(dockerfile)[0]
    return _BASE.sub(f"ARG BASE={tag}@{digest}", dockerfile)


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command[:5])}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
