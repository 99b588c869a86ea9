"""The rights that the documents print are those of the code, of which the chart's roles are made."""

from pathlib import Path

import pytest

from taskaction.api.rbac import RIGHTS
from taskaction.api.rights import Right, Scope

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {
    Scope.PORT_AGENT: "port-agent.md",
    Scope.WEBHOOKS: "webhooks.md",
    Scope.WEBHOOKS_CLUSTER: "webhooks.md",
    Scope.ACTIONS: "actions-service.md",
    Scope.ACTIONS_CLUSTER: "actions-service.md",
    Scope.HISTORY_CLUSTER: "history.md",
    Scope.CONSOLE: "console.md",
}
SHOWN = [right for right in RIGHTS if right.scope not in {Scope.RELEASE, Scope.RELEASE_OWN}]


@pytest.mark.parametrize("right", SHOWN, ids=lambda right: f"{','.join(right.verbs)} {','.join(right.resources)}")
def test_a_right_has_its_row(right: Right) -> None:
    page = DOCS / PAGES.get(right.scope, "install.md")
    table = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    group = f"`{right.group}`" if right.group else "core"
    rows = [row for row in table if all(f"`{resource}`" in row for resource in right.resources)]
    assert any(", ".join(right.verbs) in row and group in row for row in rows), rows
