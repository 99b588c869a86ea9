"""URLs that users write: what no request can be sent to is refused where it is written, by the path of the field."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

import taskaction
from taskaction.core.urls import check_url
from taskaction.executors.http.model import HttpModel
from taskaction.executors.templates import check_url_template
from taskaction.flows.validation import validate_definition
from taskaction.integrations.globus.model import GlobusConfig
from taskaction.plugin.json_schema import model_problem
from taskaction.plugin.parameters import Parameters
from taskaction.plugin.settings import Settings

BAD = "http://127.0.0.1:8080token"
WRONG_PORT = 'invalid host or port "127.0.0.1:8080token"; use e.g. https://host.example.org:8443/path'


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://h.example.org:8443/a b?c=d#e",
        "http://user:p:w@h:1/",
        "http://[::1]:80/",
        "http://127.0.0.1:65535",
        "http://ä.example/",
    ],
)
def test_a_url_with_a_host_is_kept_as_it_is(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "must begin with http:// or https://"),
        ("h.example.org/path", "must begin with http:// or https://"),
        ("ftp://h/", "must begin with http:// or https://"),
        ("http://", "must name a host"),
        ("http:///path", "must name a host"),
        ("http://:80/", "must name a host"),
        ("http://?q=h", "must name a host"),
        (BAD, WRONG_PORT),
        ("http://user:secret@h:8080token/x", 'invalid host or port "h:8080token"'),
        ("http://h:65536/", 'invalid host or port "h:65536"'),
        ("http://h:0/", 'invalid host or port "h:0"'),
        ("http://h:-1/", 'invalid host or port "h:-1"'),
        ("http://[::1/", 'invalid host or port "[::1"'),
        ("http://a b/", 'invalid host or port "a b"'),
    ],
)
def test_a_url_that_no_request_can_be_sent_to_is_refused_with_an_example(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"use e\.g\. https://") as refusal:
        check_url(url)
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ parameters.url }}",
        "{{ parameters.base }}:x/y",
        "http://{{ host }}:{{ port }}/{{ id }}",
        "http://[{{ v6 }}]:80/",
    ],
)
def test_a_template_that_a_value_can_complete_is_kept(template: str) -> None:
    assert check_url_template(template) == template


@pytest.mark.parametrize(
    "template", ["{ x }://h", "http://h:8080{{ token }}x/", "http://:80/{{ id }}", f"{BAD}/{{{{ id }}}}"]
)
def test_a_template_that_no_value_can_complete_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"use e\.g\."):
        check_url_template(template)


POLLING = {"externalId": "1", "success": {"path": "s", "equals": "d"}}
GRANT = {"clientId": "c", "clientSecretKeyRef": {"name": "n", "key": "k"}}
REFRESH = {"clientId": "c", "tokenSecretKeyRef": {"name": "n", "key": "k"}}
CONFIGURED: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "url": (HttpModel, {"url": BAD}),
    "polling.url": (HttpModel, {"url": "http://h", "polling": {**POLLING, "url": BAD}}),
    "cancel.url": (HttpModel, {"url": "http://h", "polling": {**POLLING, "url": "http://h"}, "cancel": {"url": BAD}}),
    "url of globus": (GlobusConfig, {"url": BAD}),
    "tokens.User.clientCredentials.tokenUrl": (
        GlobusConfig,
        {"url": "http://h", "tokens": {"User": {"clientCredentials": {**GRANT, "tokenUrl": BAD}}}},
    ),
    "tokens.User.refresh.tokenUrl": (
        GlobusConfig,
        {"url": "http://h", "tokens": {"User": {"refresh": {**REFRESH, "tokenUrl": BAD}}}},
    ),
}


@pytest.mark.parametrize("path", CONFIGURED)
def test_a_configuration_is_refused_by_the_path_of_its_url(path: str) -> None:
    model, config = CONFIGURED[path]
    assert model_problem(model, config, "spec.config") == f"spec.config.{path.partition(' ')[0]}: {WRONG_PORT}"


def test_a_flow_is_refused_by_the_path_of_its_url() -> None:
    state = {"Type": "Action", "ActionUrl": BAD, "Parameters": {}, "End": True}
    problems = validate_definition({"StartAt": "A", "States": {"A": state}})
    assert [(one.path, one.message) for one in problems] == [("$.States.A.ActionUrl", WRONG_PORT)]


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in base.__subclasses__():
        yield one
        yield from _models(one)


def _url_fields() -> Iterator[tuple[str, FieldInfo]]:
    for module in pkgutil.walk_packages(taskaction.__path__, "taskaction."):
        if module.name.rpartition(".")[2] in {"model", "models", "settings", "config"}:
            import_module(module.name)
    for model in {one for base in (Parameters, Settings) for one in _models(base)}:
        for name, info in model.model_fields.items():
            if (
                "str" in repr(info.annotation)
                and name.rpartition("_")[2] in {"url", "endpoint"}
                and model.__module__.startswith("taskaction.")
            ):
                yield f"{model.__module__}.{model.__name__}.{name}", info


FIELDS = dict(sorted(_url_fields()))


def test_all_url_fields_are_found() -> None:
    assert {"token_url", "base_url", "webhooks_url", "endpoint", "url"} <= {name.rpartition(".")[2] for name in FIELDS}


@pytest.mark.parametrize("name", FIELDS)
def test_every_url_field_of_parameters_and_settings_is_checked(name: str) -> None:
    with pytest.raises(ValidationError, match="invalid host or port"):
        TypeAdapter(FIELDS[name].rebuild_annotation()).validate_python(BAD)
