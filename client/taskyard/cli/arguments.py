"""The grammar of the command line. Imports nothing heavy, so that --help is quick."""

import argparse
from collections.abc import Callable
from typing import Any

from taskyard import __version__
from taskyard.cli import values
from taskyard.cli.exit_codes import MEANINGS

_EPILOG = """\
where:
  the URL is --url, else TASKYARD_URL, else that of a local system running here (.local/endpoint.json).
  --auth is "iam" (AWS credentials, SigV4), "none", or a bearer token; else TASKYARD_AUTH, with the same values, else
  TASKYARD_TOKEN, else a token for TASKYARD_CLIENT_ID and TASKYARD_CLIENT_SECRET of TASKYARD_ISSUER, else the login that
  "taskyard login" stored for the URL. A local system that is found by its file never gets credentials of the
  environment.
  --tenant, else TASKYARD_TENANT, is the tenant for which an operator acts.

--json:
  prints the documents of the API to stdout: one document per command; for lists an array, for
  cancel, retry and submit-batch an array with one entry per task, for cancel by filter and redrive the sums, for
  types the JSON Schema of each payload, for watch one line per change. An error is printed to stderr as one problem
  document.

exit codes:
""" + "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())

PRIORITY_HELP = "0 to 9, or high, normal, low; chooses the lane: 7-9 high, 3-6 normal, 0-2 low"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="taskyard",
        description="Submit background tasks and follow them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_globals(parser, default=None)
    parser.add_argument(
        "--version", action="version", version=f"taskyard {__version__}", help="print the version and exit"
    )
    common_options = argparse.ArgumentParser(add_help=False)
    _add_globals(common_options, default=argparse.SUPPRESS)
    commands = _subcommands(parser, "command")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        return _leaf(commands, name, help, common_options)

    _dev(command("dev", "Run the app of this folder on this machine, and reload it when its source changes."))
    starting = command("init", "Write a new project into a folder of its name: an app with a task type and its test.")
    starting.add_argument("name", metavar="NAME", help="lower case, such as orders or order-mails")
    _submit(command("submit", "Submit a task."))
    command("get", "Show a task with its attempts.").add_argument("id", metavar="ID")

    listing = command("list", "List tasks, newest first.")
    listing.add_argument("--state", type=str.upper, help="only tasks in this state")
    listing.add_argument("--type", help="only tasks of this type")
    listing.add_argument("--limit", type=values.positive, default=20, metavar="N", help="at most N tasks (default 20)")

    cancelling = command("cancel", "Cancel tasks that have not started: by id, or all that match a filter.")
    cancelling.add_argument("ids", metavar="ID", nargs="*")
    cancelling.add_argument("--type", help="all tasks of this type")
    cancelling.add_argument("--state", type=str.upper, help="all in this state: PENDING, READY, RETRY or BLOCKED")
    cancelling.add_argument(
        "--tag", type=values.tag, action="append", metavar="K=V", help="all with this tag; repeatable"
    )
    cancelling.add_argument("--reason", help="is stored in each cancelled task")
    cancelling.add_argument("--dry-run", action="store_true", help="only show which would be cancelled")
    cancelling.add_argument(
        "--yes", action="store_true", help="do not ask for confirmation (asked by filter, on a terminal)"
    )

    moving = command("reschedule", "Move a task that has not started to another time.")
    moving.add_argument("id", metavar="ID")
    when = moving.add_mutually_exclusive_group(required=True)
    _add_when(when)

    _batch_and_dead_letters(command)
    _schedule(command("schedule", "Tasks and workflows that are submitted again and again."), common_options)
    _workflow(command("workflow", "DAGs of tasks: run a file, show, cancel, run again, draw."), common_options)
    _login(command)
    _audit(command("audit", "List who did what, newest first. Takes the role admin."))
    _token(
        command("token", "Print a token of the local system that runs here, for a role and a tenant of your choice.")
    )
    command("types", "List the task types of this deployment, with the fields of their payloads.")
    command("stats", "Counts per state and type, depth of each lane.")

    watching = command("watch", "Follow the given tasks until all are settled, or the newest ones until Ctrl-C.")
    watching.add_argument("ids", metavar="ID", nargs="*")
    watching.add_argument("--limit", type=values.positive, default=20, metavar="N", help="without ids: the N newest")
    watching.add_argument(
        "--interval", type=values.duration, default=1.0, metavar="TIME", help="between two reads (default 1s)"
    )
    return parser


