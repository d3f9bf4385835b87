"""A small stack with handlers of its own, to test the local runtime apart from Taskyard's functions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from infra.build.layers import LAYER_LOCK
from infra.build.locations import LOCK_FILE
from infra.build.pool_locks import INPUTS_COMMENT
from local.template.cloud_assembly import CloudAssembly
from tests.infra.wheels import tool_pin

HANDLERS = '''
import builtins, json, os, sys, time, urllib.error, urllib.request
import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from tiny.importing import attempt

def _aws(service):
    return boto3.client(service)

def api(event, context):
    """Answers with what it was given; does what the body asks for."""
    path = event["rawPath"]
    if path == "/echo":
        return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
    asked = json.loads(event.get("body") or "{}")
    if asked.get("do") == "raise":
        raise ValueError("asked to")
    if asked.get("do") == "hang":
        time.sleep(60)
    if asked.get("do") == "exit":
        os._exit(3)
    if asked.get("do") == "sleep":
        time.sleep(asked["seconds"])
    if asked.get("do") == "import":
        return attempt(asked["module"])
    if asked.get("do") == "aws":
        try:
            answer = getattr(_aws(asked["service"]), asked["call"])(**asked["with"])
            answer.pop("ResponseMetadata", None)
            return {"ok": json.loads(json.dumps(answer, default=str))}
        except Exception as error:
            return {"error": type(error).__name__, "message": str(error)}
    if asked.get("do") == "request":
        request = AWSRequest(asked["method"], os.environ["API_URL"] + asked["path"])
        session = boto3.Session()
        SigV4Auth(session.get_credentials(), asked.get("service", "execute-api"), "us-east-1").add_auth(request)
        sent = urllib.request.Request(request.url, method=asked["method"], headers=dict(request.headers))
        try:
            with urllib.request.urlopen(sent) as answer:
                return {"status": answer.status, "body": json.load(answer)}
        except urllib.error.HTTPError as refused:
            return {"status": refused.code, "body": json.load(refused)}
    return {
        "pid": os.getpid(), "time": time.time(), "remaining": context.get_remaining_time_in_millis(),
        "env": dict(os.environ), "path": sys.path, "cwd": os.getcwd(), "modules": "local" in sys.modules,
        "executable": sys.executable, "builtins": dir(builtins),
    }

def worker(event, context):
    """Notes what it got in the table, then does what each body asks for."""
    table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
    failed = []
    for record in event["Records"]:
        asked = json.loads(record["body"])
        count = int(record["attributes"]["ApproximateReceiveCount"])
        table.put_item(Item={
            "pk": "SEEN#" + asked["id"], "sk": str(count), "at": str(time.time()),
            "batch": len(event["Records"]), "sent": record["attributes"]["SentTimestamp"],
        })
        if count <= asked.get("times", 99):
            if asked.get("do") == "raise":
                raise ValueError("asked to")
            if asked.get("do") == "fail":
                failed.append({"itemIdentifier": record["messageId"]})
            if asked.get("do") == "exit":
                os._exit(1)
            if asked.get("do") == "hang":
                time.sleep(60)
            if asked.get("do") == "nonsense":
                return {"batchItemFailures": [{"itemIdentifier": "nobody"}]}
    return {"batchItemFailures": failed}

def partner(event, context):
    """Calls the address in each body."""
    for record in event["Records"]:
        urllib.request.urlopen(json.loads(record["body"])["url"], timeout=20).read()

def dead(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
    for record in event["Records"]:
        table.put_item(Item={"pk": "DEAD#" + json.loads(record["body"])["id"], "sk": "0"})

def observer(event, context):
    """Logs the records; one whose `poison` is set fails, or raises or answers without a state when it says so. In the
    state it counts its calls."""
    called = event["state"].get("called", 0)
    table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
    for record in event["Records"]:
        image = record["dynamodb"].get("NewImage") or record["dynamodb"]["OldImage"]
        if image.get("poison") == {"S": "raise"}:
            raise ValueError("poisoned")
        if image.get("poison") == {"S": "stateless"}:
            return {}
        if "poison" in image:
            failed = [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]
            return {"state": {"called": called + 1}, "batchItemFailures": failed}
        table.put_item(Item={
            "pk": "LOG", "sk": record["dynamodb"]["SequenceNumber"], "event": record["eventName"],
            "of": image["pk"]["S"], "who": record.get("userIdentity", {}).get("principalId", ""),
            "shard": event["shardId"], "called": called,
        })
    return {"state": {"called": called + 1}}
'''

BROKEN = "raise RuntimeError('broken at import')\n"
UNDECLARED = "import yaml\n\ndef handler(event, context): pass\n"
IMPORTING = '''
import importlib

def attempt(module):
    """Where a module comes from, or why it does not."""
    try:
        return {"file": str(importlib.import_module(module).__file__)}
    except ImportError as error:
        return {"error": type(error).__name__, "message": str(error)}

def handler(event, context):
    return attempt(event["module"])
'''


def assembly(directory: Path) -> CloudAssembly:
    """Write the code and its layers to `directory` and return the assembly. One layer is Taskyard's own and one is of
    a pool, of which only the locks are there; another holds a module and no lock."""
    modules = {"__init__": "", "handlers": HANDLERS, "broken": BROKEN, "undeclared": UNDECLARED, "importing": IMPORTING}
    for name, text in modules.items():
        _write(directory / "code" / "tiny" / f"{name}.py", text)
    _write(directory / "planted" / "python" / "planted.py", "")
    (directory / "layer").mkdir(exist_ok=True)
    shutil.copy(LOCK_FILE, directory / "layer" / LAYER_LOCK)
    _write(directory / "pool" / LAYER_LOCK, pool_lock())
    assets = {f"{name}.zip": directory / name for name in ("code", "layer", "planted", "pool")}
    return CloudAssembly("Tiny", template(), assets)


def pool_lock() -> str:
    """The lock of a pool whose requirements are `iniconfig`."""
    return f"{INPUTS_COMMENT}{'0' * 64}\n{LOCK_FILE.read_text()}{tool_pin('iniconfig')}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def template() -> dict[str, Any]:
    table, queue, dead = _arn("Table"), _arn("Queue"), _arn("Dead")
    streams = {"Fn::Join": ["", [table, "/stream/*"]]}
    everything = [table, queue, dead, _arn("Failures"), streams]
    return {
        "Resources": {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "KeySchema": [
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "sk", "KeyType": "RANGE"},
                    ],
                    "AttributeDefinitions": [
                        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "g")
                    ],
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": "byG",
                            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                            "Projection": {"ProjectionType": "KEYS_ONLY"},
                        }
                    ],
                    "BillingMode": "PAY_PER_REQUEST",
                    "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
                    "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": True},
                },
            },
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Failures": {"Type": "AWS::SQS::Queue"},
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "VisibilityTimeout": 10,
                    "RedrivePolicy": {"deadLetterTargetArn": dead, "maxReceiveCount": 3},
                },
            },
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "Group": {"Type": "AWS::Scheduler::ScheduleGroup"},
            "FireRole": _role("scheduler", [_allow("sqs:SendMessage", queue)]),
            "ApiRole": _role(
                "lambda",
                [
                    _allow(["dynamodb:PutItem", "dynamodb:Query"], table),
                    _allow("sqs:SendMessage", queue),
                    _allow("s3:PutObject", {"Fn::Join": ["", [_arn("Bucket"), "/mine/*"]]}),
                    _allow("scheduler:*", "*"),
                    {
                        **_allow("iam:PassRole", _arn("FireRole")),
                        "Condition": {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
                    },
                    _allow(["s3:GetObject*", "s3:List*"], [_arn("Uploads"), _all_of("Uploads")]),
                    _allow("secretsmanager:GetSecretValue", {"Ref": "Password"}),
                    _allow("ssm:GetParameter", {"Fn::Sub": "arn:aws:ssm:*:*:parameter${Setting}"}),
                    _allow("dynamodb:GetItem", _arn("Orders")),
                    _allow("sqs:SendMessage", _arn("InOrder")),
                    _allow("execute-api:Invoke", _invoked("GET/echo")),
                    _allow("execute-api:Invoke", _invoked("*/things/*")),
                    {**_allow("execute-api:Invoke", _invoked("*/things/secret")), "Effect": "Deny"},
                    _allow("ses:SendEmail", {"Fn::Sub": "arn:aws:ses:*:${AWS::AccountId}:*"}),
                ],
            ),
            "WorkRole": _role("lambda", [_allow(["dynamodb:*", "sqs:*"], everything)]),
            "Api": _function(
                "api",
                "ApiRole",
                3,
                {
                    "MAIL_FROM": "a@example.com",
                    "API_URL": {"Fn::GetAtt": ["Http", "ApiEndpoint"]},
                    "AUTH": json.dumps({"iam": {}, "jwt": {"rolesClaims": ["scope"], "tenantClaim": "org"}}),
                },
            ),
            "Worker": _function("worker", "WorkRole", 8),
            "DeadWorker": _function("dead", "WorkRole", 8),
            "Observer": _function("observer", "WorkRole", 8),
            "Broken": _function("broken", "WorkRole", 3, handler="tiny.broken.handler"),
            "Undeclared": _function("undeclared", "WorkRole", 3, handler="tiny.undeclared.handler"),
            "Planted": _function("planted", "WorkRole", 3, handler="tiny.importing.handler", layer="PlantedLayer"),
            "Layer": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": {"S3Key": "layer.zip"}}},
            "Pooled": _function("pooled", "WorkRole", 3, handler="tiny.importing.handler", layer="PoolLayer"),
            "PoolLayer": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": {"S3Key": "pool.zip"}}},
            "PlantedLayer": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": {"S3Key": "planted.zip"}}},
            **limited("Limited", ScalingConfig={"MaximumConcurrency": 3}),
            **limited("Reserved", reserved=1),
            "WorkerSource": _source("Worker", queue, FunctionResponseTypes=["ReportBatchItemFailures"]),
            "DeadSource": _source("DeadWorker", dead),
            "ObserverSource": _source(
                "Observer",
                {"Fn::GetAtt": ["Table", "StreamArn"]},
                BatchSize=5,
                MaximumRetryAttempts=2,
                BisectBatchOnFunctionError=True,
                TumblingWindowInSeconds=900,
                FunctionResponseTypes=["ReportBatchItemFailures"],
                DestinationConfig={"OnFailure": {"Destination": _arn("Failures")}},
                FilterCriteria={
                    "Filters": [{"Pattern": json.dumps({"dynamodb": {"Keys": {"sk": {"S": ["WATCHED"]}}}})}]
                },
            ),
            "Http": {"Type": "AWS::ApiGatewayV2::Api"},
            "Integration": {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {"IntegrationUri": _arn("Api"), "PayloadFormatVersion": "2.0"},
            },
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {"Principal": "apigateway.amazonaws.com", "FunctionName": _arn("Api")},
            },
            "Ask": _route("POST /ask", "AWS_IAM"),
            "Echo": _route("ANY /echo", "AWS_IAM"),
            "Thing": _route("GET /things/{id}", "AWS_IAM"),
            "Open": _route("GET /open", "NONE"),
            **foreign_resources(),
            "Pool": {"Type": "AWS::Cognito::UserPool"},
            "People": {"Type": "AWS::Cognito::UserPoolClient"},
            "TokenHttp": {
                "Type": "AWS::ApiGatewayV2::Api",
                "Properties": {
                    "ProtocolType": "HTTP",
                    "CorsConfiguration": {
                        "AllowOrigins": ["https://console.example"],
                        "AllowMethods": ["GET", "POST"],
                        "AllowHeaders": ["authorization", "content-type"],
                        "ExposeHeaders": ["location"],
                        "MaxAge": 300,
                    },
                },
            },
            "Tokens": {
                "Type": "AWS::ApiGatewayV2::Authorizer",
                "Properties": {
                    "ApiId": {"Ref": "TokenHttp"},
                    "AuthorizerType": "JWT",
                    "IdentitySource": ["$request.header.Authorization"],
                    "JwtConfiguration": {
                        "Issuer": {"Fn::GetAtt": ["Pool", "ProviderURL"]},
                        "Audience": [{"Ref": "People"}],
                    },
                },
            },
            "TokenAsk": _token_route("POST /ask"),
            "TokenEcho": _token_route("ANY /echo"),
            "TokenThing": _token_route("GET /things/{id}"),
            "TokenScoped": _token_route("GET /scoped", "tiny/read", "tiny/write"),
            "TokenOpen": _route("GET /open", "NONE", "TokenHttp"),
        },
        "Outputs": {
            "Url": {"Value": {"Fn::GetAtt": ["TokenHttp", "ApiEndpoint"]}},
            "IamUrl": {"Value": {"Fn::GetAtt": ["Http", "ApiEndpoint"]}},
            "Issuer": {"Value": {"Fn::GetAtt": ["Pool", "ProviderURL"]}},
        },
    }


def limited(name: str, reserved: int | None = None, **source: Any) -> dict[str, Any]:
    """A queue whose function runs a limited number of times at once."""
    function = _function(name.lower(), f"{name}Role", 30, handler="tiny.handlers.partner")
    if reserved is not None:
        function["Properties"]["ReservedConcurrentExecutions"] = reserved
    return {
        f"{name}Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
        f"{name}Role": _role("lambda", [_allow("sqs:*", _arn(f"{name}Queue"))]),
        f"{name}Function": function,
        f"{name}Source": _source(f"{name}Function", _arn(f"{name}Queue"), BatchSize=1, **source),
    }


def foreign_resources() -> dict[str, Any]:
    """What a user's stack may hold beside Taskyard, in no relation to its functions."""
    return {
        "Uploads": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "uploads"}},
        "Private": {"Type": "AWS::S3::Bucket"},
        "Password": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "open sesame"}},
        "Account": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {
                "GenerateSecretString": {"SecretStringTemplate": '{"user": "me"}', "GenerateStringKey": "password"}
            },
        },
        "Setting": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "/shop/setting", "Type": "String", "Value": {"Fn::GetAtt": ["Db", "Endpoint.Port"]}},
        },
        "Orders": {
            "Type": "AWS::DynamoDB::GlobalTable",
            "Properties": {
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
            },
        },
        "InOrder": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"FifoQueue": True, "ContentBasedDeduplication": True},
        },
        "News": {"Type": "AWS::SNS::Topic"},
        "Reader": {"Type": "AWS::SQS::Queue"},
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "News"},
                "Protocol": "sqs",
                "Endpoint": _arn("Reader"),
                "RawMessageDelivery": True,
            },
        },
        "ByMail": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {"TopicArn": {"Ref": "News"}, "Protocol": "email", "Endpoint": "a@b.c"},
        },
        "Key": {"Type": "AWS::KMS::Key"},
        "Alias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": "alias/shop", "TargetKeyId": _arn("Key")},
        },
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "shop"}},
        "Vpc": {"Type": "AWS::EC2::VPC"},
        "Subnet": {"Type": "AWS::EC2::Subnet"},
        "Db": {"Type": "AWS::RDS::DBInstance"},
    }


