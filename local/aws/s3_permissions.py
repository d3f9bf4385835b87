"""Which permissions a request to S3 needs. S3 names an operation by method, path and a key of the query."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import unescape

from local.http_server import Request
from local.template.roles import Permission

_KEY = re.compile(r"<Key>(.*?)</Key>", re.DOTALL)
# (method, key of the query, or "" for none of them) → action, for an object and for a bucket.
_OBJECT = {
    ("GET", ""): "GetObject",
    ("GET", "acl"): "GetObjectAcl",
    ("GET", "tagging"): "GetObjectTagging",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("HEAD", ""): "GetObject",
    ("PUT", ""): "PutObject",
    ("PUT", "acl"): "PutObjectAcl",
    ("PUT", "legal-hold"): "PutObjectLegalHold",
    ("PUT", "retention"): "PutObjectRetention",
    ("PUT", "tagging"): "PutObjectTagging",
    ("POST", ""): "PutObject",  # of several parts
    ("DELETE", ""): "DeleteObject",
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}
_BUCKET = {
    ("GET", ""): "ListBucket",
    ("GET", "acl"): "GetBucketAcl",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "policy"): "GetBucketPolicy",
    ("GET", "tagging"): "GetBucketTagging",
    ("GET", "uploads"): "ListBucketMultipartUploads",
    ("GET", "versioning"): "GetBucketVersioning",
    ("GET", "versions"): "ListBucketVersions",
    ("HEAD", ""): "ListBucket",
    ("PUT", ""): "CreateBucket",
    ("POST", ""): "DeleteObject",
    ("DELETE", ""): "DeleteBucket",
}


def s3_operation(request: Request) -> str:
    """The action of the request, as policies name it without `s3:`."""
    bucket, _, key = request.path.strip("/").partition("/")
    if not bucket:
        return "ListAllMyBuckets"
    actions, query = _OBJECT if key else _BUCKET, parse_qs(request.query, keep_blank_values=True)
    named = (actions.get((request.method, name)) for name in query)
    return next(filter(None, named), None) or actions.get((request.method, ""), request.method)


def s3_permissions(request: Request) -> Iterator[Permission]:
    """A deletion of several objects needs a permission for each, a copy one for its source too."""
    operation, path = s3_operation(request), unquote(request.path).strip("/")
    if operation == "ListAllMyBuckets":
        yield Permission("s3:ListAllMyBuckets", "*")
    elif operation == "DeleteObject" and request.method == "POST":
        for key in _KEY.findall(request.body.decode(errors="replace")):
            yield Permission("s3:DeleteObject", f"arn:aws:s3:::{path}/{unescape(key)}")
    else:
        yield Permission(f"s3:{operation}", f"arn:aws:s3:::{path}")
        if source := request.headers.get("x-amz-copy-source"):
            yield Permission("s3:GetObject", f"arn:aws:s3:::{unquote(source).partition('?')[0].strip('/')}")