def _leaf(group: Any, name: str, help: str, common_options: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(name, help=help, description=help, parents=[common_options])
    parser.set_defaults(help_parser=None)
    return parser


def _subcommands(parser: argparse.ArgumentParser, dest: str) -> Any:
    """A command line without a subcommand shows the help."""
    parser.set_defaults(help_parser=parser)
    return parser.add_subparsers(dest=dest, metavar=dest.upper())


def _add_globals(parser: argparse.ArgumentParser, default: Any) -> None:
    parser.add_argument("--url", default=default, help="the API's URL")
    parser.add_argument("--auth", default=default, metavar="AUTH", help='"iam", "none", or a bearer token')
    parser.add_argument("--tenant", default=default, metavar="TENANT", help="for operators: act for this tenant")
    parser.add_argument("--json", action="store_true", default=default, help="print JSON, for scripts")


def _add_when(group: Any) -> None:
    group.add_argument("--run-at", type=values.instant, metavar="WHEN", help="ISO-8601 with Z or an offset")
    group.add_argument("--delay", type=values.duration, metavar="TIME", help="from now: 90, 90s, 15m, 1h30m, 2d")


def _add_tag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tag", type=values.tag, action="append", metavar="K=V", help="may be repeated")


def _add_notify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--notify",
        type=values.notify,
        action="append",
        metavar="TARGET",
        help="notify of its end: a URL or a mail address, such as https://…,on=failure,secret=NAME; repeatable",
    )


def _submit(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "taskyard submit TYPE [--payload JSON|@FILE|-] [options] [--wait]\n"
        "       taskyard submit --body FILE [--key KEY] [--wait]"
    )
    parser.add_argument("type", metavar="TYPE", nargs="?", help="the task type, for example SEND_EMAIL")
    parser.add_argument("--body", metavar="FILE", help="a complete JSON body, sent as it is (- is stdin)")
    parser.add_argument("--payload", metavar="JSON", help="JSON, @FILE, or - for stdin")
    _add_when(parser.add_mutually_exclusive_group())
    parser.add_argument("--priority", type=values.priority, metavar="P", help=PRIORITY_HELP)
    parser.add_argument("--max-retries", type=int, metavar="N", help="attempts after the first")
    parser.add_argument(
        "--retry",
        type=values.retry,
        metavar="POLICY",
        help="such as fixed,base=2 or exponential,base=1,max=60,jitter=0.5",
    )
    parser.add_argument("--timeout", type=values.duration, metavar="TIME", help="of one attempt")
    parser.add_argument("--key", metavar="KEY", help="idempotency key: the same key and body are the same task")
    _add_tag(parser)
    parser.add_argument("--after", action="append", metavar="ID", help="a task that must succeed first; repeatable")
    _add_notify(parser)
    parser.add_argument("--wait", action="store_true", help="until the task has settled; exit 1 unless in SUCCESS")


def _schedule(parser: argparse.ArgumentParser, common_options: argparse.ArgumentParser) -> None:
    actions = _subcommands(parser, "action")

    def action(name: str, help: str) -> argparse.ArgumentParser:
        return _leaf(actions, name, help, common_options)

    making = action("create", "Submit a task or a workflow at the times of a cron expression, or at a rate.")
    making.add_argument("type", metavar="TYPE", nargs="?", help="the task type, for example SEND_EMAIL")
    making.add_argument("--paused", action="store_true", help="submit nothing until it is resumed")
    making.add_argument("--key", metavar="KEY", help="idempotency key: the same key and request are the same schedule")
    _add_schedule(making, times_required=True)

    changing = action("update", "Change a schedule; fields that are not given stay as they are.")
    changing.add_argument("id", metavar="ID")
    changing.add_argument("--type", metavar="TYPE", help="another task type")
    changing.add_argument(
        "--clear", choices=("name", "start-at", "end-at"), action="append", help="remove the field; repeatable"
    )
    _add_schedule(changing, times_required=False)

    for name, help in (
        ("get", "Show a schedule and its next times."),
        ("pause", "Submit nothing until it is resumed."),
        ("resume", "Submit again."),
    ):
        action(name, help).add_argument("id", metavar="ID")
    running = action("run", "Submit its task or workflow now.")
    running.add_argument("id", metavar="ID")
    running.add_argument("--key", metavar="KEY", help="idempotency key: the same key is the same run")
    listing = action("list", "List schedules, newest first.")
    listing.add_argument("--limit", type=values.positive, default=20, metavar="N", help="at most N (default 20)")
    action("delete", "Delete schedules; their tasks stay.").add_argument("ids", metavar="ID", nargs="+")


