"""The web client and the console in Firefox: what depends on the browser, such as cookies, modules, files and dialogs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.browser import browsers, portal
from tests.browser.conftest import DESKTOP, Tab
from tests.browser.input_devices import Mouse
from tests.browser.portal import create_record, expect_heading, fill_registration, sign_out, submit_password, upload
from tests.browser.test_console import sign_in as sign_in_to_console
from tests.people import DESCRIPTION, NOTE, Person, Stack, new_address


@pytest.fixture(scope="module")
def firefox(playwright: Playwright) -> Iterator[Browser]:
    path = browsers.firefox()
    assert path, "Firefox was not found: run `make test`, which installs it"
    # As it is, by WebDriver BiDi.
    launched = playwright.firefox.launch(channel="moz-firefox", executable_path=path)
    yield launched
    launched.close()


@pytest.fixture
def tab(firefox: Browser, stack: Stack) -> Iterator[Tab]:
    context = firefox.new_context(viewport=DESKTOP)
    opened = Tab(context, stack)
    yield opened
    opened.assert_quiet()
    context.close()


def test_a_patient_registers_and_creates_a_record_with_a_file(tab: Tab, stack: Stack) -> None:
    doctor, page = stack.doctor(), tab.page
    tab.allow_files()
    email = new_address("Tomas", "Lindqvarn")
    fill_registration(tab, "Patient", "Tomas", "Lindqvarn", email)
    expect_heading(tab, "Complete your profile")
    page.get_by_label("Date of birth").fill("1985-04-12")
    page.get_by_label("Gender").select_option("Male")
    page.get_by_role("button", name="Save").click()
    expect_heading(tab, "Your records")
    # The session is in a cookie.
    page.reload()
    expect_heading(tab, "Your records")
    page.get_by_role("link", name="New record").first.click()
    create_record(page, doctor, DESCRIPTION, upload("letter.png", "image/png", portal.picture()))
    expect_heading(tab, DESCRIPTION)
    page.get_by_role("button", name="View letter.png").click()
    expect(page.get_by_role("dialog").get_by_role("img", name="letter.png")).to_be_visible()
    page.keyboard.press("Escape")
    sign_out(page)
    expect_heading(tab, "Sign in")
    page.reload()
    expect_heading(tab, "Sign in")


def test_a_doctor_signs_in_and_annotates(tab: Tab, stack: Stack) -> None:
    sample, page = stack.sample_record(), tab.page
    tab.open("/")
    submit_password(tab, sample.doctor)
    expect_heading(tab, "Assigned records")
    page.get_by_role("link", name=DESCRIPTION).click()
    expect_heading(tab, DESCRIPTION)
    page.get_by_label("New note").fill(f"{NOTE} Drink enough.")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("Drink enough.")).to_be_visible()


def test_staff_sign_in_to_the_console(tab: Tab, admin: Person) -> None:
    sign_in_to_console(tab, Mouse(tab.page), admin)
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()
