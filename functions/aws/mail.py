"""Mail through SES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError
from taskyard.tasks.errors import Permanent, Retry
from taskyard.tasks.mail import mask_addresses, one_line

from functions.core.errors import StoreUnavailable

REFUSED = frozenset({"MessageRejected", "MailFromDomainNotVerifiedException", "InvalidParameterValue"})


@dataclass(frozen=True)
class Mail:
    """`client` makes boto3's SES client on first use: one that sends each request once, because a mail whose answer
    was lost may have gone out. `sender`: who mail is from when nobody says; `senders`: who else it may be from."""

    client: Callable[[], Any]
    sender: str
    senders: frozenset[str] = frozenset()

    def send(self, *, to: list[str], subject: str, text: str | None, html: str | None, sender: str | None) -> str:
        """Returns SES's message id. What it raises tells `ctx.once` whether a mail may have gone out:
        Permanent (SES will never take this one, or its sender is not allowed) and Retry (throttled, not reached):
        certainly not. StoreUnavailable (a time-out while waiting, an error within SES): perhaps."""
        source = sender or self.sender
        if source != self.sender and source not in self.senders:
            raise Permanent(f"{source} is no sender of this deployment")
        try:
            one_line(subject)
        except ValueError as error:
            raise Permanent(f"the subject {error}") from None
        body = {kind: {"Data": data, "Charset": "UTF-8"} for kind, data in (("Text", text), ("Html", html)) if data}
        try:
            return str(
                self.client().send_email(
                    Source=source,
                    Destination={"ToAddresses": to},
                    Message={"Subject": {"Data": subject, "Charset": "UTF-8"}, "Body": body},
                )["MessageId"]
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # SES names the addresses that it does not like, and errors are kept and logged.
            message = mask_addresses(error.response["Error"].get("Message", ""))
            if code in REFUSED:
                raise Permanent(f"SES refused the mail: {message}") from None
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500:
                raise Retry(f"SES did not take the mail ({code}): {message}") from None
            raise StoreUnavailable("SES", code) from None
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise Retry(f"SES could not be reached: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailable("SES", type(error).__name__) from error
