"""The documents as a site: links lead on in it as they do on the code host, and it asks no other host for anything."""

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from docsite.places import DeadLinkError, Places, expand, in_cells, links, relink

ROOT = Path(__file__).parents[3]
PLACES = Places(
    frozenset(
        {
            "README.md",
            "CHANGELOG.md",
            "docs/using.md",
            "docs/reference/taskaction.md",
            "docs/assets/site.css",
            "examples/README.md",
            "examples/01-hello/README.md",
            "examples/01-hello/action.yaml",
            "hack/bootstrap.py",
        }
    )
)


ASKED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}


class Loaded(HTMLParser):
    """What a browser loads for a page without being asked."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.diagrams = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        name = ASKED.get(tag)
        if tag == "link" and said.get("rel") not in {"canonical", "next", "prev"}:
            name = "href"
        if name and (address := said.get(name)):
            self.found.append(address)
            self.diagrams += address.startswith("data:image/svg+xml")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site as `make docs` builds it; any warning of the build ends it."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    yield folder
    shutil.rmtree(folder)


def loaded(page: Path) -> Loaded:
    parser = Loaded()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    asked = {(page.name, address) for page in site.rglob("*.html") for address in loaded(page).found}
    assert len(asked) > 100
    assert [pair for pair in asked if urlsplit(pair[1]).scheme not in {"", "data"} or pair[1].startswith("//")] == []
    sheets = "".join(sheet.read_text() for sheet in site.rglob("*.css"))
    assert re.findall(r"url\(['\"]?(?:https?:)?//[^)]*|@import[^;]*//[^;]*", sheets) == []


def test_every_diagram_is_drawn(site: Path) -> None:
    sources = (ROOT / "docs").rglob("*.md")
    written = {path.stem: path.read_text().count("\n```mermaid\n") for path in sources}
    assert written["architecture"] >= 2
    drawn = {page.stem: loaded(page).diagrams for page in site.rglob("*.html")}
    assert {name: drawn[name] for name, number in written.items() if number} == {
        name: number for name, number in written.items() if number
    }


def test_an_example_shows_its_files(site: Path) -> None:
    page = re.sub(r"<[^>]+>", "", (site / "examples" / "01-hello.html").read_text())
    for line in (ROOT / "examples" / "01-hello" / "action.yaml").read_text().splitlines():
        assert line.strip() in page


def test_every_page_is_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text()
    shown = set(re.findall(r'<a href="([^"#:]+\.html)" class="md-nav__link', home)) | {"index.html", "404.html"}
    assert {page.relative_to(site).as_posix() for page in site.rglob("*.html")} - shown == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[x](gone.md)", "gone.md", id="a page that is not there"),
        pytest.param("[x](index.md#gone)", "gone", id="a heading that is not there"),
        pytest.param("```mermaid\nflowchat TD\n```", "diagram", id="a diagram that cannot be drawn"),
    ],
)
def test_what_is_wrong_in_a_page_fails_the_build(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# A page\n\n{text}\n")
    settings = (ROOT / "mkdocs.yml").read_text().partition("nav:")[0]
    (tmp_path / "mkdocs.yml").write_text(
        settings.replace("hooks: [hack/docsite/hooks.py]", "").replace("extra_css", "#")
    )
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    with pytest.raises(Abort):
        build(load_config(str(tmp_path / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    assert said in caplog.text


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        pytest.param("docs/using.md", "reference/taskaction.md#spec", "reference/taskaction.md#spec", id="within docs"),
        pytest.param("docs/using.md", "../examples/01-hello/README.md", "examples/01-hello.md", id="to an example"),
        pytest.param("docs/reference/taskaction.md", "../../README.md#a", "../index.md#a", id="to the front page"),
        pytest.param("README.md", "docs/using.md", "using.md", id="from the front page"),
        pytest.param("README.md", "examples/", "examples/index.md", id="to a folder with a page"),
        pytest.param("examples/01-hello/README.md", "../../docs/using.md", "../using.md", id="from an example"),
        pytest.param(
            "examples/01-hello/README.md", "action.yaml", "../files/examples/01-hello/action.yaml", id="to a file"
        ),
        pytest.param("docs/using.md", "../hack/bootstrap.py", "files/hack/bootstrap.py", id="to a script"),
        pytest.param("docs/using.md", "#here", "#here", id="within the page"),
        pytest.param("docs/using.md", "https://kind.sigs.k8s.io/", "https://kind.sigs.k8s.io/", id="to elsewhere"),
        pytest.param("docs/using.md", "assets/site.css", "assets/site.css", id="to an asset"),
    ],
)
def test_a_link_of_the_repository_leads_to_the_same_in_the_site(page: str, link: str, there: str) -> None:
    assert PLACES.link(page, link) == there


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("../gone.md", "there is no gone.md"),
        ("../../above.md", r"there is no ../above.md"),
        ("../hack", "folder without a README"),
    ],
)
def test_a_link_to_nothing_is_told(link: str, said: str) -> None:
    with pytest.raises(DeadLinkError, match=said):
        PLACES.link("docs/using.md", link)


def test_links_in_code_are_left_alone() -> None:
    text = "[a](b.md) `[c](d.md)` [`e`](f.md)\n\n```yaml\n[g](h.md)\n```\n[i](j.md)"
    assert relink(text, str.upper) == text.replace("b.md", "B.MD").replace("f.md", "F.MD").replace("j.md", "J.MD")
    assert links(text) == ["b.md", "f.md", "j.md"]


def test_pipes_in_the_code_of_a_table_are_shown_as_they_are_meant() -> None:
    assert in_cells("| `a\\|b` | c \\| d |\n`a\\|b`\n") == "| `a|b` | c \\| d |\n`a\\|b`\n"


def test_the_navigation_takes_in_what_nobody_named() -> None:
    nav = [
        {"Start": ["index.md"]},
        {"Decisions": ["adr/README.md", "adr/*"]},
        {"More": ["*"]},
        {"Runbooks": ["runbooks/*"]},
    ]
    pages = ["index.md", "adr/README.md", "adr/0002.md", "adr/0001.md", "new.md"]
    assert expand(nav, pages) == [
        {"Start": ["index.md"]},
        {"Decisions": ["adr/README.md", "adr/0001.md", "adr/0002.md"]},
        {"More": ["new.md"]},
    ]


def test_u16_fields_have_anchors(site: Path) -> None:
    page = (site / "reference" / "taskaction.html").read_text()
    for field in ("spec.retryPolicy.limit", "status.partitionKey", "status.attempts[].error"):
        assert f'id="{field}"' in page
        assert f'href="#{field}"' in page


def test_u16_records_of_decisions_come_last_in_the_search(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    boosts = {entry["location"].partition("#")[0]: entry.get("boost", 1) for entry in index["docs"]}
    records = {place for place in boosts if place.startswith("adr/") or place == "changelog.html"}
    assert len(records) > 5
    assert {boosts[place] for place in records} == {0.1}
    assert {boost for place, boost in boosts.items() if place not in records and "not-released" not in place} == {1}


def test_u16_diagrams_fit_into_the_page_and_into_the_dark(site: Path) -> None:
    style = (site / "assets" / "site.css").read_text()
    assert re.search(r"\.diagram img \{[^}]*max-width: 100%", style)
    assert re.search(r'\[data-md-color-scheme="slate"\] \.diagram img \{[^}]*filter: invert', style)
    page = (site / "architecture.html").read_text()
    assert page.count('<input type="checkbox" aria-label="Full size">') == loaded(site / "architecture.html").diagrams
    assert "min-width" not in page
