import io
import os

import boto3
from PIL import Image
from pydantic import BaseModel, Field
from taskyard.tasks import Context, task


class Picture(BaseModel):
    key: str
    width: int = Field(default=256, ge=1, le=4096)


def smaller(picture: bytes, width: int) -> bytes:
    image = Image.open(io.BytesIO(picture))
    image.thumbnail((width, width))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@task("THUMBNAIL", timeout_seconds=60)
def thumbnail(ctx: Context, payload: Picture) -> dict[str, str]:
    s3, bucket = boto3.client("s3"), os.environ["UPLOADS"]
    picture = s3.get_object(Bucket=bucket, Key=payload.key)["Body"].read()
    target = f"thumbnails/{payload.width}/{payload.key}"
    # A second attempt writes the same object again: no ctx.once is needed.
    s3.put_object(Bucket=bucket, Key=target, Body=smaller(picture, payload.width), ContentType="image/png")
    return {"key": target}
