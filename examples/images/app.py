"""Thumbnails, in a pool of its own: with Pillow, more memory, and the grant of one bucket."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from taskyard.cdk import Cognito, Iam, Taskyard

app = cdk.App()
stack = cdk.Stack(app, "Gallery")
uploads = s3.Bucket(stack, "Uploads")
yard = Taskyard(stack, "Tasks", environment="gallery", auth=[Iam(), Cognito()])
images = yard.pool(
    "images", tasks="gallery.images", requirements="images.txt", memory=2048, timeout=120, max_running=10,
    environment={"UPLOADS": uploads.bucket_name},
)  # fmt: skip
uploads.grant_read_write(images)
app.synth()
