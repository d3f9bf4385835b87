"""Who may call the API with a token: a Cognito user pool, its login page, and the clients of people and services.

People get their roles from groups, services from scopes. The people's client may not ask for the scopes of roles:
Cognito grants the scopes of a client to whoever logs in through it.
"""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from .acknowledgements import acknowledge
from .auth import ROLES, Cognito, ServiceClient
from .names import domain_prefix, mark_owner, output

RESOURCE_SERVER = "taskyard"


class Identity(Construct):
    """A user pool that only administrators add users to, and what issues its tokens.

    `issuer` and `audience` are for the JWT authorizer of the API. A user's tenant is a group `tenant:<name>`, which
    administrators create: custom attributes are not in access tokens.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        keep_data: bool,
        config: Cognito,
    ) -> None:
        """`name`: unique in the account and region. `keep_data`: the pool cannot be deleted, and outlives the stack, as
        do the groups of its users."""
        super().__init__(scope, id)
        threat_protection = config.threat_protection
        removal = cdk.RemovalPolicy.RETAIN if keep_data else cdk.RemovalPolicy.DESTROY
        self.pool = cognito.UserPool(
            self,
            "Pool",
            user_pool_name=name,
            feature_plan=cognito.FeaturePlan.PLUS if threat_protection else cognito.FeaturePlan.ESSENTIALS,
            standard_threat_protection_mode=(
                cognito.StandardThreatProtectionMode.FULL_FUNCTION if threat_protection else None
            ),
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            standard_attributes=cognito.StandardAttributes(
                email=cognito.StandardAttribute(required=True, mutable=True)
            ),
            keep_original=cognito.KeepOriginalAttrs(email=True),
            mfa=cognito.Mfa.OPTIONAL,
            # Text messages cost, and can be diverted.
            mfa_second_factor=cognito.MfaSecondFactor(sms=False, otp=True),
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=cdk.Duration.days(3),
            ),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            deletion_protection=keep_data,
            removal_policy=removal,
        )
        mark_owner(self.pool, name)
        acknowledge(self.pool, _findings(threat_protection=threat_protection))
        scopes = {
            role: cognito.ResourceServerScope(scope_name=role, scope_description=description)
            for role, description in ROLES.items()
        }
        server = self.pool.add_resource_server("Scopes", identifier=RESOURCE_SERVER, scopes=list(scopes.values()))
        for role, description in ROLES.items():
            group = cognito.CfnUserPoolGroup(
                self,
                f"Group{role.title()}",
                user_pool_id=self.pool.user_pool_id,
                group_name=role,
                description=description,
            )
            # A group that is deleted takes the roles of its users with it.
            group.apply_removal_policy(removal)
        self.people = self._people_client(config.callback_ports)
        self.services = {
            client.name: self._service_client(
                client, [cognito.OAuthScope.resource_server(server, scopes[role]) for role in client.roles]
            )
            for client in config.service_clients
        }
        prefix = config.login_domain_prefix or f"{domain_prefix(name)}-{cdk.Aws.ACCOUNT_ID}"
        self.domain = self.pool.add_domain(
            "Domain",
            cognito_domain=cognito.CognitoDomainOptions(domain_prefix=prefix),
            managed_login_version=cognito.ManagedLoginVersion.NEWER_MANAGED_LOGIN,
        )
        # Without a branding of its own, a client's pages of managed login are not served.
        cognito.CfnManagedLoginBranding(
            self,
            "LoginPages",
            user_pool_id=self.pool.user_pool_id,
            client_id=self.people.user_pool_client_id,
            use_cognito_provided_values=True,
        )
        self._outputs()

    @property
    def issuer(self) -> str:
        """As the tokens say it in `iss`."""
        return self.pool.user_pool_provider_url

    @property
    def audience(self) -> list[str]:
        """The ids of all clients: Cognito's access tokens have no `aud`, and the authorizer compares `client_id`."""
        return [client.user_pool_client_id for client in (self.people, *self.services.values())]

    @property
    def client_ids(self) -> dict[str, str]:
        """By the name of the service."""
        return {name: client.user_pool_client_id for name, client in self.services.items()}

    def _people_client(self, callback_ports: Sequence[int]) -> cognito.UserPoolClient:
        """Public, as no program on a laptop can keep a secret: the code is bound to it by PKCE."""
        return self.pool.add_client(
            "People",
            user_pool_client_name="people",
            generate_secret=False,
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL, cognito.OAuthScope.PROFILE],
                callback_urls=[f"http://localhost:{port}/callback" for port in callback_ports],
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            auth_flows=cognito.AuthFlow(),
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=cdk.Duration.hours(1),
            id_token_validity=cdk.Duration.hours(1),
            refresh_token_validity=cdk.Duration.days(30),
            # Each refresh token is used once; a lost answer can be asked for again within the grace period.
            refresh_token_rotation_grace_period=cdk.Duration.seconds(60),
        )

    def _service_client(self, client: ServiceClient, scopes: Sequence[cognito.OAuthScope]) -> cognito.UserPoolClient:
        return self.pool.add_client(
            f"Service{''.join(part.title() for part in client.name.split('-'))}",
            user_pool_client_name=client.name,
            generate_secret=True,
            o_auth=cognito.OAuthSettings(flows=cognito.OAuthFlows(client_credentials=True), scopes=list(scopes)),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            auth_flows=cognito.AuthFlow(),
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=cdk.Duration.hours(1),
        )

    def _outputs(self) -> None:
        """Secrets are none of them: `aws cognito-idp
        describe-user-pool-client` shows them to who may see them."""
        output(
            self.node.scope, "UserPoolId", value=self.pool.user_pool_id, description="Where users and groups are added"
        )
        output(
            self.node.scope,
            "LoginUrl",
            value=self.domain.base_url(),
            description="The login page, and the token endpoint",
        )
        output(
            self.node.scope,
            "PeopleClientId",
            value=self.people.user_pool_client_id,
            description="For taskyard login: a public client, without a secret",
        )
        for name, client in self.services.items():
            output(
                self.node.scope,
                f"ServiceClientId{''.join(part.title() for part in name.split('-'))}",
                value=client.user_pool_client_id,
                description=f"Of the service {name}",
            )


def _findings(*, threat_protection: bool) -> dict[str, str]:
    findings = {
        "AwsSolutions-COG2": "A second factor is offered to everybody and forced on nobody: who logs in through an "
        "identity provider of the company has one there.",
    }
    if not threat_protection:
        findings["AwsSolutions-COG8"] = "The Plus plan is paid per user: it comes with the option threat_protection."
    return findings
