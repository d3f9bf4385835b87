"""Taskyard as a construct of the CDK: `from infra import Taskyard`; in the wheel, `from taskyard.cdk import Taskyard`.

The construct itself is imported when it is first asked for: aws_cdk takes seconds and a Node process, and what reads
configurations needs neither. Nothing here is imported by what is deployed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .auth import ClientTenant, Cognito, Iam, Jwt, RoleRule, ServiceClient
from .config import Config, DeploymentError, LaneConfig, Props, RouteThrottle
from .quotas import Quotas, TenantQuotas

if TYPE_CHECKING:
    from .pool import Pool
    from .taskyard import Taskyard

__all__ = [
    "ClientTenant",
    "Cognito",
    "Config",
    "DeploymentError",
    "Iam",
    "Jwt",
    "LaneConfig",
    "Pool",
    "Props",
    "Quotas",
    "RoleRule",
    "RouteThrottle",
    "ServiceClient",
    "Taskyard",
    "TenantQuotas",
]


def __getattr__(name: str) -> Any:
    if name == "Taskyard":
        try:
            from .taskyard import Taskyard
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] in ("infra", "taskyard"):
                raise
            raise ModuleNotFoundError(
                "this needs taskyard[cdk]: pip install 'taskyard[cdk]'", name=error.name
            ) from None
        return Taskyard
    if name == "Pool":
        from .pool import Pool

        return Pool
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
