"""Task types that etl.yaml joins to a workflow."""

import aws_cdk as cdk
from taskyard.cdk import Cognito, Iam, Taskyard

app = cdk.App()
stack = cdk.Stack(app, "Etl")
Taskyard(stack, "Tasks", environment="etl", tasks="etl.tasks", auth=[Iam(), Cognito()])
app.synth()
