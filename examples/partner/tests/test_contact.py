import json

import pytest
from crm.tasks.contact import create_contact
from taskyard.tasks.http import HttpRequest, HttpResponse
from taskyard.testing import run_task

CONTACT = {"url": "https://partner.example.com/contacts", "name": "Ada"}


@pytest.mark.parametrize(("status", "outcome"), [(201, "SUCCESS"), (422, "FAILED"), (429, "RETRY"), (503, "RETRY")])
def test_contact_ends_as_the_partner_answers(status: int, outcome: str) -> None:
    sent: list[HttpRequest] = []

    def partner(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(url=request.url, status=status)

    ran = run_task(create_contact, CONTACT, secrets={"partner": "key-1"}, http=partner)
    assert ran.outcome == outcome
    assert sent[0].first_origin_headers == {"authorization": "Bearer key-1"}
    assert json.loads(sent[0].body or b"") == {"name": "Ada"}
