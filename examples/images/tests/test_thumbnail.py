import io

import pytest

Image = pytest.importorskip("PIL.Image", reason="PILLOW IS MISSING: pip install -r images.txt")
boto3 = pytest.importorskip("boto3")

from gallery.images.thumbnail import thumbnail
from moto import mock_aws
from taskyard.testing import run_task


def png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height)).save(out, "PNG")
    return out.getvalue()


@mock_aws
def test_thumbnail_is_stored_beside_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("UPLOADS", "uploads")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="uploads")
    s3.put_object(Bucket="uploads", Key="a.png", Body=png(400, 200))
    assert run_task(thumbnail, {"key": "a.png", "width": 100}).result == {"key": "thumbnails/100/a.png"}
    stored = s3.get_object(Bucket="uploads", Key="thumbnails/100/a.png")["Body"].read()
    assert Image.open(io.BytesIO(stored)).size == (100, 50)
