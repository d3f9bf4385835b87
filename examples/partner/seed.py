"""Of the local system: the secret that is made by hand in an account."""


def seed(session):
    secrets = session.client("secretsmanager")
    secrets.create_secret(Name="taskyard/partner/secrets/partner", SecretString="local-key")
