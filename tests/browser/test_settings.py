"""The web client where the operator has chosen other parameters than `make run`. These tests change the functions of the stack
for a while, so nothing else runs beside them."""

from playwright.sync_api import expect

from tests.browser import portal
from tests.browser.conftest import Tab
from tests.browser.portal import expect_heading, fill_registration, mailed_link, sign_in, submit_credentials
from tests.people import PASSWORD, Stack, new_address


def test_a_registration_that_reveals_nothing_goes_on_by_mail(tab: Tab, stack: Stack) -> None:
    page, email = tab.page, new_address("Elena", "Marchettini")
    with stack.setting("accounts", "REVEAL_REGISTERED_EMAIL", "false"):
        fill_registration(tab, "Patient", "Elena", "Marchettini", email)
        expect_heading(tab, "Check your mail")
        tab.inspect("portal-registered", largest=portal.LARGEST_PAGE)
    # The mail lets the owner of the address discard what somebody else has registered with it.
    tab.open(mailed_link(stack, email, "Confirm Your Email Address", "/discard-account"))
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("The account is discarded.")).to_be_visible()
    page.get_by_role("link", name="Continue").click()
    tab.expect(401, "/api/accounts/login/")
    submit_credentials(page, email)
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_doctor_who_needs_a_second_factor_is_led_to_it(tab: Tab, stack: Stack) -> None:
    doctor = stack.doctor()
    stack.confirm_address(doctor)
    page = tab.page
    with stack.setting("records", "REQUIRE_DOCTOR_SECOND_FACTOR", "true"):
        tab.expect(403, "/api/records/doctor/")
        sign_in(tab, doctor)
        expect_heading(tab, "One more step: a second factor")
        tab.inspect("portal-factor-needed", largest=portal.LARGEST_PAGE)
        page.get_by_role("link", name="Set it up").click()
        expect(page.get_by_role("heading", name="Second factor")).to_be_focused()
        factor = page.get_by_role("region", name="Second factor")
        factor.get_by_label("Password", exact=True).fill(PASSWORD)
        factor.get_by_role("button", name="Set up an authenticator app").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("I cannot scan it").click()
        doctor.secret = dialog.locator("code").inner_text().replace(" ", "")
        dialog.get_by_label("Code", exact=True).fill(doctor.code())
        dialog.get_by_role("button", name="Confirm").click()
        dialog.get_by_role("button", name="I have kept them").click()
        page.get_by_role("link", name="Records", exact=True).click()
        expect_heading(tab, "Assigned records")
