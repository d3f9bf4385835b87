from shop.tasks.receipt import send_receipt
from taskyard.testing import run_task

RECEIPT = {"order": "42", "email": "ada@example.com"}


def test_receipt_is_sent_once() -> None:
    ran = run_task(send_receipt, RECEIPT)
    assert ran.outcome == "SUCCESS"
    assert [mail.subject for mail in ran.mails] == ["Order 42"]
    again = run_task(send_receipt, RECEIPT, attempt=2, effects={"send": "mail-1"})
    assert (again.result, again.mails) == ({"mail": "mail-1"}, [])
