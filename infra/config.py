"""The deployments, `dev` and `prod`: a frozen configuration each. All that differs between them is here."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from .auth import AUTH_LIMIT, Auth, Cognito, Iam, Jwt, auth_faults, auth_rules
from .quotas import TenantQuotas, quotas_faults, quotas_json

# The longest DelaySeconds of SQS: a message may stand in its queue this long on purpose.
MAX_DELAY_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class LaneConfig:
    """One queue with its workers. `max_concurrency`: invocations at once, 2 to 1,000 as event sources allow."""

    name: str
    max_concurrency: int
    # Seconds that a due task may wait before the alarm.
    tolerated_wait_seconds: int


@dataclass(frozen=True, kw_only=True)
class RouteThrottle:
    """`route`: its key, `POST /tasks/batch`. `rate`: requests per second. `burst`: at once. Of each HTTP API."""

    route: str
    rate: int
    burst: int


# Each of these requests changes up to a thousand tasks.
BULK_THROTTLES = tuple(
    RouteThrottle(route=route, rate=10, burst=20) for route in ("POST /tasks/cancel", "POST /dead-letters/redrive")
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """One environment. Times are in the unit that the name says; memory in MiB; throttling in requests per second."""

    environment: str
    lanes: tuple[LaneConfig, ...]
    worker_timeout_seconds: int
    worker_memory: int
    # Settled tasks are kept this long, then expire by TTL.
    retention_days: int
    # Audit records: who did what (docs/security.md).
    audit_retention_days: int
    throttle_rate: int
    throttle_burst: int
    log_retention_days: int
    # Partitions of the listing index per tenant: a partition takes 1,000 writes a second, and a listing reads them all.
    listing_shards: int
    # What the observer takes at once, and how long it gathers at most: counts are twice as old, and cheaper for it.
    observer_batch: int
    observer_window_seconds: int
    # Who may call: an HTTP API for each entry. At most one Iam, and at most one Jwt or Cognito.
    auth: tuple[Auth, ...]
    # An address that is verified in SES, or of a domain that is, in the account that is deployed to. Mail of
    # notifications, and of tasks that name no sender, is from it.
    mail_from: str
    # Where webhooks and WEBHOOK_CALL may lead. `public`: https, to addresses of the public internet. `any`: plain http
    # and private networks too, for receivers under development. The loopback, where Lambda keeps its Runtime API, and
    # link-local addresses, where clouds keep metadata, are never called by what is deployed; the local system calls the
    # loopback where this is `any`.
    webhook_reach: Literal["public", "any"]
    log_level: Literal["DEBUG", "INFO", "WARNING"]
    # True: a KMS key of the environment encrypts table, documents, queues, logs and alarms. False: the services' keys.
    customer_key: bool
    # False: deleting the stack deletes the tasks, and the table can be deleted.
    keep_data: bool
    # Limits of single routes, below those of the stage.
    route_throttles: tuple[RouteThrottle, ...] = ()
    # Origins of web pages that may call the API, `https://yard.example.com`; none: no page of another origin.
    cors_origins: tuple[str, ...] = ()
    # Other addresses of verified identities that SEND_EMAIL may send from, spelled exactly as payloads have them.
    mail_senders: tuple[str, ...] = ()
    # What each tenant may submit and have (docs/operations.md). None: no quotas, and no cost of checking them.
    quotas: TenantQuotas | None = None
    # Gets a confirmation mail from SNS at the first deployment; None: the topic has no subscriber.
    alarm_email: str | None = None

    def __post_init__(self) -> None:
        if self.webhook_reach not in ("public", "any"):
            raise ValueError(f"{self.environment}: webhook_reach is 'public' or 'any', not {self.webhook_reach!r}")

    @property
    def stack_name(self) -> str:
        return f"Taskyard-{self.environment}"

    @property
    def iam(self) -> Iam | None:
        """Who may sign requests; None where there is no IAM API."""
        return next((entry for entry in self.auth if isinstance(entry, Iam)), None)

    @property
    def token_auth(self) -> Jwt | Cognito | None:
        """Whose tokens the JWT API takes; None where there is none."""
        return next((entry for entry in self.auth if isinstance(entry, Jwt | Cognito)), None)

    @property
    def senders(self) -> tuple[str, ...]:
        """All addresses that tasks may send mail from."""
        return (self.mail_from, *self.mail_senders)

    @property
    def webhook_secrets(self) -> str:
        """The path of the secrets that webhooks are signed with: `<path>/<tenant>/<name>`."""
        return f"taskyard/{self.environment}/webhooks"

    @property
    def visibility_seconds(self) -> int:
        """Of the lane queues. Ten seconds above the timeout, not six times it: docs/adr/0010."""
        return self.worker_timeout_seconds + 10

    def oldest_message_seconds(self, lane: LaneConfig) -> int:
        """The age at which a lane's oldest message is late: delayed, then waiting, then running are all in order."""
        return MAX_DELAY_SECONDS + lane.tolerated_wait_seconds + self.visibility_seconds


# Name → least, most, and whose limit it is.
BOUNDS: Mapping[str, tuple[int, int, str]] = MappingProxyType(
    {
        # Ten seconds of it are kept for what a worker does around an attempt, and a handler needs some too.
        "worker_timeout_seconds": (15, 900, "Lambda; below 15 s no attempt has time to run"),
        "worker_memory": (128, 10_240, "Lambda"),
        "retention_days": (1, 3650, "Taskyard"),
        "audit_retention_days": (1, 3650, "Taskyard"),
        "throttle_rate": (1, 1_000_000, "API Gateway"),
        "throttle_burst": (1, 1_000_000, "API Gateway"),
        "listing_shards": (1, 100, "a listing reads them all"),
        "observer_batch": (1, 10_000, "event sources of streams"),
        "observer_window_seconds": (0, 300, "event sources of streams"),
    }
)
LOG_RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?|\*")

