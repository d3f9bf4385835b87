from __future__ import annotations

import base64
from typing import Any

import pytest

from local.aws.calls import AwsCall
from local.aws.s3_permissions import s3_permissions
from local.http_server import Request
from local.template.intrinsics import TemplateError
from local.template.roles import Permission, PermissionDenied, Role, statement_covers

KEY = "arn:aws:kms:us-east-1:123456789012:key/"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
CIPHERTEXT = base64.b64encode(b"k" * 36 + b"rest").decode()
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/t"


def role(*statements: dict[str, Any]) -> Role:
    return Role("r", "arn:aws:iam::123456789012:role/r", frozenset(), list(statements))


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        (allow("dynamodb:PutItem", TABLE), Permission("dynamodb:PutItem", TABLE)),
        (allow(["sqs:*", "dynamodb:*"], "*"), Permission("dynamodb:PutItem", TABLE)),
        (allow("DynamoDB:put*", TABLE), Permission("dynamodb:PutItem", TABLE)),
        (allow("*", f"{TABLE}/index/*"), Permission("dynamodb:Query", f"{TABLE}/index/i")),
        (allow("s3:Get?bject", "arn:aws:s3:::b/*"), Permission("s3:GetObject", "arn:aws:s3:::b/deep/er[1]")),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, Permission("s3:GetObject", "x")),
        ({"Effect": "Allow", "Action": "*", "NotResource": "y"}, Permission("s3:GetObject", "x")),
        (allow("a:b", "*", Condition={"StringEquals": {"k": ["1", "2"]}}), Permission("a:b", "x", {"K": "2"})),
        (allow("a:b", "*", Condition={"StringLike": {"k": "v*"}}), Permission("a:b", "x", {"k": "value"})),
        (allow("a:b", "*", Condition={"ArnLike": {"k": "arn:*:q"}}), Permission("a:b", "x", {"k": "arn:aws:q"})),
        (allow("a:b", "*", Condition={"Bool": {"k": "true"}}), Permission("a:b", "x", {"k": "true"})),
        (allow("a:b", "*", Condition={"StringNotEquals": {"k": "1"}}), Permission("a:b", "x", {"k": "2"})),
        (allow("a:b", "*", Condition={"StringEqualsIfExists": {"k": "1"}}), Permission("a:b", "x")),
        (allow("a:b", "*", Condition={"Null": {"k": "true"}}), Permission("a:b", "x")),
    ],
)
def test_what_a_statement_allows(statement: dict[str, Any], needed: Permission) -> None:
    role(statement).require([needed])


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        (allow("dynamodb:PutItem", TABLE), Permission("dynamodb:DeleteItem", TABLE)),
        (allow("dynamodb:*", TABLE), Permission("dynamodb:Query", f"{TABLE}/index/i")),
        (allow("a:b", "*", Condition={"StringEquals": {"k": "1"}}), Permission("a:b", "x", {"k": "2"})),
        (allow("a:b", "*", Condition={"StringEquals": {"k": "1"}}), Permission("a:b", "x")),
        (
            allow("a:b", "*", Condition={"StringEquals": {"k": "1"}, "Bool": {"s": "true"}}),
            Permission("a:b", "x", {"k": "1", "s": "false"}),
        ),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, Permission("iam:PassRole", "x")),
    ],
)
def test_what_it_does_not(statement: dict[str, Any], needed: Permission) -> None:
    with pytest.raises(PermissionDenied) as denied:
        role(statement).require([needed])
    assert not denied.value.explicit


