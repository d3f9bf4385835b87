from __future__ import annotations

from typing import Any

import pytest

from local.aws.calls import Call
from local.template.intrinsics import TemplateError
from local.template.roles import Denied, Needed, Role, matches

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/t"


def role(*statements: dict[str, Any]) -> Role:
    return Role("r", "arn:aws:iam::123456789012:role/r", frozenset(), list(statements))


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        (allow("dynamodb:PutItem", TABLE), Needed("dynamodb:PutItem", TABLE)),
        (allow(["sqs:*", "dynamodb:*"], "*"), Needed("dynamodb:PutItem", TABLE)),
        (allow("DynamoDB:put*", TABLE), Needed("dynamodb:PutItem", TABLE)),
        (allow("*", f"{TABLE}/index/*"), Needed("dynamodb:Query", f"{TABLE}/index/i")),
        (allow("s3:Get?bject", "arn:aws:s3:::b/*"), Needed("s3:GetObject", "arn:aws:s3:::b/deep/er[1]")),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, Needed("s3:GetObject", "x")),
        ({"Effect": "Allow", "Action": "*", "NotResource": "y"}, Needed("s3:GetObject", "x")),
        (allow("a:b", "*", Condition={"StringEquals": {"k": ["1", "2"]}}), Needed("a:b", "x", {"K": "2"})),
        (allow("a:b", "*", Condition={"StringLike": {"k": "v*"}}), Needed("a:b", "x", {"k": "value"})),
        (allow("a:b", "*", Condition={"ArnLike": {"k": "arn:*:q"}}), Needed("a:b", "x", {"k": "arn:aws:q"})),
        (allow("a:b", "*", Condition={"Bool": {"k": "true"}}), Needed("a:b", "x", {"k": "true"})),
        (allow("a:b", "*", Condition={"StringNotEquals": {"k": "1"}}), Needed("a:b", "x", {"k": "2"})),
        (allow("a:b", "*", Condition={"StringEqualsIfExists": {"k": "1"}}), Needed("a:b", "x")),
        (allow("a:b", "*", Condition={"Null": {"k": "true"}}), Needed("a:b", "x")),
    ],
)
def test_what_a_statement_allows(statement: dict[str, Any], needed: Needed) -> None:
    role(statement).check([needed])


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        (allow("dynamodb:PutItem", TABLE), Needed("dynamodb:DeleteItem", TABLE)),
        (allow("dynamodb:*", TABLE), Needed("dynamodb:Query", f"{TABLE}/index/i")),
        (allow("a:b", "*", Condition={"StringEquals": {"k": "1"}}), Needed("a:b", "x", {"k": "2"})),
        (allow("a:b", "*", Condition={"StringEquals": {"k": "1"}}), Needed("a:b", "x")),
        (
            allow("a:b", "*", Condition={"StringEquals": {"k": "1"}, "Bool": {"s": "true"}}),
            Needed("a:b", "x", {"k": "1", "s": "false"}),
        ),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, Needed("iam:PassRole", "x")),
    ],
)
def test_what_it_does_not(statement: dict[str, Any], needed: Needed) -> None:
    with pytest.raises(Denied) as denied:
        role(statement).check([needed])
    assert not denied.value.explicit


def test_a_deny_wins() -> None:
    both = role(allow("*", "*"), {"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    both.check([Needed("sqs:SendMessage", "q")])
    with pytest.raises(Denied) as denied:
        both.check([Needed("s3:GetObject", "x")])
    assert "explicit deny" in denied.value.reason()


def test_a_condition_that_is_not_known_never_allows() -> None:
    with pytest.raises(TemplateError, match="DateLessThan"):
        role(allow("a:b", "*", Condition={"DateLessThan": {"k": "1"}})).check([Needed("a:b", "x", {"k": "1"})])


@pytest.mark.parametrize(
    ("call", "needs"),
    [
        (
            Call("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, "/"),
            [("dynamodb:Query", f"{TABLE}/index/i")],
        ),
        (
            Call("dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t"}}]}, "/"),
            [("dynamodb:PutItem", TABLE)],
        ),
        (
            Call("dynamodb", "BatchGetItem", {"RequestItems": {"t": {}}}, "/"),
            [("dynamodb:BatchGetItem", TABLE)],
        ),
        (
            Call("sqs", "SendMessageBatch", {"QueueUrl": "http://127.0.0.1:1/123456789012/q"}, "/"),
            [("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:q")],
        ),
        (
            Call("scheduler", "CreateSchedule", {"GroupName": "g", "Target": {"RoleArn": "r"}}, "/schedules/n"),
            [
                ("scheduler:CreateSchedule", "arn:aws:scheduler:us-east-1:123456789012:schedule/g/n"),
                ("iam:PassRole", "r"),
            ],
        ),
        (
            Call("ses", "SendEmail", {"Source": "A <a@b.c>"}, "/"),
            [("ses:SendEmail", "arn:aws:ses:us-east-1:123456789012:identity/a@b.c")],
        ),
        (Call("sts", "GetCallerIdentity", {}, "/"), []),
        (Call("monitoring", "PutMetricData", {}, "/"), [("cloudwatch:PutMetricData", "*")]),
    ],
)
def test_what_a_call_needs(call: Call, needs: list[tuple[str, str]]) -> None:
    assert [(needed.action, needed.resource) for needed in call.needs()] == needs


@pytest.mark.parametrize(("senders", "allowed"), [(["a@b.c", "d@b.c"], True), (["d@b.c"], False)])
def test_a_mail_needs_a_statement_that_allows_its_sender(senders: list[str], allowed: bool) -> None:
    (needed,) = Call("ses", "SendEmail", {"Source": "A <a@b.c>"}, "/").needs()
    condition = {"StringEquals": {"ses:FromAddress": senders}}
    statement = {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*", "Condition": condition}
    assert matches(statement, needed) is allowed
