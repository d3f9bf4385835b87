"""The schedule provider function, which CloudFormation invokes for each schedule that a deployment declares."""
