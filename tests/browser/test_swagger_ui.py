"""Swagger UI, as served by the function."""

from playwright.sync_api import expect

from tests.browser.conftest import Tab
from tests.people import Stack


def test_swagger_ui_authorises_and_executes_a_request(tab: Tab, stack: Stack) -> None:
    page, patient = tab.page, stack.patient()
    tab.open("/api/schema/swagger-ui/")
    expect(page.get_by_role("heading", name="Personal health records").first).to_be_visible()
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").fill(patient.access)
    page.locator(".auth-container").get_by_role("button", name="Apply credentials").click()
    page.locator(".auth-container").get_by_role("button", name="Close").click()

    operation = page.locator("#operations-Accounts-me")
    operation.scroll_into_view_if_needed()
    operation.locator("button").first.click()
    operation.get_by_role("button", name="Execute").click()
    response = operation.locator(".live-responses-table")
    expect(response.locator(".response-col_status").nth(1)).to_contain_text("200")
    expect(response).to_contain_text(patient.email)
    tab.inspect("swagger-ui", is_ours=False)
