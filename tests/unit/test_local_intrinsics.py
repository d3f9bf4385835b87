from __future__ import annotations

from typing import Any

import pytest

from local.template.intrinsics import Resolver, TemplateError

TEMPLATE: dict[str, Any] = {
    "Parameters": {"Size": {"Type": "String", "Default": "big"}, "Bare": {"Type": "String"}},
    "Mappings": {"ByRegion": {"us-east-1": {"name": "virginia"}}},
    "Conditions": {
        "IsBig": {"Fn::Equals": [{"Ref": "Size"}, "big"]},
        "IsNot": {"Fn::Not": [{"Condition": "IsBig"}]},
        "Both": {"Fn::And": [{"Condition": "IsBig"}, {"Fn::Or": [{"Condition": "IsNot"}, {"Condition": "IsBig"}]}]},
    },
}


@pytest.fixture
def resolver() -> Resolver:
    return Resolver(TEMPLATE, "Stack", lambda name, attribute: f"<{name}.{attribute or 'ref'}>")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ({"Ref": "Queue"}, "<Queue.ref>"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "<Queue.Arn>"),
        ({"Fn::GetAtt": "Queue.Nested.Arn"}, "<Queue.Nested.Arn>"),
        ({"Ref": "AWS::AccountId"}, "123456789012"),
        ({"Ref": "Size"}, "big"),
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::Region"}, 1]]}, "a-us-east-1-1"),
        ({"Fn::Sub": "${AWS::StackName}/${Queue.Arn}/${!kept}"}, "Stack/<Queue.Arn>/${kept}"),
        ({"Fn::Sub": ["${x}${Queue}", {"x": {"Ref": "Size"}}]}, "big<Queue.ref>"),
        ({"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}, "b"),
        ({"Fn::FindInMap": ["ByRegion", {"Ref": "AWS::Region"}, "name"]}, "virginia"),
        ({"Fn::GetAZs": ""}, ["us-east-1a", "us-east-1b", "us-east-1c"]),
        ({"Fn::Select": [1, {"Fn::GetAtt": ["Vpc", "Cidrs"]}]}, "<Vpc.Cidrs>-1"),
        ({"Fn::Join": [",", {"Fn::GetAtt": ["Zone", "NameServers"]}]}, "<Zone.NameServers>"),
        ({"Fn::ImportValue": "other"}, "import-other"),
        ({"Ref": "Bare"}, "parameter-Bare"),
        ({"Fn::If": ["IsBig", 1, 2]}, 1),
        ({"Fn::If": ["IsNot", 1, 2]}, 2),
        ({"Fn::If": ["Both", 1, 2]}, 1),
        ({"Fn::Base64": "x"}, "eA=="),
        ({"a": {"Fn::If": ["IsNot", 1, {"Ref": "AWS::NoValue"}]}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
    ],
)
def test_a_value_is_resolved(resolver: Resolver, value: Any, expected: Any) -> None:
    assert resolver.resolve(value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, "Fn::Cidr"),
        ({"Fn::If": ["Missing", 1, 2]}, "no condition Missing"),
        ({"Fn::FindInMap": ["ByRegion", "eu-west-1", "name"]}, "no mapping"),
    ],
)
def test_what_is_not_known_is_named(resolver: Resolver, value: Any, words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        resolver.resolve(value)
