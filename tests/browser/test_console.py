"""The console, as staff use it and as others do not."""

import contextlib
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab
from tests.browser.hands import Hands, Keyboard, Mouse
from tests.people import DESCRIPTION, FILE_NAME, LAST_NAMES, NOTE, PASSWORD, STREET, Chart, Person, Stack, eventually

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LOGIN = "/api/accounts/login/"


def sign_in(tab: Tab, hands: Hands, person: Person) -> None:
    """With password and code, from what the console shows to somebody without a session."""
    # How the API says that a code is needed.
    tab.expect(401, _LOGIN)
    tab.open("/admin/")
    show_password(hands, person)
    expect(tab.page.get_by_role("form", name="Second factor")).to_be_visible()
    hands.fill("Code of your authenticator app, or a recovery code", person.code())
    hands.press("Sign in")
    expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible()


def show_password(hands: Hands, person: Person) -> None:
    hands.fill("Email address", person.email)
    hands.fill("Password", PASSWORD)
    hands.press("Continue")


def test_every_page(tab: Tab, stack: Stack, admin: Person) -> None:
    """All pages that a link leads to, one of each kind: what is added later is looked at, too."""
    chart = stack.chart()
    stack.pending_doctor()
    stack.count_a_month()
    tab.open("/admin/")
    tab.inspect("sign-in")
    sign_in(tab, Mouse(tab.page), admin)
    waiting, seen = ["/admin/", f"/admin/users/{chart.doctor.id}/", f"/admin/records/{chart.record}/"], set()
    while waiting:
        path = waiting.pop(0)
        kind = "-".join(_ID.sub("one", path).strip("/").split("/"))
        if kind in seen:
            continue
        seen.add(kind)
        tab.open(path)
        tab.inspect(kind)
        links = tab.page.locator("a[href]").evaluate_all("links => links.map(link => link.pathname)")
        waiting += [link for link in links if link.startswith("/admin/") and link.endswith("/")]
    assert {"admin", "admin-users", "admin-users-one", "admin-users-one-edit", "admin-users-new"} <= seen
    tab.expect(404, "/admin/nothing/")
    tab.open("/admin/nothing/")
    tab.inspect("admin-nothing")


@pytest.mark.parametrize("hands_of", [Mouse, Keyboard])
def test_staff_do_their_work(hands_of: Callable[..., Hands], tab: Tab, stack: Stack) -> None:
    admin, chart, waiting = stack.admin(), stack.chart(), stack.pending_doctor()
    chart.upload_file()
    page, hands = tab.page, hands_of(tab.page)
    sign_in(tab, hands, admin)

    # Finds a user.
    hands.follow("Users")
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    hands.fill("Email address", waiting.email)
    hands.press("Show")
    page.wait_for_url("**/admin/users/?*")
    expect(page.get_by_role("link", name=chart.patient.email)).to_have_count(0)
    hands.follow(waiting.email)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{waiting.first_name} {waiting.last_name}")

    # Approves the doctor.
    hands.press("Approve", form="Approve")
    expect(page.get_by_role("status")).to_be_visible()
    profile = admin.call("GET", f"/api/admin/users/{waiting.id}/")
    assert profile["approval"] == "approved"

    # Corrects the first name.
    hands.follow("Edit names and address")
    hands.fill("First name", "Corrected", form="Names")
    hands.press("Save", form="Names")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Corrected {waiting.last_name}")

    # Breaks the glass.
    tab.open(f"/admin/records/{chart.record}/")
    for hidden in (DESCRIPTION, FILE_NAME, NOTE):
        assert hidden not in page.content()
    hands.fill("Reason", "Called by the ward", form="What the record says")
    hands.press("Break the glass")
    for shown in (DESCRIPTION, FILE_NAME, NOTE):
        expect(page.get_by_text(shown)).to_be_visible()
    if hands_of is Mouse:
        tab.inspect("admin-records-opened")
    log = chart.patient.call("GET", f"/api/records/patient/{chart.record}/access-log/")["results"]
    assert any(event["reason"] == "Called by the ward" for event in log)

    # Puts back a mail that could not be sent, once the cause is gone.
    buttons = page.locator(f"button[aria-label^='Put back the mail to {chart.doctor.id}']")

    def is_listed() -> bool:
        tab.open("/admin/mail/")
        return buttons.count() > 0

    # What was sent to the doctor before would fail, too: the confirmation of the address, and what the record told.
    eventually("the mails before are sent", lambda: mails_to(stack, chart.doctor) == 2)
    with failing_mail(stack, chart):
        eventually("the mail is set aside", is_listed)
    sent = mails_to(stack, chart.doctor)
    if hands_of is Mouse:
        tab.inspect("admin-mail-set-aside")
    hands.press(buttons.get_attribute("aria-label") or "")
    expect(page.get_by_role("status")).to_be_visible()
    eventually("the mail is sent", lambda: mails_to(stack, chart.doctor) == sent + 1)

    hands.press("Sign out")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@contextlib.contextmanager
