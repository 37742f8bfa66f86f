"""The web client in a browser, as patients and doctors use it."""

from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import Page, Route, expect

from tests.browser import portal
from tests.browser.conftest import SCREENSHOTS, Tab
from tests.browser.input_devices import Keyboard
from tests.browser.portal import (
    choose_doctor,
    create_record,
    expect_heading,
    fill_registration,
    mailed_link,
    sign_in,
    sign_out,
    submit_credentials,
    submit_password,
    upload,
)
from tests.people import DESCRIPTION, NOTE, PASSWORD, Person, Stack, eventually, new_address

NEW_PASSWORD = "seven-lanterns-on-the-quay"
_LOGIN, _REFRESH = "/api/accounts/login/", "/api/accounts/token/refresh/"


def register(tab: Tab, role: str, first_name: str, last_name: str) -> str:
    """Registers with the form, and returns the address."""
    email = new_address(first_name, last_name)
    fill_registration(tab, role, first_name, last_name, email)
    expect_heading(tab, "Complete your profile")
    return email


def close_messages(page: Page) -> None:
    for button in reversed(page.get_by_role("status").get_by_role("button", name="Close").all()):
        button.click()


def test_a_patient_and_a_doctor_spend_their_day(new_tab: Callable[..., Tab], stack: Stack) -> None:
    patient, doctor = new_tab(), new_tab()
    for tab in (patient, doctor):
        tab.allow_files()

    # Both register, and complete their profiles.
    register(doctor, "Doctor", "Jane", "Fairweatherby")
    doctor.page.get_by_label("Specialization").fill("Radiology")
    doctor.page.get_by_label("Licence number").fill("MD-104872")
    doctor.page.get_by_label("Years of experience").fill("12")
    doctor.inspect("portal-profile-doctor", largest=portal.LARGEST_PAGE)
    doctor.page.get_by_role("button", name="Save").click()
    expect_heading(doctor, "Assigned records")

    email = register(patient, "Patient", "Elena", "Marchettini")
    patient.page.get_by_label("Date of birth").fill("1985-04-12")
    patient.page.get_by_label("Gender").select_option("Female")
    patient.page.get_by_role("button", name="Save").click()
    expect_heading(patient, "Your records")
    close_messages(patient.page)
    patient.inspect("portal-records-none", largest=portal.LARGEST_PAGE)

    # The patient confirms the address with the mail, without another password.
    patient.open(mailed_link(stack, email, "Confirm Your Email Address", "/verify-email"))
    expect(patient.page.get_by_text("Elena Marchettini")).to_have_count(2)
    assert "token" not in patient.page.url
    patient.page.get_by_role("button", name="This is my account: confirm").click()
    expect(patient.page.get_by_role("status").filter(has_text="confirmed")).to_be_visible()
    patient.page.get_by_role("link", name="Continue").click()

    # The patient creates a record with two files.
    page = patient.page
    page.get_by_role("link", name="New record").first.click()
    expect_heading(patient, "New record")
    choose_doctor(page, "fairw")
    page.get_by_label("Type", exact=True).select_option("Lab result")
    page.get_by_label("Description").fill(DESCRIPTION)
    page.get_by_label("Choose files").set_input_files(
        [upload("complete-blood-count.pdf", "application/pdf", portal.pdf("Haemoglobin 11.8 g/dl")), upload("letter.png", "image/png", portal.picture())]
    )
    patient.inspect("portal-new-record", largest=portal.LARGEST_PAGE)
    page.get_by_role("button", name="Create record").click()
    expect_heading(patient, DESCRIPTION)
    expect(page.get_by_role("button", name="View letter.png")).to_be_visible()
    page.get_by_role("button", name="View complete-blood-count.pdf").click()
    expect(page.get_by_role("dialog").locator("iframe")).to_be_visible()
    page.keyboard.press("Escape")

    # The doctor is notified, reads and annotates.
    page = doctor.page
    page.get_by_role("link", name="Notifications").click()
    expect_heading(doctor, "Notifications")
    expect(page.get_by_role("link", name="Notifications, 1 unread")).to_be_visible()
    page.get_by_role("link", name="Elena Marchettini has assigned a record to you").click()
    expect_heading(doctor, "Notification")
    expect(page.get_by_role("link", name="Notifications", exact=True).first).to_be_visible()
    page.get_by_role("link", name="Open the record").click()
    expect_heading(doctor, DESCRIPTION)
    expect(page.get_by_text("born Apr 12, 1985")).to_be_visible()
    # Names that are written from right to left do not change the order of what stands beside them.
    expect(page.get_by_role("main").locator("bdi", has_text="Elena Marchettini").first).to_be_visible()
    page.get_by_label("New note").fill("Haemoglobin is low.")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("The note is added.")).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("Note", exact=True).fill(NOTE)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text(NOTE)).to_be_visible()
    page.get_by_role("button", name="View letter.png").click()
    expect(page.get_by_role("dialog").get_by_role("img", name="letter.png")).to_be_visible()
    page.keyboard.press("Escape")
    close_messages(doctor.page)
    doctor.inspect("portal-record-doctor", largest=portal.LARGEST_PAGE)

    # The patient reads the note and its first version, and who has looked.
    page = patient.page
    page.reload()
    expect(page.get_by_text(NOTE)).to_be_visible()
    page.get_by_role("button", name="edited").click()
    expect(page.get_by_role("dialog").get_by_text("Haemoglobin is low.")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_text("Who has looked at it").click()
    expect(page.get_by_text("Dr. Jane Fairweatherby opened a file of the record")).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("Description").fill(f"{DESCRIPTION}\nThe tiredness is better now.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The tiredness is better now.")).to_be_visible()
    expect(page.get_by_text("The record has changed since this was written")).to_be_visible()
    page.get_by_text("Changes", exact=True).click()
    expect(page.get_by_text("Elena Marchettini").last).to_be_visible()
    close_messages(patient.page)
    patient.inspect("portal-record", largest=portal.LARGEST_PAGE)
    page.get_by_role("link", name="Your records").click()
    expect(page.get_by_role("link", name=DESCRIPTION)).to_be_visible()

    patient.open("/access-log")
    expect(page.get_by_text(f"Dr. Jane Fairweatherby viewed {DESCRIPTION}").first).to_be_visible()


