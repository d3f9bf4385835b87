"""What the web application submits to, and the role that it runs as."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from taskyard.cdk import Cognito, Iam, Taskyard

app = cdk.App()
stack = cdk.Stack(app, "Shop")
yard = Taskyard(stack, "Tasks", environment="shop", tasks="shop.tasks", auth=[Iam(), Cognito()])
web = iam.Role(stack, "Web", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
yard.grant_submit(web)
app.synth()
