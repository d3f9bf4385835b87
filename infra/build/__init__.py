"""What is deployed, built without Docker: the code, the layer and their locks. It needs no CDK."""