def failing_mail(stack: Stack, chart: Chart) -> Iterator[None]:
    """A mail to the doctor that SES refuses, because the address has no domain, until the block ends."""
    sqs, queue = stack.client("sqs"), stack.description["queues"]["mail"]
    usual = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    try:
        stack.set_address(chart.doctor, "no-domain")
        # Five deliveries, three minutes apart: the test does not wait so long.
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "4"})
        chart.patient.call("POST", "/api/records/patient/", {"doctor": chart.doctor.id})
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=usual)
        stack.set_address(chart.doctor, chart.doctor.email)


def mails_to(stack: Stack, person: Person) -> int:
    return sum(person.email in mail["to"] for mail in stack.mails())


def test_the_second_factor_is_set_up_where_one_signs_in(tab: Tab, stack: Stack) -> None:
    admin = stack.admin_without_second_factor()
    page, hands = tab.page, Mouse(tab.page)
    tab.expect(403, "/admin/session/")
    tab.open("/admin/")
    show_password(hands, admin)
    form = page.get_by_role("form", name="Set up the second factor")
    expect(form).to_be_visible()
    admin.secret = page.locator("#secret").inner_text()
    tab.inspect("sign-in-second-factor")
    hands.fill("Code", admin.code())
    hands.press("Set up")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    tab.inspect("sign-in-recovery-codes")
    hands.press("I have kept them")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.parametrize("role", ["patient", "doctor"])
def test_others_get_nowhere(role: str, tab: Tab, stack: Stack) -> None:
    person = {"patient": stack.patient, "doctor": stack.doctor}[role]()
    tab.expect(403, "/admin/session/")
    tab.open("/admin/")
    show_password(Mouse(tab.page), person)
    expect(tab.page.get_by_role("alert")).to_be_visible()
    tab.inspect(f"sign-in-as-{role}")
    for path in ("/admin/", "/admin/users/", f"/admin/users/{person.id}/", "/admin/records/", "/admin/mail/", "/admin/export.json"):
        tab.open(path)
        expect(tab.page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert not any(last_name in tab.page.content() for last_name in LAST_NAMES)


def test_a_wrong_password_is_told(tab: Tab, stack: Stack) -> None:
    person = stack.patient()
    tab.expect(401, _LOGIN)
    tab.open("/admin/")
    hands = Mouse(tab.page)
    hands.fill("Email address", person.email)
    hands.fill("Password", "not the password")
    hands.press("Continue")
    expect(tab.page.get_by_role("alert")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Continue")).to_be_enabled()


def test_nothing_personal_is_logged(stack: Stack) -> None:
    """Last in this file, so that it searches what the tests above have caused."""
    chart = stack.chart()
    path = f"/api/records/doctor/{chart.record}/"
    request_id = stack.send("GET", path, chart.doctor.access).headers["X-Request-Id"]
    eventually("the request is logged", lambda: any(request_id in message for _, message in stack.logged()))
    personal = [*LAST_NAMES, STREET, DESCRIPTION, FILE_NAME, NOTE, PASSWORD, "@example"]
    for function, message in stack.logged():
        for text in personal:
            assert text.lower() not in message.lower(), f"{function} has logged {text!r}: {message}"
