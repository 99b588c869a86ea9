"""What mkdocs calls while it builds the site: more pages, links that lead on, diagrams drawn without a browser."""

import logging
import re
import subprocess
from base64 import b64encode
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import mmdr
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docsite.places import DeadLinkError, Places, expand, in_cells, relink

ROOT = Path(__file__).parents[2]
_WIDTH = re.compile(r"max-width:([\d.]+)px")
_FIELD = re.compile(r"^\| `([\w.\[\]-]+)` \|", re.MULTILINE)
"""First cell of a row about a field, a setting or a metric."""
_RECORDS = ("adr/", "changelog.md", "changes-not-released.md")
"""Pages that tell what was: the search shows them last."""
_LOW_BOOST = 0.1
_log = logging.getLogger("mkdocs.hooks.docsite")  # a warning below this name fails a strict build


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of `docs/`, and the files that pages link to; complete the navigation."""
    _places.cache_clear()  # `make docs-serve` builds again and again
    places = _places()
    for path, place in places.pages.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    found = files.documentation_pages()
    for path in sorted({path for page in found for path in places.files(_origin(page), page.content_string)}):
        files.append(File.generated(config, f"files/{path}", abs_src_path=str(ROOT / path)))
    config.nav = expand(config.nav or [], (page.src_uri for page in found))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Change links to what they are in the site; show an example's manifests below its text."""
    origin = _origin(page.file)
    places = _places()
    if page.file.src_uri.startswith(_RECORDS):
        page.meta.setdefault("search", {"boost": _LOW_BOOST})

    def there(link: str) -> str:
        try:
            return places.link(origin, link)
        except DeadLinkError as problem:
            _log.warning("%s links to '%s': %s.", origin, link, problem)
            return link

    text = in_cells(relink(markdown, there))
    if page.file.src_uri.startswith("reference/"):
        text = with_anchors(text)
    return text + "".join(_manifests(ROOT / origin) if origin.startswith("examples/") else ())


def with_anchors(markdown: str) -> str:
    """Return a page whose rows about fields can be linked to, by the name of the field."""
    return _FIELD.sub(r'| <a id="\1" href="#\1">`\1`</a> |', markdown)


def _manifests(readme: Path) -> list[str]:
    files = sorted(readme.parent.glob("*.yaml"))
    blocks = [f'\n```yaml title="{path.name}"\n{path.read_text(encoding="utf-8").rstrip()}\n```\n' for path in files]
    return ["\n\n## The files\n", *blocks] if blocks else []


def diagram(source: str, *_: Any, **__: Any) -> str:
    """Draw a diagram while the site is built, so that readers need no script; a wrong one is a warning."""
    try:
        svg = mmdr.render(source).svg()
    except (ValueError, RuntimeError) as problem:
        _log.warning("A diagram cannot be drawn: %s. It begins with: %s", problem, source.strip()[:80])
        return f"<pre>{escape(source)}</pre>"
    image = b64encode(svg.encode()).decode()
    drawn = _WIDTH.search(svg)
    size = f' style="--drawn:{float(drawn[1]):.0f}px"' if drawn else ""
    picture = f'<img{size} alt="{_words(source)}" src="data:image/svg+xml;base64,{image}">'
    # A click shows it in its full size: no script is needed for that.
    return f'<p class="diagram"><label><input type="checkbox" aria-label="Full size">{picture}</label></p>'


def _words(source: str) -> str:
    """Return those who cannot see a diagram what it is made of."""
    return escape(" ".join(source.split()))


@cache
def _places() -> Places:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Places(frozenset(path for path in listed.stdout.splitlines() if (ROOT / path).is_file()))


def _origin(file: File) -> str:
    return Path(file.abs_src_path or "").resolve().relative_to(ROOT).as_posix()
