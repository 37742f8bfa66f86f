"""The console in a browser, used by staff and by users without access."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab
from tests.browser.input_devices import InputDevice, Keyboard, Mouse
from tests.people import DESCRIPTION, FILE_NAME, LAST_NAMES, NOTE, PASSWORD, Person, Stack, eventually

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LOGIN = "/api/accounts/login/"


def sign_in(tab: Tab, device: InputDevice, person: Person) -> None:
    """Signs in with password and code, from the page that the console shows without a session."""
    # The API requires a code.
    tab.expect(401, _LOGIN)
    tab.open("/admin/")
    submit_password(device, person)
    expect(tab.page.get_by_role("form", name="Second factor")).to_be_visible()
    device.fill("Code of your authenticator app, or a recovery code", person.code())
    device.press("Sign in")
    expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible()


def submit_password(device: InputDevice, person: Person) -> None:
    device.fill("Email address", person.email)
    device.fill("Password", PASSWORD)
    device.press("Continue")


def test_every_linked_page_is_accessible_and_without_errors(tab: Tab, stack: Stack, admin: Person) -> None:
    """Follows all links, one of each kind, so that pages added later are covered."""
    sample = stack.sample_record()
    stack.pending_doctor()
    stack.count_a_month()
    tab.open("/admin/")
    tab.inspect("sign-in")
    sign_in(tab, Mouse(tab.page), admin)
    waiting, seen = ["/admin/", f"/admin/users/{sample.doctor.id}/", f"/admin/records/{sample.record}/"], set()
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


@pytest.mark.parametrize("new_device", [Mouse, Keyboard])
def test_staff_can_do_their_work_with_mouse_or_keyboard(new_device: Callable[..., InputDevice], tab: Tab, stack: Stack) -> None:
    admin, sample, waiting = stack.admin(), stack.sample_record(), stack.pending_doctor()
    sample.upload_file()
    page, device = tab.page, new_device(tab.page)
    sign_in(tab, device, admin)

    # Find a user.
    device.follow("Users")
    expect(page.get_by_role("heading", level=1)).to_have_text("Users")
    device.fill("Email address", waiting.email)
    device.press("Show")
    page.wait_for_url("**/admin/users/?*")
    expect(page.get_by_role("link", name=sample.patient.email)).to_have_count(0)
    device.follow(waiting.email)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{waiting.first_name} {waiting.last_name}")

    # Approve the doctor.
    device.press("Approve", form="Approve")
    expect(page.get_by_role("status")).to_be_visible()
    profile = admin.call("GET", f"/api/admin/users/{waiting.id}/")
    assert profile["approval"] == "approved"

    # Correct the first name.
    device.follow("Edit names and address")
    device.fill("First name", "Corrected", form="Names")
    device.press("Save", form="Names")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Corrected {waiting.last_name}")

    # Get emergency access to a record.
    tab.open(f"/admin/records/{sample.record}/")
    for hidden in (DESCRIPTION, FILE_NAME, NOTE):
        assert hidden not in page.content()
    device.fill("Reason", "Called by the ward", form="Clinical content")
    device.press("Break the glass")
    for shown in (DESCRIPTION, FILE_NAME, NOTE):
        expect(page.get_by_text(shown)).to_be_visible()
    if new_device is Mouse:
        tab.inspect("admin-records-opened")
    log = sample.patient.call("GET", f"/api/records/patient/{sample.record}/access-log/")["results"]
    assert any(event["reason"] == "Called by the ward" for event in log)

    # Put back a mail that was given up, after its cause has been fixed.
    buttons = page.locator(f"button[aria-label^='Put back the mail to {sample.doctor.id}']")

    def is_listed() -> bool:
        tab.open("/admin/mail/")
        return buttons.count() > 0

    # The one that confirms the address, and the one about the record.
    eventually("earlier mails are sent", lambda: mails_to(stack, sample.doctor) == 2)
    stack.give_up_newest_mail(sample.doctor)
    eventually("the mail is in the dead-letter queue", is_listed)
    sent = mails_to(stack, sample.doctor)
    if new_device is Mouse:
        tab.inspect("admin-mail-set-aside")
    device.press(buttons.get_attribute("aria-label") or "")
    expect(page.get_by_role("status")).to_be_visible()
    eventually("the mail is sent again", lambda: mails_to(stack, sample.doctor) == sent + 1)

    device.press("Sign out")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def mails_to(stack: Stack, person: Person) -> int:
    return sum(person.email in mail["to"] for mail in stack.mails())


def test_admins_without_a_second_factor_set_it_up_at_sign_in(tab: Tab, stack: Stack) -> None:
    admin = stack.admin_without_second_factor()
    page, device = tab.page, Mouse(tab.page)
    tab.expect(403, "/admin/session/")
    tab.open("/admin/")
    submit_password(device, admin)
    form = page.get_by_role("form", name="Set up the second factor")
    expect(form).to_be_visible()
    admin.secret = page.locator("#secret").inner_text()
    tab.inspect("sign-in-second-factor")
    device.fill("Code", admin.code())
    device.press("Set up")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    tab.inspect("sign-in-recovery-codes")
    device.press("I have stored them")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.parametrize("role", ["patient", "doctor"])
def test_patients_and_doctors_cannot_use_the_console(role: str, tab: Tab, stack: Stack) -> None:
    person = {"patient": stack.patient, "doctor": stack.doctor}[role]()
    tab.expect(403, "/admin/session/")
    tab.open("/admin/")
    submit_password(Mouse(tab.page), person)
    expect(tab.page.get_by_role("alert")).to_be_visible()
    tab.inspect(f"sign-in-as-{role}")
    for path in ("/admin/", "/admin/users/", f"/admin/users/{person.id}/", "/admin/records/", "/admin/mail/", "/admin/export.json"):
        tab.open(path)
        expect(tab.page.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert not any(last_name in tab.page.content() for last_name in LAST_NAMES)


def test_a_wrong_password_shows_an_alert(tab: Tab, stack: Stack) -> None:
    person = stack.patient()
    tab.expect(401, _LOGIN)
    tab.open("/admin/")
    device = Mouse(tab.page)
    device.fill("Email address", person.email)
    device.fill("Password", "not the password")
    device.press("Continue")
    expect(tab.page.get_by_role("alert")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Continue")).to_be_enabled()