def test_a_failed_upload_is_retried_and_a_refused_file_says_why(tab: Tab, stack: Stack) -> None:
    patient, doctor = stack.patient(), stack.doctor()
    tab.allow_files()
    sign_in(tab, patient, "/records/new")
    page = tab.page
    failures = []

    def fail_once(route: Route) -> None:
        if failures:
            route.fallback()
        else:
            failures.append(route.request.url)
            route.fulfill(status=503)

    page.route(lambda url: url.startswith(stack.description["endpoint_url"]), lambda route: fail_once(route) if route.request.method == "PUT" else route.fallback())
    create_record(page, doctor, DESCRIPTION, upload("blood-count.pdf", "application/pdf", portal.pdf("Haemoglobin 11.8 g/dl")))
    expect_heading(tab, DESCRIPTION)
    expect(page.get_by_text("The upload has failed.")).to_be_visible()
    tab.forget_errors("503")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="View blood-count.pdf")).to_be_visible()

    page.get_by_role("button", name="Add files").click()
    page.get_by_role("dialog").get_by_label("Choose files").set_input_files([upload("letter.pdf", "application/pdf", b"Dear colleague")])
    page.get_by_role("dialog").get_by_role("button", name="Add files").click()
    expect(page.get_by_role("main").get_by_text("Refused: the content is of another type than the name says.")).to_be_visible()
    tab.inspect("portal-refused-file", largest=portal.LARGEST_PAGE)
    page.get_by_role("button", name="Remove letter.pdf").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("main").get_by_text("letter.pdf")).to_have_count(0)

    # Dropped files are taken like chosen ones.
    page.get_by_role("button", name="Add files").click()
    dropped = page.evaluate_handle("() => { const data = new DataTransfer(); data.items.add(new File(['Sleeps badly.'], 'sleep.txt', { type: 'text/plain' })); return data; }")
    page.get_by_role("dialog").get_by_role("group", name="Files").locator("div").first.dispatch_event("drop", {"dataTransfer": dropped})
    page.get_by_role("dialog").get_by_role("button", name="Add files").click()
    expect(page.get_by_role("button", name="Download sleep.txt")).to_be_visible()

    # What was never uploaded can be chosen again in another visit.
    page.route(lambda url: url.startswith(stack.description["endpoint_url"]), lambda route: route.abort() if route.request.method == "PUT" else route.fallback())
    page.get_by_role("button", name="Add files").click()
    page.get_by_role("dialog").get_by_label("Choose files").set_input_files([upload("note.txt", "text/plain", b"Sleeps well.")])
    page.get_by_role("dialog").get_by_role("button", name="Add files").click()
    expect(page.get_by_text("The upload has failed.")).to_be_visible()
    tab.forget_errors("net::ERR_FAILED")
    page.unroute_all()
    page.reload()
    page.get_by_label("Choose the file again").set_input_files([upload("note.txt", "text/plain", b"Sleeps well.")])
    expect(page.get_by_role("button", name="Download note.txt")).to_be_visible()


