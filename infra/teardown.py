"""`make destroy`: prepares a stack for its deletion, which the CDK CLI then does.

CloudFormation waits for running executions of a state machine (a workflow may take a year, a notification a day),
deletes no bucket that holds objects, and leaves retained resources, also after a first deployment that failed.

    python -m infra.teardown --stack Taskyard-dev
    python -m infra.teardown --stack Taskyard-prod --confirm Taskyard-prod
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

TABLE, BUCKET, MACHINE = "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::StepFunctions::StateMachine"
USER_POOL, KEY = "AWS::Cognito::UserPool", "AWS::KMS::Key"
ORDER = (MACHINE, TABLE, BUCKET, USER_POOL, KEY)
"""Executions first, as what they start writes documents; the key last, as what else stays cannot be read without."""
KEY_WAITING_DAYS = 7
"""How long KMS keeps a key that is to be deleted: the shortest that it allows."""
ROUNDS = 10
"""How often executions are listed and stopped at most: running tasks may start others in the meantime."""
NEVER_IN_SERVICE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})
"""Of a stack whose first deployment failed."""
GONE = frozenset({"ResourceNotFoundException", "NoSuchBucket", "StateMachineDoesNotExist", "NotFoundException"})
STAYS = "stays"
REASON = "the stack is being deleted"


class TeardownError(Exception):
    """The stack cannot be deleted like this; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One of a stack. `id`: its physical one. `retained`: CloudFormation leaves it where it is."""

    kind: str
    id: str
    retained: bool


@dataclass(frozen=True, kw_only=True)
class Teardown:
    """`stack`: its name. `session`: boto3's, of the account that is deployed to."""

    stack: str
    session: Any

    def run(self) -> list[str]:
        """Prepare the deletion. Returns a line for each resource that was cleared or that stays. May be run again, also
        when the stack is gone. Raises TeardownError."""
        stack = self._describe_stack()
        if stack is None:
            return [f"there is no stack {self.stack}"]
        is_failed_creation = stack["StackStatus"] in NEVER_IN_SERVICE
        lines: list[str] = []
        for resource in sorted(self._resources(), key=lambda it: ORDER.index(it.kind)):
            # The key of data that stay is not deleted.
            is_leftover = is_failed_creation and not (
                resource.kind == KEY and any(line.startswith(STAYS) for line in lines)
            )
            if line := self._clear(resource, is_leftover):
                lines.append(line)
        return lines

    def keeps_data(self) -> bool:
        """Whether its template retains a table."""
        return self._describe_stack() is not None and any(
            resource.kind == TABLE and resource.retained for resource in self._resources()
        )

    def _clear(self, resource: Resource, is_leftover: bool) -> str | None:
        try:
            if resource.kind == MACHINE:
                return self._stop_executions(resource.id)
            if not resource.retained:
                return self._empty(resource.id) if resource.kind == BUCKET else None
            if is_leftover and not self._holds_data(resource):
                return self._delete(resource)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return f"is gone already: {resource.id} ({resource.kind})"
            raise
        return f"{STAYS}, and CloudFormation leaves it: {resource.id} ({resource.kind})"

    def _describe_stack(self) -> Any:
        try:
            return self.session.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise

    def _resources(self) -> Iterator[Resource]:
        """What of the stack exists, takes preparation, and is Taskyard's (infra/names.py: mark_owner)."""
        cloudformation = self.session.client("cloudformation")
        template = cloudformation.get_template(StackName=self.stack)["TemplateBody"]["Resources"]
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack):
            for summary in page["StackResourceSummaries"]:
                gone = summary["ResourceStatus"] == "DELETE_COMPLETE" or not summary.get("PhysicalResourceId")
                definition = template[summary["LogicalResourceId"]] if summary["ResourceType"] in ORDER else {}
                if "Taskyard" in definition.get("Metadata", {}) and not gone:
                    policy = definition.get("DeletionPolicy", "Delete")
                    yield Resource(
                        kind=summary["ResourceType"],
                        id=summary["PhysicalResourceId"],
                        retained=policy != "Delete",
                    )

    def _stop_executions(self, machine: str) -> str:
        states = self.session.client("stepfunctions")
        stopped = 0
        for _ in range(ROUNDS):
            pages = states.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter="RUNNING")
            running = [execution["executionArn"] for page in pages for execution in page["executions"]]
            if not running:
                return f"stopped {stopped} executions of {machine}"
            for execution in running:
                states.stop_execution(executionArn=execution, cause=REASON)
            stopped += len(running)
        raise TeardownError(f"executions of {machine} go on starting: stop whoever submits, then run this again")

    def _empty(self, bucket: str) -> str:
        s3 = self.session.client("s3")
        deleted = 0
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if versions:
                objects = [{"Key": it["Key"], "VersionId": it["VersionId"]} for it in versions]
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
                if errors := answer.get("Errors"):
                    raise TeardownError(f"{bucket}: {errors[0]['Key']} could not be deleted: {errors[0]['Message']}")
            deleted += len(versions)
        return f"emptied the bucket {bucket}: {deleted} versions of objects"

    def _holds_data(self, resource: Resource) -> bool:
        if resource.kind == TABLE:
            page = self.session.client("dynamodb").scan(TableName=resource.id, Limit=1, ConsistentRead=True)
            return bool(page["Items"])
        if resource.kind == USER_POOL:
            return bool(self.session.client("cognito-idp").list_users(UserPoolId=resource.id, Limit=1)["Users"])
        if resource.kind == KEY:
            return False
        listed = self.session.client("s3").list_object_versions(Bucket=resource.id, MaxKeys=1)
        return bool(listed.get("Versions") or listed.get("DeleteMarkers"))

    def _delete(self, resource: Resource) -> str:
        if resource.kind == TABLE:
            dynamodb = self.session.client("dynamodb")
            dynamodb.update_table(TableName=resource.id, DeletionProtectionEnabled=False)
            dynamodb.get_waiter("table_exists").wait(TableName=resource.id)
            dynamodb.delete_table(TableName=resource.id)
        elif resource.kind == USER_POOL:
            self._delete_user_pool(resource.id)
        elif resource.kind == KEY:
            self._delete_key(resource.id)
        else:
            self.session.client("s3").delete_bucket(Bucket=resource.id)
        return f"deleted, left by a failed first deployment: {resource.id} ({resource.kind})"

    def _delete_user_pool(self, pool: str) -> None:
        """A pool with a domain is not deleted, nor one that is protected."""
        cognito = self.session.client("cognito-idp")
        if domain := cognito.describe_user_pool(UserPoolId=pool)["UserPool"].get("Domain"):
            cognito.delete_user_pool_domain(UserPoolId=pool, Domain=domain)
        # Resets its other settings, too.
        cognito.update_user_pool(UserPoolId=pool, DeletionProtection="INACTIVE")
        cognito.delete_user_pool(UserPoolId=pool)

    def _delete_key(self, key: str) -> None:
        kms = self.session.client("kms")
        if kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] != "PendingDeletion":
            kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_WAITING_DAYS)


def main(argv: Sequence[str], session: Any = None) -> int:
    """The exit code. `session`: boto3's; by default of the current credentials."""
    parser = argparse.ArgumentParser(description="Make way for the deletion of a stack.")
    parser.add_argument("--stack", required=True, help="its name")
    parser.add_argument("--confirm", default="", help="the stack's name, where data is at stake")
    arguments = parser.parse_args(argv)
    try:
        teardown = Teardown(stack=arguments.stack, session=session or boto3.Session())
        if arguments.confirm != arguments.stack and teardown.keeps_data():
            raise TeardownError(
                f"{arguments.stack} keeps its data: to stop all that runs there and delete its stack, name it once "
                f"more:\n    make destroy ENV=… CONFIRM={arguments.stack}"
            )
        for line in teardown.run():
            print(line)
    except TeardownError as error:
        print(error, file=sys.stderr)
        return 2
    except (BotoCoreError, ClientError) as error:
        print(f"AWS refused: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
