"""Template and code meet: every function of the template imports, and its environment are built from its variables."""

from __future__ import annotations

import importlib

import pytest

from tests.infra.template import PARTS, Template


@pytest.mark.parametrize("part", PARTS)
def test_the_handler_of_a_function_imports_and_its_environment_builds(
    template: Template, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = template.variables(part)
    for name, value in {**variables, "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    handler = template.function(part)["Handler"]
    module, name = handler.rsplit(".", 1)
    assert callable(getattr(importlib.import_module(module), name))
    environment = importlib.import_module("functions.runtime.environment").ENVIRONMENT_CLASSES[handler](variables)
    assert environment.name == template.environment


@pytest.mark.parametrize("part", PARTS)
def test_the_environment_of_a_function_misses_each_variable_that_is_removed(template: Template, part: str) -> None:
    handler = template.function(part)["Handler"]
    read = importlib.import_module("functions.runtime.environment").ENVIRONMENT_CLASSES[handler]
    variables = template.variables(part)
    # Read by Powertools, or by a task type, not by the environment.
    of_others = {"LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
    if not part.startswith("worker"):
        of_others.add("MAIL_SENDERS")
    for name in set(variables) - of_others:
        with pytest.raises(KeyError, match=name):
            read({key: value for key, value in variables.items() if key != name})
