"""The user pool, in a stack of its own, synthesized once for each of two settings and held against cdk-nag."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.build.locations import ROOT
from tests.infra.template import Template

# In a process of its own, as app.py is: jsii's Node is of the process.
PROGRAM = """
import sys
from infra.node import use_bundled_node
use_bundled_node()
import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks
from infra.auth import Cognito, ServiceClient
from infra.identity import Identity

app = cdk.App(
    outdir=sys.argv[1], analytics_reporting=False, tree_metadata=False, builtin_cloud_formation_validation=True
)
small = cdk.Stack(app, "Small")
Identity(small, "Identity", name="Taskyard-dev", keep_data=False, config=Cognito())
large = cdk.Stack(app, "Large")
identity = Identity(
    large,
    "Identity",
    name="Taskyard-prod",
    keep_data=True,
    config=Cognito(
        login_domain_prefix="yard-of-acme",
        callback_ports=(9001,),
        threat_protection=True,
        service_clients=(
            ServiceClient(name="order-service", roles=("submitter",), tenant="orders"),
            ServiceClient(name="ops", roles=("viewer", "operator")),
        ),
    ),
)
cdk.CfnOutput(large, "Audience", value=cdk.Fn.join(" ", identity.audience))
cdk.CfnOutput(large, "ClientIds", value=large.to_json_string(identity.client_ids))
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
app.synth()
"""


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory, offline: Mapping[str, str]) -> Path:
    out = tmp_path_factory.mktemp("identity")
    command = [sys.executable, "-c", PROGRAM, str(out)]
    environment = {**offline, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    # cdk-nag's findings, and a validation that fails, end it with another code.
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return out


def read_stack(assembly: Path, name: str) -> Template:
    return Template(body=json.loads((assembly / f"{name}.template.json").read_text()), out=assembly, environment=name)


@pytest.fixture
def small(assembly: Path) -> Template:
    return read_stack(assembly, "Small")


@pytest.fixture
def large(assembly: Path) -> Template:
    return read_stack(assembly, "Large")


def clients(template: Template) -> dict[str, dict[str, Any]]:
    return {client["ClientName"]: client for client in template.of_type("AWS::Cognito::UserPoolClient").values()}


def pool(template: Template) -> dict[str, Any]:
    (properties,) = template.of_type("AWS::Cognito::UserPool").values()
    return properties


def test_cfn_lint_finds_nothing_in_the_user_pool(assembly: Path, offline: Mapping[str, str]) -> None:
    templates = [str(path) for path in assembly.glob("*.template.json")]
    assert len(templates) == 2
    command = [str(Path(sys.executable).with_name("cfn-lint")), *templates]
    ran = subprocess.run(command, env=dict(offline), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def test_only_administrators_add_users(small: Template) -> None:
    assert pool(small)["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True


def test_passwords_are_long_and_mixed(small: Template) -> None:
    policy = pool(small)["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 12
    required = ("RequireLowercase", "RequireUppercase", "RequireNumbers", "RequireSymbols")
    assert all(policy[name] is True for name in required)


def test_second_factor_is_optional_and_never_a_text_message(small: Template) -> None:
    assert pool(small)["MfaConfiguration"] == "OPTIONAL"
    assert pool(small)["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]


def test_account_is_recovered_by_mail_only(small: Template) -> None:
    assert [it["Name"] for it in pool(small)["AccountRecoverySetting"]["RecoveryMechanisms"]] == ["verified_email"]


@pytest.mark.parametrize(
    ("stack", "protection", "policy"), [("Small", "INACTIVE", "Delete"), ("Large", "ACTIVE", "Retain")]
)
def test_pool_outlives_its_stack_where_data_are_kept(assembly: Path, stack: str, protection: str, policy: str) -> None:
    template = read_stack(assembly, stack)
    (resource,) = [it for it in template.body["Resources"].values() if it["Type"] == "AWS::Cognito::UserPool"]
    assert resource["Properties"].get("DeletionProtection", "INACTIVE") == protection
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == policy


@pytest.mark.parametrize(("stack", "plan", "mode"), [("Small", "ESSENTIALS", None), ("Large", "PLUS", "ENFORCED")])
def test_threat_protection_comes_with_its_plan(assembly: Path, stack: str, plan: str, mode: str | None) -> None:
    properties = pool(read_stack(assembly, stack))
    assert properties["UserPoolTier"] == plan
    assert properties.get("UserPoolAddOns", {}).get("AdvancedSecurityMode") == mode


def test_scopes_and_groups_are_the_roles(small: Template) -> None:
    (server,) = small.of_type("AWS::Cognito::UserPoolResourceServer").values()
    roles = ["viewer", "submitter", "admin", "operator"]
    assert server["Identifier"] == "taskyard"
    assert [scope["ScopeName"] for scope in server["Scopes"]] == roles
    groups = small.of_type("AWS::Cognito::UserPoolGroup").values()
    assert sorted(group["GroupName"] for group in groups) == sorted(roles)


def test_people_log_in_with_a_code_and_without_a_secret(small: Template) -> None:
    people = clients(small)["people"]
    assert people["GenerateSecret"] is False
    assert people["AllowedOAuthFlows"] == ["code"]
    assert people["PreventUserExistenceErrors"] == "ENABLED"
    assert people["CallbackURLs"] == [f"http://localhost:{port}/callback" for port in (8976, 8977, 8978)]
    assert people["RefreshTokenRotation"]["Feature"] == "ENABLED"
    # Neither passwords through the API nor, beside rotation, the refresh flow of the API.
    assert not {"ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"} & set(people.get("ExplicitAuthFlows", []))
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in people.get("ExplicitAuthFlows", [])


@pytest.mark.parametrize("stack", ["Small", "Large"])
def test_people_cannot_ask_for_the_scope_of_a_role(assembly: Path, stack: str) -> None:
    scopes = clients(read_stack(assembly, stack))["people"]["AllowedOAuthScopes"]
    assert set(scopes) == {"openid", "email", "profile"}


def test_services_have_a_secret_and_the_scopes_of_their_roles(large: Template) -> None:
    by_name = clients(large)
    assert by_name.keys() == {"people", "order-service", "ops"}
    for name, roles in (("order-service", ["submitter"]), ("ops", ["viewer", "operator"])):
        client = by_name[name]
        assert client["GenerateSecret"] is True
        assert client["AllowedOAuthFlows"] == ["client_credentials"]
        ends = [json.dumps(scope).rpartition("/")[2].rstrip('"]}') for scope in client["AllowedOAuthScopes"]]
        assert ends == roles
        assert "CallbackURLs" not in client


def test_login_pages_are_managed_and_of_the_peoples_client(small: Template, large: Template) -> None:
    (domain,) = large.of_type("AWS::Cognito::UserPoolDomain").values()
    assert (domain["Domain"], domain["ManagedLoginVersion"]) == ("yard-of-acme", 2)
    (branding,) = large.of_type("AWS::Cognito::ManagedLoginBranding").values()
    assert branding["UseCognitoProvidedValues"] is True
    assert large.properties(branding["ClientId"])["ClientName"] == "people"
    (default,) = small.of_type("AWS::Cognito::UserPoolDomain").values()
    assert default["Domain"] == {"Fn::Join": ["", ["taskyard-dev-", {"Ref": "AWS::AccountId"}]]}


def test_every_client_is_in_the_audience(large: Template) -> None:
    listed = large.body["Outputs"]["Audience"]["Value"]["Fn::Join"][1]
    assert {reference["Ref"] for reference in (it for it in listed if isinstance(it, dict))} == set(
        large.of_type("AWS::Cognito::UserPoolClient")
    )


def test_client_ids_are_known_by_the_names_of_their_services(large: Template) -> None:
    parts = large.body["Outputs"]["ClientIds"]["Value"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else large.properties(part)["ClientName"] for part in parts)
    assert json.loads(text) == {"order-service": "order-service", "ops": "ops"}


@pytest.mark.parametrize(("stack", "policy"), [("Small", "Delete"), ("Large", "Retain")])
def test_groups_of_users_outlive_the_stack_with_the_pool(assembly: Path, stack: str, policy: str) -> None:
    resources = read_stack(assembly, stack).body["Resources"].values()
    groups = [it for it in resources if it["Type"] == "AWS::Cognito::UserPoolGroup"]
    assert len(groups) == 4
    assert all(it.get("DeletionPolicy", "Delete") == policy for it in groups)


def test_outputs_have_no_prefix(small: Template) -> None:
    assert set(small.body["Outputs"]) == {"UserPoolId", "LoginUrl", "PeopleClientId"}


def test_no_secret_is_an_output(large: Template) -> None:
    outputs = json.dumps(large.body["Outputs"])
    assert "ClientSecret" not in outputs