def _all_of(bucket: str) -> dict[str, Any]:
    return {"Fn::Join": ["", [_arn(bucket), "/*"]]}


def _arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def _invoked(route: str) -> dict[str, Any]:
    """The ARN of a method and a path of the API, in any stage."""
    return {"Fn::Sub": f"arn:aws:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{Http}}/*/{route}"}


def _allow(action: str | list[str], resource: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def _role(service: str, statements: list[dict[str, Any]]) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Statement": [trust]},
            "Policies": [{"PolicyName": "all", "PolicyDocument": {"Statement": statements}}],
        },
    }


def _function(
    label: str,
    role: str,
    timeout: int,
    environment: dict[str, Any] | None = None,
    handler: str | None = None,
    layer: str = "Layer",
) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Key": "code.zip"},
            "Layers": [{"Ref": layer}],
            "Handler": handler or f"tiny.handlers.{label}",
            "Role": _arn(role),
            "Timeout": timeout,
            "Environment": {
                "Variables": {
                    "POWERTOOLS_SERVICE_NAME": label,
                    "TABLE_NAME": {"Ref": "Table"},
                    "QUEUE_URL": {"Ref": "Queue"},
                    **(environment or {}),
                }
            },
        },
    }


def _source(function: str, arn: Any, **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"FunctionName": {"Ref": function}, "EventSourceArn": arn, **properties},
    }


def _route(key: str, authorization: str, api: str = "Http", **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {
            "ApiId": {"Ref": api},
            "RouteKey": key,
            "AuthorizationType": authorization,
            "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]},
            **properties,
        },
    }


def _token_route(key: str, *scopes: str) -> dict[str, Any]:
    more = {"AuthorizationScopes": list(scopes)} if scopes else {}
    return _route(key, "JWT", "TokenHttp", AuthorizerId={"Ref": "Tokens"}, **more)