def _add_schedule(parser: argparse.ArgumentParser, *, times_required: bool) -> None:
    parser.add_argument("--payload", metavar="JSON", help="JSON, @FILE, or - for stdin")
    parser.add_argument(
        "--workflow", metavar="FILE", help="submit this workflow instead of a task: YAML or JSON (- is YAML on stdin)"
    )
    times = parser.add_mutually_exclusive_group(required=times_required)
    times.add_argument("--cron", metavar="CRON", help="five fields as in Unix: '0 9 * * MON-FRI'")
    times.add_argument("--rate", metavar="RATE", help="such as '5 minutes', '1 hour', '2 days'")
    parser.add_argument("--timezone", metavar="ZONE", help="such as Europe/Berlin (default UTC)")
    parser.add_argument("--name", help="a name for people")
    parser.add_argument(
        "--start-at", type=values.instant, metavar="WHEN", help="no firing before: ISO-8601 with an offset"
    )
    parser.add_argument("--end-at", type=values.instant, metavar="WHEN", help="no firing at or after it")
    parser.add_argument(
        "--overlap", choices=("allow", "skip"), help="skip: no firing while the previous task or workflow has not ended"
    )
    parser.add_argument("--catch-up", choices=("none", "last"), help="last: the last missed firing is made up")
    parser.add_argument("--priority", type=values.priority, metavar="P", help=PRIORITY_HELP)
    _add_tag(parser)
    _add_notify(parser)


def _workflow(parser: argparse.ArgumentParser, common_options: argparse.ArgumentParser) -> None:
    actions = _subcommands(parser, "action")

    def action(name: str, help: str) -> argparse.ArgumentParser:
        return _leaf(actions, name, help, common_options)

    running = action("run", "Submit a YAML or JSON file and follow its nodes. The format: docs/workflows.md.")
    running.add_argument("file", metavar="FILE", help="dag.yaml or dag.json (- is YAML on stdin)")
    running.add_argument("--key", metavar="KEY", help="idempotency key: the same key and file are the same run")
    _add_notify(running)
    _add_wait(running, default=True)

    showing = action("get", "Show a workflow and its nodes.")
    showing.add_argument("id", metavar="ID")
    showing.add_argument(
        "--limit", type=values.positive, default=100, metavar="N", help="at most N nodes (default 100)"
    )

    listing = action("list", "List workflows, newest first.")
    listing.add_argument("--limit", type=values.positive, default=20, metavar="N", help="at most N (default 20)")

    action("cancel", "Cancel the nodes that have not started.").add_argument("ids", metavar="ID", nargs="+")

    again = action("retry", "Run the nodes again that did not succeed.")
    again.add_argument("id", metavar="ID")
    _add_wait(again, default=False)

    drawing = action("graph", "Draw a workflow, coloured by state; or a file, without the API.")
    drawing.add_argument("id", metavar="ID|FILE")
    drawing.add_argument("--format", choices=("mermaid", "dot", "svg"), default="mermaid", help="(default mermaid)")


def _add_wait(parser: argparse.ArgumentParser, default: bool) -> None:
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=default,
        help=f"until it has ended; exit 1 unless in SUCCESS (default {'yes' if default else 'no'})",
    )
    parser.add_argument(
        "--interval", type=values.duration, default=1.0, metavar="TIME", help="between two reads (default 1s)"
    )


def _batch_and_dead_letters(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    batch = command("submit-batch", "Submit many tasks, each with its own outcome.")
    batch.add_argument("file", metavar="FILE", help="a JSON array, or one task per line (- is stdin)")

    listing = command("dead-letters", "List tasks that ended as FAILED or DEAD, the latest first.")
    _add_dead_letter_filter(listing)
    listing.add_argument("--limit", type=values.positive, default=20, metavar="N", help="at most N (default 20)")

    again = command("retry", "Run dead letters again, now.")
    again.add_argument("ids", metavar="ID", nargs="+")
    _add_attempts(again)

    redriving = command(
        "redrive", "Run all dead letters again that match, at a limited rate. Asks first on a terminal."
    )
    _add_dead_letter_filter(redriving)
    redriving.add_argument("--rate", type=float, metavar="N", help="tasks per second (default 10)")
    _add_attempts(redriving)
    redriving.add_argument("--dry-run", action="store_true", help="only count them")
    redriving.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    listing = command("undeliverable", "List notifications that could not be delivered, newest first.")
    listing.add_argument("--limit", type=values.positive, default=20, metavar="N", help="at most N (default 20)")


def _audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=values.instant, metavar="WHEN", help="only at or after it (ISO-8601)")
    parser.add_argument("--until", type=values.instant, metavar="WHEN", help="only before it")
    parser.add_argument("--principal", metavar="TEXT", help="only of principals whose name contains it")
    parser.add_argument("--action", metavar="ACTION", help="only this action, such as task.cancel")
    parser.add_argument("--id", metavar="ID", help="only on this task, workflow or schedule")
    parser.add_argument("--limit", type=values.positive, default=20, metavar="N", help="at most N (default 20)")