def test_tabs_share_a_session_and_refresh_once(new_tab: Callable[..., Tab], stack: Stack) -> None:
    patient = stack.patient()
    first = new_tab()
    sign_in(first, patient)
    expect_heading(first, "Your records")
    second = Tab(first.page.context, stack)
    second.open("/profile")
    expect_heading(second, "Profile")
    refreshes: list[str] = []
    first.page.context.on("request", lambda request: refreshes.append(request.url) if request.url.endswith(_REFRESH) else None)
    # The access tokens of both expire in the same moment.
    for tab in (first, second):
        tab.page.clock.install()
        tab.page.clock.fast_forward("20:00")
    for tab in (first, second):
        tab.page.evaluate("document.querySelector('a[href=\"/notifications\"]').click()")
    for tab in (first, second):
        expect_heading(tab, "Notifications")
    assert len(refreshes) == 1, refreshes

    sign_out(first.page)
    for tab in (first, second):
        expect_heading(tab, "Sign in")
        tab.assert_quiet()


def test_the_menu_can_be_read(tab: Tab, stack: Stack) -> None:
    sign_in(tab, stack.patient())
    expect_heading(tab, "Your records")
    tab.page.get_by_role("banner").locator("summary", has_text="Account").click()
    expect(tab.page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
    tab.inspect("portal-menu", largest=portal.LARGEST_PAGE)


def test_what_was_typed_is_there_again_after_a_look_at_another_page(tab: Tab, stack: Stack) -> None:
    sample, page = stack.sample_record(), tab.page
    sign_in(tab, sample.doctor, f"/records/{sample.record}")
    expect_heading(tab, DESCRIPTION)
    page.get_by_label("New note").fill("The next count is due in March.")
    page.get_by_role("link", name="Records", exact=True).click()
    expect_heading(tab, "Assigned records")
    page.go_back()
    expect_heading(tab, DESCRIPTION)
    expect(page.get_by_label("New note")).to_have_value("The next count is due in March.")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_text("The next count is due in March.")).to_be_visible()
    # What was sent does not come again.
    page.get_by_role("link", name="Records", exact=True).click()
    expect_heading(tab, "Assigned records")
    page.go_back()
    expect(page.get_by_label("New note")).to_have_value("")


def test_a_dialog_is_left_with_its_page(tab: Tab, stack: Stack) -> None:
    sample, page = stack.sample_record(), tab.page
    sign_in(tab, sample.patient)
    page.get_by_role("link", name=DESCRIPTION).click()
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect_heading(tab, "Your records")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_whoever_does_not_sign_in_again_keeps_the_page(tab: Tab, stack: Stack) -> None:
    sample, page = stack.sample_record(), tab.page
    sign_in(tab, sample.doctor, f"/records/{sample.record}")
    expect_heading(tab, DESCRIPTION)
    page.get_by_label("New note").fill("A control in two weeks.")
    sample.doctor.call("POST", "/api/accounts/logout-all/", {})
    tab.expect(401, "/api/records/doctor/annotations/")
    tab.expect(401, _REFRESH)
    page.get_by_role("button", name="Add note").click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("alert")).to_contain_text("You are signed out.")
    expect(page.get_by_label("New note")).to_have_value("A control in two weeks.")
    page.get_by_role("button", name="Add note").click()
    dialog = page.get_by_role("dialog")
    submit_credentials(dialog, sample.doctor.email)
    expect(page.get_by_text("A control in two weeks.")).to_be_visible()


