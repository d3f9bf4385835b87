"""A deployment's configuration: the props of `Taskyard`, their defaults and their limits. No CDK here."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypedDict

from .auth import AUTH_LIMIT, Auth, Cognito, Iam, Jwt, auth_faults, auth_rules
from .quotas import TenantQuotas, quotas_faults, quotas_json

if TYPE_CHECKING:
    from aws_cdk import aws_iam, aws_kms, aws_sns

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


DEFAULT_LANES = (
    LaneConfig(name="high", max_concurrency=20, tolerated_wait_seconds=60),
    LaneConfig(name="normal", max_concurrency=30, tolerated_wait_seconds=300),
    LaneConfig(name="low", max_concurrency=10, tolerated_wait_seconds=3600),
)
"""60 of the 1,000 invocations at once that an account may have by default."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One deployment: the props of `Taskyard`, each with its default. Times are in the unit that the name says; memory
    in MiB; throttling in requests per second. BOUNDS has the limits of numbers."""

    # A dimension of every metric, a field of every log line: `dev`, `prod`. Of one deployment in an account and region.
    environment: str
    # What the names of resources begin with that cannot be left to CloudFormation; unique in an account and region.
    name: str
    # Of the default pool.
    lanes: tuple[LaneConfig, ...] = DEFAULT_LANES
    worker_timeout_seconds: int = 60
    worker_memory: int = 512
    # Settled tasks are kept this long, then expire by TTL.
    retention_days: int = 30
    # Audit records: who did what (docs/security.md).
    audit_retention_days: int = 400
    throttle_rate: int = 200
    throttle_burst: int = 400
    # Of all log groups; one of LOG_RETENTION_DAYS.
    log_retention_days: int = 90
    # Partitions of the listing index per tenant: a partition takes 1,000 writes a second, and a listing reads them all.
    # Records stay in the partition that they were written to: do not lower it.
    listing_shards: int = 2
    # What the observer takes at once, and how long it gathers at most: counts are twice as old, and cheaper for it.
    observer_batch: int = 100
    observer_window_seconds: int = 1
    # Who may call: an HTTP API for each entry. At most one Iam, and at most one Jwt or Cognito.
    auth: Sequence[Auth] = (Iam(),)
    # An address that is verified in SES, or of a domain that is, in the account that is deployed to. Mail of
    # notifications, and of tasks that name no sender, is from it. None: nothing may send mail.
    mail_from: str | None = None
    # Other addresses of verified identities that SEND_EMAIL may send from, spelled exactly as payloads have them.
    mail_senders: Sequence[str] = ()
    # Where webhooks and WEBHOOK_CALL may lead. `public`: https, to addresses of the public internet. `any`: plain http
    # and private networks too, for receivers under development. The loopback, where Lambda keeps its Runtime API, and
    # link-local addresses, where clouds keep metadata, are never called by what is deployed; the local system calls the
    # loopback where this is `any`.
    webhook_reach: Literal["public", "any"] = "public"
    # The path of the secrets that webhooks are signed with: `<path>/<tenant>/<name>`. None: `taskyard/<name>/webhooks`.
    webhook_secrets: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
    # True: a KMS key of the deployment encrypts table, documents, queues, logs and alarms. False: the services' keys.
    customer_key: bool = False
    # A key of one's own in place of that one. Its policy must let CloudWatch Logs and CloudWatch use it where it is
    # imported (docs/own-tasks.md).
    encryption_key: aws_kms.IKey | None = None
    # True: table, documents, user pool and key outlive the stack, and the table cannot be deleted.
    keep_data: bool = True
    # Limits of single routes, below those of the stage.
    route_throttles: Sequence[RouteThrottle] = BULK_THROTTLES
    # Origins of web pages that may call the API, `https://yard.example.com`; none: no page of another origin.
    cors_origins: Sequence[str] = ()
    # What each tenant may submit and have (docs/operations.md). None: no quotas, and no cost of checking them.
    quotas: TenantQuotas | None = None
    # Gets a confirmation mail from SNS at the first deployment; None: the topic has no subscriber.
    alarm_email: str | None = None
    # A topic of one's own that alarms go to. None: one is made.
    alarm_topic: aws_sns.ITopic | None = None
    # A dashboard costs 3 USD a month above three of an account.
    dashboard: bool = True
    # Of every role that is made.
    permissions_boundary: aws_iam.IManagedPolicy | None = None
    # Of every resource that has tags.
    tags: Mapping[str, str] = field(default_factory=dict)
    # Where this may be deployed: `111122223333`, `eu-central-1`. None: wherever the credentials lead.
    account: str | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        if self.webhook_reach not in ("public", "any"):
            raise ValueError(f"{self.environment}: webhook_reach is 'public' or 'any', not {self.webhook_reach!r}")

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
        return (*([self.mail_from] if self.mail_from else ()), *self.mail_senders)

    @property
    def secrets_path(self) -> str:
        """Of the secrets that webhooks are signed with."""
        return self.webhook_secrets or f"taskyard/{self.name}/webhooks"

    @property
    def handler_secrets(self) -> str:
        """The path of the secrets that handlers read: `<path>/<tenant>/<name>`, else `<path>/<name>`."""
        return f"taskyard/{self.name}/secrets"

    @property
    def visibility_seconds(self) -> int:
        """Of the queues of the default pool."""
        return visibility_seconds(self.worker_timeout_seconds)


def visibility_seconds(timeout_seconds: int) -> int:
    """Of a lane queue. Ten seconds above its worker's timeout, not six times it: docs/adr/0010."""
    return timeout_seconds + 10


def oldest_message_seconds(lane: LaneConfig, *, timeout_seconds: int) -> int:
    """The age at which a lane's oldest message is late: delayed, then waiting, then running are all in order."""
    return MAX_DELAY_SECONDS + lane.tolerated_wait_seconds + visibility_seconds(timeout_seconds)


class Props(TypedDict, total=False):
    """The optional props of `Taskyard`: the fields of Config, which has their meanings and defaults."""

    lanes: tuple[LaneConfig, ...]
    worker_timeout_seconds: int
    worker_memory: int
    retention_days: int
    audit_retention_days: int
    throttle_rate: int
    throttle_burst: int
    log_retention_days: int
    listing_shards: int
    observer_batch: int
    observer_window_seconds: int
    auth: Sequence[Auth]
    mail_from: str | None
    mail_senders: Sequence[str]
    webhook_reach: Literal["public", "any"]
    webhook_secrets: str | None
    log_level: Literal["DEBUG", "INFO", "WARNING"]
    customer_key: bool
    encryption_key: aws_kms.IKey | None
    keep_data: bool
    route_throttles: Sequence[RouteThrottle]
    cors_origins: Sequence[str]
    quotas: TenantQuotas | None
    alarm_email: str | None
    alarm_topic: aws_sns.ITopic | None
    dashboard: bool
    permissions_boundary: aws_iam.IManagedPolicy | None
    tags: Mapping[str, str]
    account: str | None
    region: str | None


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


class DeploymentError(Exception):
    """The configuration or the code to deploy is wrong. The message says where, what, and how to correct it."""


class InvalidConfigError(DeploymentError):
    """A value that AWS or Taskyard would refuse, after minutes of deploying."""


def check_config(config: Config) -> None:
    """Raises InvalidConfigError with all that is wrong, a line each."""
    if wrong := [f"{config.environment}: {each}" for each in config_faults(config)]:
        raise InvalidConfigError("\n".join(wrong))


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
                f"{config.environment}: route_throttles[{at}].route: there is no {throttle.route!r}"
            )