def _add_dead_letter_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", help="only of this type")
    parser.add_argument(
        "--error-type", metavar="CLASS", help="only with this class of the last error, such as TimedOut"
    )
    parser.add_argument("--since", type=values.instant, metavar="WHEN", help="only if ended at or after it (ISO-8601)")
    parser.add_argument("--until", type=values.instant, metavar="WHEN", help="only if ended before it")


def _add_attempts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--attempts", type=values.positive, metavar="N", help="new attempts (default: that of the type)"
    )


def _login(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    entering = command("login", "Log in for the API at --url, in a browser on this machine. The tokens are stored.")
    entering.add_argument("--issuer", metavar="URL", help="who issues tokens (else TASKYARD_ISSUER, else as last time)")
    entering.add_argument("--client-id", metavar="ID", help="of people's logins (else TASKYARD_CLIENT_ID)")
    entering.add_argument(
        "--scope", action="append", metavar="SCOPE", help="repeatable (else TASKYARD_SCOPES; default: openid, …)"
    )
    entering.add_argument("--audience", help="for issuers that ask for one, such as Auth0 (else TASKYARD_AUDIENCE)")
    entering.add_argument(
        "--device", action="store_true", help="show a code for a browser on another device (not with Cognito)"
    )
    command("logout", "Delete the stored tokens of the API at --url.")


def _dev(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stack", metavar="NAME", help="of an app with several stacks that have a Taskyard")
    parser.add_argument("-c", "--context", action="append", metavar="NAME=VALUE", help="context of the app; repeatable")
    parser.add_argument("--port", type=int, default=4510, help="on 127.0.0.1; 0 is any free one (default 4510)")
    parser.add_argument("--no-reload", action="store_true", help="do not watch the source")


def _token(parser: argparse.ArgumentParser) -> None:
    parser.usage = "taskyard token --role ROLE [--tenant TENANT] [--ttl TIME] [--json]"
    parser.add_argument(
        "--role", required=True, choices=("viewer", "submitter", "admin", "operator"), help="includes those before it"
    )
    parser.add_argument("--ttl", type=values.duration, metavar="TIME", help="how long it is valid (default 12h)")


def check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Rules that argparse cannot express."""
    if args.command == "submit":
        _check_submit(parser, args)
    if args.command == "schedule" and args.action in ("create", "update"):
        is_task = any(each is not None for each in (args.type, args.payload, args.priority)) or bool(args.tag)
        if args.workflow is not None and is_task:
            parser.error("schedule: give either --workflow or a task: TYPE, --payload, --priority, --tag")
        if args.action == "create" and args.workflow is None and args.type is None:
            parser.error("schedule create: give a task TYPE or --workflow FILE")
    if args.command == "schedule" and args.action == "update":
        for name in args.clear or ():
            if getattr(args, name.replace("-", "_")) is not None:
                parser.error(f"schedule update: give --{name} or --clear {name}, not both")
    if args.command == "cancel" and bool(args.ids) == bool(args.type or args.state or args.tag):
        parser.error("cancel: give IDs, or at least one of --type, --state and --tag")


def _check_submit(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """TYPE or --body; with --body no option that is a field of the body."""
    if (args.type is None) == (args.body is None):
        parser.error("submit: give a TYPE, or a complete body with --body FILE")
    body_options = (
        "payload",
        "run_at",
        "delay",
        "priority",
        "max_retries",
        "retry",
        "timeout",
        "tag",
        "after",
        "notify",
    )
    conflicting = [name for name in body_options if args.body is not None and getattr(args, name) is not None]
    if conflicting:
        parser.error(f"submit: --{conflicting[0].replace('_', '-')} cannot be used with --body: put it into the body")
