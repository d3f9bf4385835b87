"""The account and the region of a deployment, where its configuration pins them: elsewhere it is refused."""

from __future__ import annotations

import os

import aws_cdk as cdk
from constructs import Construct

from .config import Config, InvalidConfigError


def check_place(scope: Construct, config: Config) -> None:
    """Refuse another place twice: now, as far as the stack or the credentials of the CDK CLI name one (raises
    InvalidConfigError), and in CloudFormation, by a rule of the template."""
    stack = cdk.Stack.of(scope)
    for what, pin, known, current, parameter in (
        ("account", config.account, stack.account, os.environ.get("CDK_DEFAULT_ACCOUNT"), cdk.Aws.ACCOUNT_ID),
        ("region", config.region, stack.region, os.environ.get("CDK_DEFAULT_REGION"), cdk.Aws.REGION),
    ):
        if pin is None:
            continue
        actual = current if cdk.Token.is_unresolved(known) else known
        if actual and actual != pin:
            raise InvalidConfigError(
                f"{config.environment}: {what} is {pin}, but it would be deployed to {actual}: use "
                f"credentials of {pin}, or another environment"
            )
        cdk.CfnRule(
            scope,
            f"Only{what.title()}",
            assertions=[
                cdk.CfnRuleAssertion(
                    assert_=cdk.Fn.condition_equals(parameter, pin),
                    assert_description=f"{config.environment} is deployed to the {what} {pin} only",
                )
            ],
        )
