"""What of a template the local system leaves out or stands in for. Each is told once."""

from __future__ import annotations

from collections.abc import Iterable

# These have no effect that a function could see here: nothing is said of them.
SILENT_KINDS = frozenset(
    {
        "AWS::CDK::Metadata",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::LogGroup",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::StepFunctions::StateMachine",
        # Made by its function: local/custom_resources.py.
        "Custom::TaskyardSchedule",
    }
)
SILENT_SERVICES = ("AWS::ApiGatewayV2::", "AWS::CloudWatch::", "AWS::Cognito::")
NETWORK = "AWS::EC2::"


class Notes:
    """Lines about what is left out, in order; a line that was said is not said again."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def add(self, line: str) -> None:
        self._lines.setdefault(line)

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)


def left_out(kinds: Iterable[tuple[str, str]], made: frozenset[str]) -> list[str]:
    """One line for each resource that is not made. `kinds`: logical id and type of each resource; `made`: the types
    that are. A network is one line: its parts say nothing by themselves."""
    lines, network = [], []
    for name, kind in kinds:
        if kind.startswith(NETWORK):
            network.append(name)
        elif kind not in made and kind not in SILENT_KINDS and not kind.startswith(SILENT_SERVICES):
            lines.append(f"left out here: {kind} {name}")
    if network:
        more = f" and {len(network) - 1} more" if len(network) > 1 else ""
        lines.append(f"left out here: {NETWORK}* {network[0]}{more}; functions in a network run without it")
    return lines
