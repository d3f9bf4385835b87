"""Sends mail through SES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError
from taskyard.tasks.errors import Permanent, Retry
from taskyard.tasks.mail import mask_addresses, one_line

from functions.core.errors import StoreUnavailable

PERMANENT_ERROR_CODES = frozenset({"MessageRejected", "MailFromDomainNotVerifiedException", "InvalidParameterValue"})


@dataclass(frozen=True)
class SesMail:
    """`client` makes the SES client on first use. That client sends each request once, because a mail whose response
    was lost may have been sent. `sender`: the default sender. `senders`: the other senders that are allowed."""

    client: Callable[[], Any]
    sender: str
    senders: frozenset[str] = frozenset()

    def send(self, *, to: list[str], subject: str, text: str | None, html: str | None, sender: str | None) -> str:
        """Returns the message id of SES. The error tells `ctx.once` whether a mail may have been sent. Certainly not:
        Permanent (SES will never accept it, or its sender is not allowed) and Retry (throttled, not reached).
        Possibly: StoreUnavailable (a time-out of the response, an error within SES)."""
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
            # SES names the addresses that it rejects, and errors are stored and logged.
            message = mask_addresses(error.response["Error"].get("Message", ""))
            if code in PERMANENT_ERROR_CODES:
                raise Permanent(f"SES refused the mail: {message}") from None
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500:
                raise Retry(f"SES did not take the mail ({code}): {message}") from None
            raise StoreUnavailable("SES", code) from None
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise Retry(f"SES could not be reached: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailable("SES", type(error).__name__) from error
