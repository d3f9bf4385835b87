"""What the web application submits to. The application itself runs where you run it."""

import aws_cdk as cdk
from taskyard.cdk import Cognito, Iam, Taskyard

app = cdk.App()
stack = cdk.Stack(app, "Shop")
Taskyard(stack, "Tasks", environment="shop", tasks="shop.tasks", auth=[Iam(), Cognito()])
app.synth()