def test_a_form_outlives_the_session(tab: Tab, stack: Stack) -> None:
    patient, doctor = stack.patient(), stack.doctor()
    sign_in(tab, patient, "/records/new")
    page = tab.page
    choose_doctor(page, doctor.last_name)
    page.get_by_label("Description").fill(DESCRIPTION)
    patient.call("POST", "/api/accounts/logout-all/", {})
    tab.expect(401, "/api/records/patient/")
    tab.expect(401, _REFRESH)
    page.get_by_role("button", name="Create record").click()
    dialog = page.get_by_role("dialog", name="Please sign in again")
    expect(dialog).to_be_visible()
    tab.inspect("portal-sign-in-again", largest=portal.LARGEST_PAGE, is_dialog=True)
    submit_credentials(dialog, patient.email)
    expect_heading(tab, DESCRIPTION)


def test_a_forgotten_password_is_replaced_by_mail(tab: Tab, stack: Stack) -> None:
    patient = stack.patient()
    page = tab.page
    tab.open("/")
    tab.expect(401, _LOGIN)
    submit_password(tab, patient, "not-the-password-at-all")
    expect(page.get_by_role("alert")).to_have_text("Email address or password is wrong.")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("link", name="Forgotten your password?").click()
    expect_heading(tab, "Forgotten password")
    page.get_by_label("Email address").fill(patient.email)
    page.get_by_role("button", name="Send the mail").click()
    expect(page.get_by_role("status").filter(has_text=patient.email)).to_be_visible()

    tab.open(mailed_link(stack, patient.email, "Set Your Password"))
    expect_heading(tab, "Set a password")
    assert "token" not in page.url
    tab.expect(400, "/api/accounts/password-reset/confirm/")
    page.get_by_label("New password", exact=True).fill("password")
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_label("New password", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert").get_by_role("link", name="New password")).to_be_visible()
    tab.inspect("portal-weak-password", largest=portal.LARGEST_PAGE)
    page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    page.get_by_role("button", name="Set password").click()
    page.get_by_role("link", name="Sign in").click()
    submit_password(tab, patient, NEW_PASSWORD)
    expect_heading(tab, "Your records")


def test_a_second_factor_is_set_up_used_and_removed(tab: Tab, stack: Stack) -> None:
    patient = stack.patient()
    page = tab.page
    sign_in(tab, patient, "/security")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    factor = page.get_by_role("region", name="Second factor")

    # Not before the address is confirmed.
    expect(factor).to_contain_text("Confirm your email address first")
    factor.get_by_role("button", name="Send the mail again").click()
    expect(page.get_by_role("status").filter(has_text="The mail is on its way.")).to_be_visible()
    stack.confirm_address(patient)
    page.reload()

    factor.get_by_label("Password", exact=True).fill(PASSWORD)
    factor.get_by_role("button", name="Set up an authenticator app").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()
    tab.inspect("portal-second-factor", largest=portal.LARGEST_PAGE, is_dialog=True)
    dialog.get_by_text("I cannot scan it").click()
    patient.secret = dialog.locator("code").inner_text().replace(" ", "")
    code = patient.code()
    dialog.get_by_label("Code", exact=True).fill(f"{code[:3]} {code[3:]}")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.get_by_role("heading", name="Recovery codes")).to_be_visible()
    codes = dialog.get_by_role("listitem").all_inner_texts()
    assert len(codes) == 10
    tab.inspect("portal-recovery-codes", largest=portal.LARGEST_PAGE, is_dialog=True)
    dialog.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("The codes are copied.")).to_be_visible()
    assert codes[9] in page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download").click()
    assert codes[9] in download.value.path().read_text()
    dialog.get_by_role("button", name="I have kept them").click()

    # Signing in needs a code from now on; a recovery code works, too.
    sign_out(page)
    expect_heading(tab, "Sign in")
    tab.expect(401, _LOGIN)
    submit_password(tab, patient)
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    page.get_by_label("Code", exact=True).fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    expect_heading(tab, "Your records")

    # So does another password.
    tab.open("/security")
    tab.expect(400, "/api/accounts/password-change/")
    change = page.get_by_role("region", name="Change password")
    change.get_by_label("Current password", exact=True).fill(PASSWORD)
    change.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    change.get_by_role("button", name="Change password").click()
    dialog.get_by_label("Code", exact=True).fill(codes[1])
    dialog.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Your password is changed.")).to_be_visible()

    factor.get_by_role("button", name="Remove the second factor").click()
    dialog.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    dialog.get_by_label("Code", exact=True).fill(codes[2])
    dialog.get_by_role("button", name="Remove the second factor").click()
    expect(factor.get_by_role("button", name="Set up an authenticator app")).to_be_visible()


