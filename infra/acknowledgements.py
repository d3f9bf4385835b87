"""Findings of cdk-nag that are meant, each beside its reason. One id per finding: nothing is silenced by prefix."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, findings: Mapping[str, str]) -> None:
    """Say why each finding (`AwsSolutions-S1`, `AwsSolutions-IAM5[Resource::…]`) of a construct is in order."""
    rules = [cdk.Acknowledgment(id=finding, reason=reason) for finding, reason in findings.items()]
    cdk.Validations.of(construct).acknowledge(*rules)