CONFIGS: Mapping[str, Config] = MappingProxyType(
    {
        "dev": Config(
            environment="dev",
            lanes=(
                # 7 of the 10 invocations at once that a new account may have: the other functions keep the rest.
                LaneConfig(name="high", max_concurrency=2, tolerated_wait_seconds=60),
                LaneConfig(name="normal", max_concurrency=3, tolerated_wait_seconds=300),
                LaneConfig(name="low", max_concurrency=2, tolerated_wait_seconds=3600),
            ),
            worker_timeout_seconds=60,
            worker_memory=512,
            retention_days=7,
            audit_retention_days=30,
            throttle_rate=200,
            throttle_burst=400,
            log_retention_days=7,
            listing_shards=2,
            observer_batch=100,
            observer_window_seconds=1,
            auth=(Iam(), Cognito()),
            mail_from="taskyard@example.com",
            mail_senders=("no-reply@example.com",),
            webhook_reach="any",
            log_level="INFO",
            customer_key=False,
            keep_data=False,
            route_throttles=BULK_THROTTLES,
        ),
        "prod": Config(
            environment="prod",
            lanes=(
                # 600 of the default of 1,000 invocations at once: the other functions keep the rest. A new account may
                # have 10: ask for more before the first deployment (docs/operations.md).
                LaneConfig(name="high", max_concurrency=200, tolerated_wait_seconds=60),
                LaneConfig(name="normal", max_concurrency=300, tolerated_wait_seconds=300),
                LaneConfig(name="low", max_concurrency=100, tolerated_wait_seconds=3600),
            ),
            worker_timeout_seconds=300,
            worker_memory=1024,
            retention_days=30,
            audit_retention_days=400,
            throttle_rate=2000,
            throttle_burst=4000,
            log_retention_days=90,
            listing_shards=8,
            observer_batch=500,
            observer_window_seconds=10,
            auth=(Iam(), Cognito()),
            mail_from="taskyard@example.com",
            webhook_reach="public",
            log_level="INFO",
            customer_key=True,
            keep_data=True,
            route_throttles=BULK_THROTTLES,
        ),
    }
)


class DeploymentError(Exception):
    """The configuration or the code to deploy is wrong. The message says where, what, and how to correct it."""


class InvalidConfigError(DeploymentError):
    """A value that AWS or Taskyard would refuse, after minutes of deploying."""


class UnknownEnvironmentError(DeploymentError):
    """No such environment. `name`: what was asked for; `known`: what there is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.known = tuple(sorted(CONFIGS))
        super().__init__(f"no environment {name!r}: known are {', '.join(self.known)} (infra/config.py)")


def config_of(environment: str) -> Config:
    """The configuration of one environment; raises UnknownEnvironmentError, InvalidConfigError."""
    try:
        config = CONFIGS[environment]
    except KeyError:
        raise UnknownEnvironmentError(environment) from None
    if wrong := [f"infra/config.py: {environment}: {each}" for each in config_faults(config)]:
        raise InvalidConfigError("\n".join(wrong))
    return config


def config_faults(config: Config) -> Iterator[str]:
    for name, (least, most, source) in BOUNDS.items():
        value = getattr(config, name)
        if not least <= value <= most:
            yield f"{name} is {value}: it must be {least} to {most} ({source})"
    if config.log_retention_days not in LOG_RETENTION_DAYS:
        yield f"log_retention_days is {config.log_retention_days}: CloudWatch takes {sorted(LOG_RETENTION_DAYS)}"
    for lane in config.lanes:
        if not 2 <= lane.max_concurrency <= 1000:
            yield f"lane {lane.name}: max_concurrency is {lane.max_concurrency}: it must be 2 to 1000 (event sources)"
    for at, throttle in enumerate(config.route_throttles):
        for name in ("rate", "burst"):
            value, limit = getattr(throttle, name), getattr(config, f"throttle_{name}")
            if not 1 <= value <= limit:
                yield f"route_throttles[{at}].{name} is {value}: it must be 1 to {limit} (throttle_{name})"
    for at, origin in enumerate(config.cors_origins):
        if not _ORIGIN.fullmatch(origin):
            yield f"cors_origins[{at}] is {origin!r}: it must be an origin without a path, such as https://example.com"
    yield from auth_faults(config.auth)
    if config.quotas is not None:
        yield from quotas_faults(config.quotas)
        variables = (json.dumps(auth_rules(config.auth), separators=(",", ":")), quotas_json(config.quotas))
        size = sum(len(variable.encode()) for variable in variables)
        if size > AUTH_LIMIT:
            yield f"auth and quotas take {size} bytes in the variables AUTH and QUOTAS, of {AUTH_LIMIT} together"


def check_routes(config: Config, routes: Collection[str]) -> None:
    """`routes`: the keys of all routes (`POST /tasks`), known once they are built. Raises InvalidConfigError."""
    for at, throttle in enumerate(config.route_throttles):
        if throttle.route not in routes:
            raise InvalidConfigError(
                f"infra/config.py: {config.environment}: route_throttles[{at}].route: there is no {throttle.route!r}"
            )