def test_an_address_is_changed_and_all_devices_are_signed_out(tab: Tab, stack: Stack) -> None:
    patient = stack.patient()
    page = tab.page
    sign_in(tab, patient, "/security")
    address = f"new.{patient.email}"
    change = page.get_by_role("region", name="Change email address")
    change.get_by_label("New email address", exact=True).fill(address)
    change.get_by_label("Password", exact=True).fill(PASSWORD)
    change.get_by_role("button", name="Change email address").click()
    expect(change.get_by_role("status")).to_contain_text(address)

    tab.open(mailed_link(stack, address, "Confirm Your New Email Address"))
    page.get_by_role("button", name="Confirm the address").click()
    page.get_by_role("link", name="Continue").click()
    expect_heading(tab, "Your records")
    tab.open("/security")
    expect(change.get_by_text(address)).to_be_visible()

    # The session of the registration is another device.
    devices = page.get_by_role("region", name="Devices")
    expect(devices.get_by_role("listitem")).to_have_count(2)
    devices.get_by_role("button", name="Sign out", exact=False).first.click()
    expect(devices.get_by_role("listitem")).to_have_count(1)
    devices.get_by_role("button", name="Sign out everywhere").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    expect_heading(tab, "Sign in")
    patient.email = address
    submit_password(tab, patient)
    expect_heading(tab, "Your records")


def test_somebody_elses_registration_is_discarded(tab: Tab, stack: Stack) -> None:
    stranger = stack.register("doctor")
    tab.open(mailed_link(stack, stranger.email, "Confirm Your Email Address", "/verify-email"))
    page = tab.page
    expect(page.get_by_text("Jane Fairweatherby")).to_be_visible()
    expect(page.get_by_label("New password", exact=True)).to_be_visible()
    tab.inspect("portal-registration", largest=portal.LARGEST_PAGE)
    page.get_by_role("button", name="This is not mine").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard account").click()
    expect(page.get_by_text("The account is discarded.")).to_be_visible()
    assert stranger.submit_password().status == 401


def test_a_mail_makes_a_device_known_where_others_have_failed_too_often(tab: Tab, stack: Stack) -> None:
    patient = stack.patient()
    stack.fail_sign_ins(patient)
    page = tab.page
    tab.expect(401, _LOGIN)
    tab.open("/sign-in")
    submit_password(tab, patient)
    expect(page.get_by_role("alert")).to_contain_text("Too many sign-ins with this address have failed.")
    page.get_by_role("button", name="Send me a mail").click()
    expect(page.get_by_role("status").filter(has_text="a mail is on its way")).to_be_visible()
    tab.open(mailed_link(stack, patient.email, "Sign In From This Device"))
    page.get_by_role("button", name="Use this device").click()
    page.get_by_role("link", name="Continue").click()
    submit_password(tab, patient)
    expect_heading(tab, "Your records")


def test_a_change_by_staff_is_cancelled_or_confirmed(new_tab: Callable[..., Tab], stack: Stack, admin: Person) -> None:
    patient = stack.patient()
    address = f"new.{patient.email}"
    admin.call("POST", f"/api/admin/users/{patient.id}/email-change/", {"email": address, "reason": "Has shown an identity card."})
    owner, other = new_tab(), new_tab()
    other.open(mailed_link(stack, address, "Confirm the New Email Address"))
    other.page.get_by_role("button", name="Confirm the address").click()
    expect(other.page.get_by_role("main").get_by_role("status")).to_contain_text("after three days")
    owner.open(mailed_link(stack, patient.email, "Change of Your Email Address Started"))
    owner.page.get_by_role("button", name="Cancel the change").click()
    expect(owner.page.get_by_role("main").get_by_role("status")).to_have_text("The change is cancelled.")


