"""Mail through SES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from functions.aws.failures import passing_faults
from functions.core.outcomes import Permanent

REFUSED = frozenset({"MessageRejected", "MailFromDomainNotVerifiedException", "InvalidParameterValue"})


@dataclass(frozen=True)
class Mail:
    """`client` makes boto3's SES client on first use. `sender`: who mail is from when nobody says."""

    client: Callable[[], Any]
    sender: str

    def send(self, *, to: list[str], subject: str, text: str | None, html: str | None, sender: str | None) -> str:
        """Returns SES's message id. Raises Permanent for what SES will never take, StoreUnavailable for a throttle."""
        body = {kind: {"Data": data, "Charset": "UTF-8"} for kind, data in (("Text", text), ("Html", html)) if data}
        try:
            with passing_faults("SES"):
                return str(
                    self.client().send_email(
                        Source=sender or self.sender,
                        Destination={"ToAddresses": to},
                        Message={"Subject": {"Data": subject, "Charset": "UTF-8"}, "Body": body},
                    )["MessageId"]
                )
        except ClientError as error:
            if error.response["Error"]["Code"] in REFUSED:
                raise Permanent(f"SES refused the mail: {error.response['Error']['Message']}") from error
            raise
