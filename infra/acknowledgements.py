"""Accepted findings of cdk-nag, each with its reason and its full id: no finding is silenced by a prefix."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, findings: Mapping[str, str]) -> None:
    """Accept findings of a construct: id (`AwsSolutions-S1`, `AwsSolutions-IAM5[Resource::…]`) → reason."""
    rules = [cdk.Acknowledgment(id=finding, reason=reason) for finding, reason in findings.items()]
    cdk.Validations.of(construct).acknowledge(*rules)