def test_people_are_told_that_mails_do_not_arrive(tab: Tab, stack: Stack) -> None:
    patient = stack.patient()
    stack.let_mails_bounce(patient)
    sign_in(tab, patient)
    expect(tab.page.get_by_text("Our mails to you do not arrive.")).to_be_visible()
    tab.page.get_by_role("link", name="Change your email address").click()
    expect_heading(tab, "Security")


def test_notifications_are_read_and_deleted_with_undo(tab: Tab, stack: Stack) -> None:
    sample = stack.sample_record()
    for number in (1, 2):
        sample.doctor.call("POST", "/api/records/doctor/annotations/", {"record": sample.record, "note": f"Value {number} is normal."})
    sign_in(tab, sample.patient, "/records")
    page = tab.page
    page.get_by_role("link", name="Notifications, 3 unread").click()
    page.get_by_role("link", name="has added a note").first.click()
    expect(page.get_by_role("link", name="Notifications, 2 unread")).to_be_visible()
    page.go_back()
    expect_heading(tab, "Notifications")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("button", name="Mark all as read")).to_be_disabled()
    expect(page.get_by_role("banner").get_by_role("link", name="Notifications", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete all").click()
    expect(page.get_by_text("Nothing new.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="has added a note")).to_have_count(3)
    page.get_by_role("button", name="Delete all").click()
    expect(page.get_by_text("Nothing new.")).to_be_visible()
    eventually("the notifications are deleted", lambda: sample.patient.call("GET", "/api/notifications/")["results"] == [])


def test_filters_and_pages_survive_going_back(tab: Tab, stack: Stack) -> None:
    patient, doctor = stack.patient(), stack.doctor()
    for number in range(25):
        kind = "imaging" if number == 3 else "general"
        patient.call("POST", "/api/records/patient/", {"doctor": doctor.id, "record_type": kind, "description": f"Visit {number + 1}"})
    sign_in(tab, patient)
    page = tab.page
    items = page.get_by_role("main").get_by_role("listitem")
    expect(items).to_have_count(20)
    page.get_by_role("button", name="Show more").click()
    expect(items).to_have_count(25)
    page.get_by_role("link", name="Visit 1 ").last.click()
    expect_heading(tab, "Visit 1")
    page.go_back()
    expect(items).to_have_count(25)
    page.get_by_label("Type").select_option("Imaging")
    expect(items).to_have_count(1)
    page.reload()
    expect(items).to_have_count(1)
    page.get_by_label("From").fill("2099-01-01")
    expect(page.get_by_text("No record matches.")).to_be_visible()
    page.get_by_role("link", name="Show all records").click()
    expect(items).to_have_count(20)


def test_another_doctor_gets_the_record(tab: Tab, stack: Stack) -> None:
    sample, other = stack.sample_record(), stack.doctor()
    sign_in(tab, sample.patient, f"/records/{sample.record}")
    page = tab.page
    page.get_by_role("button", name="Change doctor").click()
    page.get_by_role("dialog").get_by_role("button", name="Change doctor").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    choose_doctor(page, other.last_name)
    page.get_by_role("dialog").get_by_role("button", name="Change doctor").click()
    expect(page.get_by_role("region", name="About this record").get_by_text(f"Dr. {other.first_name} {other.last_name}")).to_be_visible()
    assert stack.send("GET", f"/api/records/doctor/{sample.record}/", sample.doctor.access).status == 404


def test_a_doctor_who_waits_for_approval_is_told_so(tab: Tab, stack: Stack) -> None:
    doctor = stack.pending_doctor()
    tab.expect(403, "/api/records/doctor/")
    sign_in(tab, doctor)
    expect_heading(tab, "Your licence is not approved yet")
    tab.inspect("portal-waiting", largest=portal.LARGEST_PAGE)


def test_a_suspended_doctor_is_told_so(tab: Tab, stack: Stack, admin: Person) -> None:
    doctor = stack.doctor()
    admin.call("POST", f"/api/admin/doctors/{doctor.id}/suspend/", {"reason": "The licence has expired."})
    tab.expect(403, "/api/records/doctor/")
    sign_in(tab, doctor)
    expect_heading(tab, "Your access to records is suspended")
    tab.page.get_by_role("main").get_by_role("link", name="Notifications").click()
    tab.page.get_by_role("main").get_by_text("suspended").first.click()
    expect(tab.page.get_by_role("main")).to_contain_text("The licence has expired.")


def test_admins_are_led_to_the_console(tab: Tab, admin: Person) -> None:
    sign_in(tab, admin)
    expect_heading(tab, "Administration")
    tab.page.get_by_role("link", name="Go to the console").click()
    tab.page.wait_for_url("**/admin/**")


def test_everything_can_be_done_with_the_keyboard(tab: Tab, stack: Stack) -> None:
    patient, doctor = stack.patient(), stack.doctor()
    page, keyboard = tab.page, Keyboard(tab.page)
    tab.open("/")
    keyboard.fill("Email address", patient.email)
    keyboard.fill("Password", PASSWORD)
    keyboard.press("Sign in")
    expect_heading(tab, "Your records")
    keyboard.follow("New record")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    keyboard.fill("Doctor", doctor.last_name)
    expect(page.get_by_role("option", name=f"Dr. {doctor.first_name} {doctor.last_name}").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Doctor")).to_have_value(f"Dr. {doctor.first_name} {doctor.last_name}")
    keyboard.fill("Description (optional)", DESCRIPTION)
    keyboard.press("Create record")
    expect_heading(tab, DESCRIPTION)
    keyboard.press("Edit")
    keyboard.fill("Description (optional)", "Blood test")
    keyboard.press("Save")
    expect_heading(tab, "Blood test")
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_focused()
    keyboard.press(f"Account {patient.first_name} {patient.last_name}")
    keyboard.press("Sign out")
    expect_heading(tab, "Sign in")


ANYBODYS_PAGES = ["/sign-in", "/register", "/forgot-password", "/password-reset", "/verify-email", "/sign-in-link", "/nothing", "/records/nothing"]
# Look like /sign-in-link.
MAIL_LINKS = ["/email-change", "/recovery-cancel", "/recovery-confirm", "/discard-account"]
RECORDS = [
    ("general", "Vaccination record"),
    ("procedure", "Removal of a mole on the back"),
    ("prescription", "Ibuprofen 400 mg, as needed"),
    ("imaging", "X-ray of the left wrist"),
    ("consultation", "Check-up after the flu"),
]
USERS_PAGES = ["/records", "/records/new", "/notifications", "/profile", "/security", "/access-log"]


def open_page(tab: Tab, path: str) -> None:
    for unknown in ("/nothing", "/records/nothing"):
        tab.expect(404, unknown)
    tab.open(path)
    expect(tab.page.get_by_role("heading", level=1)).to_be_visible()


def test_every_page_is_accessible(tab: Tab, stack: Stack) -> None:
    sample = stack.sample_record()
    for kind, description in RECORDS:
        sample.patient.call("POST", "/api/records/patient/", {"doctor": sample.doctor.id, "record_type": kind, "description": description})
    for path in ANYBODYS_PAGES:
        open_page(tab, path)
        tab.inspect(f"portal{path.replace('/', '-')}", largest=portal.LARGEST_PAGE)
    sign_in(tab, sample.patient)
    for path in USERS_PAGES:
        open_page(tab, path)
        tab.inspect(f"portal{path.replace('/', '-')}", largest=portal.LARGEST_PAGE)


def test_every_page_is_german_and_fits_small_windows(new_tab: Callable[..., Tab], stack: Stack) -> None:
    tab, sample = new_tab(locale="de-DE"), stack.sample_record()
    tab.page.set_viewport_size({"width": 360, "height": 740})
    open_page(tab, "/")
    expect_heading(tab, "Anmelden")
    sign_in(tab, sample.patient)
    for path in [*ANYBODYS_PAGES, *MAIL_LINKS, *USERS_PAGES, f"/records/{sample.record}"]:
        open_page(tab, path)
        expect(tab.page.locator("html[lang=de]")).to_have_count(1)
        tab.check(f"portal-german{path}")
    tab.page.screenshot(path=SCREENSHOTS / "portal-german-record-phone.png", full_page=True)


def test_people_choose_the_language(tab: Tab) -> None:
    tab.open("/")
    tab.page.get_by_label("Email address").fill("elena@example.com")
    tab.page.get_by_label("Language").select_option("Deutsch")
    expect_heading(tab, "Anmelden")
    expect(tab.page.get_by_label("E-Mail-Adresse")).to_have_value("elena@example.com")
    tab.page.reload()
    expect_heading(tab, "Anmelden")
    assert tab.page.title() == "Anmelden – Gesundheitsakte"


def test_the_chosen_language_outlives_the_session(tab: Tab, stack: Stack) -> None:
    tab.open("/")
    tab.page.get_by_label("Language").select_option("Deutsch")
    expect_heading(tab, "Anmelden")
    sign_in(tab, stack.patient())
    tab.page.get_by_role("banner").locator("summary", has_text="Konto").click()
    tab.page.get_by_role("button", name="Abmelden", exact=True).click()
    expect_heading(tab, "Anmelden")


def test_people_sign_in_at_any_name_of_this_machine(tab: Tab, stack: Stack) -> None:
    patient = stack.patient()
    tab.open_at(stack.base_url.replace("localhost", "127.0.0.1") + "/")
    submit_password(tab, patient)
    expect_heading(tab, "Your records")


def test_pages_of_an_older_version_are_loaded_anew(tab: Tab, stack: Stack) -> None:
    sign_in(tab, stack.patient())
    expect_heading(tab, "Your records")
    page = tab.page
    # What a deployment does to an open page: the modules of its version are gone.
    tab.expect(404, urlsplit(page.evaluate("document.querySelector('script').src")).path.replace("main.js", "pages/access-log.js"))
    page.route("**/pages/access-log.js", lambda route: route.fulfill(status=404), times=1)
    page.route("**/access-log", lambda route: route.fulfill(body="<html>another version</html>"), times=1)
    tab.page.get_by_role("banner").locator("summary", has_text="Account").click()
    page.get_by_role("link", name="Access log").click()
    expect_heading(tab, "Access log")


def test_a_response_that_breaks_off_is_told_as_a_lost_connection(tab: Tab, stack: Stack) -> None:
    sign_in(tab, stack.patient())
    expect_heading(tab, "Your records")
    page = tab.page
    # As Chromium does when the connection is lost between the headers and the end of the body.
    page.evaluate("() => { window.readText = Response.prototype.text; Response.prototype.text = () => Promise.reject(new TypeError('Failed to fetch')); }")
    page.get_by_role("banner").get_by_role("link", name="Notifications").click()
    expect(page.get_by_text("The service cannot be reached. Check your connection and try again.")).to_be_visible()
    page.evaluate("() => { Response.prototype.text = window.readText; }")
    page.get_by_role("button", name="Try again").click()
    expect_heading(tab, "Notifications")
    tab.assert_quiet()


def test_the_first_page_is_light_and_does_not_shift(tab: Tab) -> None:
    tab.page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => { for (const entry of list.getEntries()) shift += entry.value }).observe({ type: 'layout-shift', buffered: true })"
    )
    tab.open("/")
    expect_heading(tab, "Sign in")
    tab.page.wait_for_load_state("networkidle")
    sizes = tab.page.evaluate(
        "() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map(each => [each.name, each.encodedBodySize])"
    )
    assert sum(size for _, size in sizes) <= 60 * 1024, sizes
    assert tab.page.evaluate("shift") == 0


def test_records_are_shown_after_two_round_trips(tab: Tab, stack: Stack) -> None:
    sample = stack.sample_record()
    sign_in(tab, sample.patient)
    expect(tab.page.get_by_role("link", name=DESCRIPTION)).to_be_visible()
    calls: list[tuple[str, float, float]] = tab.page.evaluate(
        "() => performance.getEntriesByType('resource').filter(each => each.name.includes('/api/')).map(each => [each.name, each.startTime, each.responseEnd])"
    )
    [refresh] = [call for call in calls if call[0].endswith(_REFRESH)]
    [records] = [call for call in calls if "/api/records/" in call[0]]
    between = [call for call in calls if call[1] >= refresh[2] and call[2] <= records[1]]
    assert between == [], between


def test_a_record_is_printed_without_what_is_for_the_screen(tab: Tab, stack: Stack) -> None:
    sample = stack.sample_record()
    sign_in(tab, sample.patient, f"/records/{sample.record}")
    expect_heading(tab, DESCRIPTION)
    tab.page.emulate_media(media="print")
    expect(tab.page.get_by_role("banner")).to_be_hidden()
    expect(tab.page.get_by_role("button")).to_have_count(0)
    expect(tab.page.get_by_text(NOTE)).to_be_visible()
