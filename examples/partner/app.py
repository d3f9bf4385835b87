"""Calls of a partner's API, with a key that is in Secrets Manager."""

import aws_cdk as cdk
from taskyard.cdk import Cognito, Iam, Taskyard

app = cdk.App()
stack = cdk.Stack(app, "Partner")
Taskyard(stack, "Tasks", environment="partner", tasks="crm.tasks", auth=[Iam(), Cognito()])
app.synth()
