"""Settings of the Actions service that would be unsafe or half set are refused, with the mend."""

import pytest

from taskaction.core.errors import ConfigurationError
from taskaction.integrations.flyte.service.settings import ActionsConfig


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"AUTHENTICATION": "none", "BIND": "0.0.0.0:8094"}, "only for a loopback address"),
        ({"TLS_CERT_FILE": "cert.pem"}, "TLS_KEY_FILE both"),
        ({"TLS_CLIENT_CA_FILE": "ca.pem"}, "requires TASKACTION_ACTIONS_TLS_CERT_FILE"),
        ({"NAMESPACES": "shop"}, "use pairs such as"),
    ],
)
def test_a_wrong_setting_is_refused(settings, said):
    with pytest.raises(ConfigurationError, match=said):
        ActionsConfig.from_environment({f"TASKACTION_ACTIONS_{name}": value for name, value in settings.items()})


def test_projects_have_namespaces():
    config = ActionsConfig.from_environment({"TASKACTION_ACTIONS_NAMESPACES": "shop/prod=live, shop=try"})
    assert config.namespaces == {"shop/prod": "live", "shop": "try"}