def test_a_deny_wins() -> None:
    both = role(allow("*", "*"), {"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    both.require([Permission("sqs:SendMessage", "q")])
    with pytest.raises(PermissionDenied) as denied:
        both.require([Permission("s3:GetObject", "x")])
    assert "explicit deny" in denied.value.reason()


def test_a_condition_that_is_not_known_never_allows() -> None:
    with pytest.raises(TemplateError, match="DateLessThan"):
        role(allow("a:b", "*", Condition={"DateLessThan": {"k": "1"}})).require([Permission("a:b", "x", {"k": "1"})])


@pytest.mark.parametrize(
    ("call", "needs"),
    [
        (
            AwsCall("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, "/"),
            [("dynamodb:Query", f"{TABLE}/index/i")],
        ),
        (
            AwsCall("dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t"}}]}, "/"),
            [("dynamodb:PutItem", TABLE)],
        ),
        (
            AwsCall("dynamodb", "BatchGetItem", {"RequestItems": {"t": {}}}, "/"),
            [("dynamodb:BatchGetItem", TABLE)],
        ),
        (
            AwsCall("sqs", "SendMessageBatch", {"QueueUrl": "http://127.0.0.1:1/123456789012/q"}, "/"),
            [("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:q")],
        ),
        (
            AwsCall("scheduler", "CreateSchedule", {"GroupName": "g", "Target": {"RoleArn": "r"}}, "/schedules/n"),
            [
                ("scheduler:CreateSchedule", "arn:aws:scheduler:us-east-1:123456789012:schedule/g/n"),
                ("iam:PassRole", "r"),
            ],
        ),
        (
            AwsCall("ses", "SendEmail", {"Source": "A <a@b.c>"}, "/"),
            [
                ("ses:SendEmail", "arn:aws:ses:us-east-1:123456789012:identity/a@b.c"),
                ("ses:SendEmail", "arn:aws:ses:us-east-1:123456789012:configuration-set/default"),
            ],
        ),
        (AwsCall("sts", "GetCallerIdentity", {}, "/"), []),
        (AwsCall("monitoring", "PutMetricData", {}, "/"), [("cloudwatch:PutMetricData", None)]),
        (AwsCall("sns", "PublishBatch", {"TopicArn": "t"}, "/"), [("sns:Publish", "t")]),
        (AwsCall("kms", "Encrypt", {"KeyId": "k"}, "/"), [("kms:Encrypt", f"{KEY}k")]),
        (AwsCall("kms", "Encrypt", {"KeyId": "alias/a"}, "/"), [("kms:Encrypt", None)]),
        (AwsCall("kms", "Decrypt", {"CiphertextBlob": CIPHERTEXT}, "/"), [("kms:Decrypt", f"{KEY}{'k' * 36}")]),
        (
            AwsCall("events", "PutEvents", {"Entries": [{"EventBusName": "b"}]}, "/"),
            [("events:PutEvents", "arn:aws:events:us-east-1:123456789012:event-bus/b")],
        ),
        (
            AwsCall("secretsmanager", "GetSecretValue", {"SecretId": f"{SECRET}n"}, "/"),
            [("secretsmanager:GetSecretValue", f"{SECRET}n-000000")],
        ),
    ],
)
def test_what_a_call_needs(call: AwsCall, needs: list[tuple[str, str | None]]) -> None:
    assert [(needed.action, needed.resource) for needed in call.required_permissions()] == needs


@pytest.mark.parametrize(("senders", "allowed"), [(["a@b.c", "d@b.c"], True), (["d@b.c"], False)])
def test_a_mail_needs_a_statement_that_allows_its_sender(senders: list[str], allowed: bool) -> None:
    needed, _ = AwsCall("ses", "SendEmail", {"Source": "A <a@b.c>"}, "/").required_permissions()
    condition = {"StringEquals": {"ses:FromAddress": senders}}
    statement = {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*", "Condition": condition}
    assert statement_covers(statement, needed) is allowed


def test_a_call_whose_resource_is_not_known_takes_a_grant_for_any_resource() -> None:
    [needed] = AwsCall("bedrock", "InvokeModel", {}, "/").required_permissions()
    assert statement_covers({"Effect": "Allow", "Action": "bedrock:*", "Resource": "arn:aws:bedrock:::x"}, needed)
    assert not statement_covers({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, needed)


@pytest.mark.parametrize(
    ("method", "target", "body", "needs"),
    [
        ("GET", "/", "", [("s3:ListAllMyBuckets", "*")]),
        ("GET", "/b?list-type=2&prefix=a", "", [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("HEAD", "/b", "", [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("GET", "/b/a%20b", "", [("s3:GetObject", "arn:aws:s3:::b/a b")]),
        ("GET", "/b/k?tagging", "", [("s3:GetObjectTagging", "arn:aws:s3:::b/k")]),
        ("POST", "/b/k?uploads", "", [("s3:PutObject", "arn:aws:s3:::b/k")]),
        ("DELETE", "/b/k?uploadId=1", "", [("s3:AbortMultipartUpload", "arn:aws:s3:::b/k")]),
        (
            "POST",
            "/b?delete",
            "<Delete><Object><Key>x&amp;y</Key></Object><Object><Key>z</Key></Object></Delete>",
            [("s3:DeleteObject", "arn:aws:s3:::b/x&y"), ("s3:DeleteObject", "arn:aws:s3:::b/z")],
        ),
    ],
)
def test_what_a_request_to_s3_needs(method: str, target: str, body: str, needs: list[tuple[str, str]]) -> None:
    call = AwsCall.from_request("s3", Request(method, target, {}, body.encode()))
    assert [(needed.action, needed.resource) for needed in call.required_permissions()] == needs


def test_a_copy_in_s3_needs_its_source_too() -> None:
    request = Request("PUT", "/b/k", {"x-amz-copy-source": "/other/its%20key"}, b"")
    needs = [needed.action + " " + str(needed.resource) for needed in s3_permissions(request)]
    assert needs == ["s3:PutObject arn:aws:s3:::b/k", "s3:GetObject arn:aws:s3:::other/its key"]
