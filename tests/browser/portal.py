"""Helpers for tests of the web client: signing in, and what mails contain."""

import io
import re
import struct
import zlib
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Tab
from tests.people import PASSWORD, Person, Stack, eventually

_TOKEN_IN_COOKIES = {"Token-Transport": "cookie", "Sec-Fetch-Site": "same-origin"}
# All modules of a page, uncompressed; what is transferred is measured by its own test.
LARGEST_PAGE = 280 * 1024


def sign_in(tab: Tab, person: Person, path: str = "/records") -> None:
    """Signs in without the form, and opens a page."""
    stack, context = tab.stack, tab.page.context
    headers = _TOKEN_IN_COOKIES | {"Origin": stack.base_url}
    response = context.request.post(stack.base_url + "/api/accounts/login/", headers=headers, data={"email": person.email, "password": PASSWORD})
    if response.status == 401 and response.json()["code"] == "mfa_required":
        proof = {"mfa_token": response.json()["mfa_token"], "code": person.code()}
        response = context.request.post(stack.base_url + "/api/accounts/login/second-factor/", headers=headers, data=proof)
    assert response.ok, response.text()
    # Any document of the same origin.
    tab.open("/.well-known/jwks.json")
    tab.page.evaluate("localStorage.setItem('session', 'begun')")
    tab.open(path)


def fill_registration(tab: Tab, role: str, first_name: str, last_name: str, email: str) -> None:
    page = tab.page
    tab.open("/")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_role("radio", name=role).check()
    page.get_by_label("First name").fill(first_name)
    page.get_by_label("Last name").fill(last_name)
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()


def choose_doctor(page: Page, last_name: str) -> None:
    page.get_by_role("combobox", name="Doctor").fill(last_name)
    page.get_by_role("listbox", name="Doctor").get_by_role("option").last.click()


def create_record(page: Page, doctor: Person, description: str, *files: dict[str, object]) -> None:
    """Fills the form of a new record and sends it."""
    choose_doctor(page, doctor.last_name)
    page.get_by_label("Type", exact=True).select_option("Lab result")
    page.get_by_label("Description").fill(description)
    if files:
        page.get_by_label("Choose files").set_input_files(list(files))
    page.get_by_role("button", name="Create record").click()


def sign_out(page: Page) -> None:
    page.get_by_role("banner").locator("summary", has_text="Account").click()
    page.get_by_role("button", name="Sign out", exact=True).click()


def submit_password(tab: Tab, person: Person, password: str = PASSWORD) -> None:
    submit_credentials(tab.page, person.email, password)


def submit_credentials(place: Page | Locator, email: str, password: str = PASSWORD) -> None:
    """Fills the form of a sign-in, on its page or in a dialog, and sends it."""
    place.get_by_label("Email address").fill(email)
    place.get_by_label("Password", exact=True).fill(password)
    place.get_by_role("button", name="Sign in").click()


def expect_heading(tab: Tab, text: str) -> None:
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(text)


def mailed_link(stack: Stack, email: str, subject: str, path: str = "") -> str:
    """Waits for a mail, and returns path and fragment of its first link whose path begins with `path`."""

    def find() -> str | None:
        for mail in stack.mails():
            if email in mail["to"] and subject in mail["subject"]:
                links = re.findall(r"https?://\S+", mail["text"])
                assert all(link.startswith(f"{stack.base_url}/") for link in links), "a mail leads elsewhere"
                return next((link.removeprefix(stack.base_url) for link in links if urlsplit(link).path.startswith(path)), None)
        return None

    return eventually(f"a mail to {email}: {subject}", find)


def pdf(text: str) -> bytes:
    """Returns a PDF of one page."""
    content = f"BT /F1 16 Tf 40 240 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 420 300]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, offsets = io.BytesIO(b"%PDF-1.7\n"), []
    out.seek(0, io.SEEK_END)
    for number, each in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, each))
    start = out.tell()
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out.write(b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table, len(objects) + 1, start))
    return out.getvalue()


def picture(width: int = 320, height: int = 200) -> bytes:
    """Returns a PNG with shades of grey, as of a scan."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * y) // height % 256 for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def upload(name: str, kind: str, content: bytes) -> dict[str, object]:
    """Returns a file as Playwright takes it."""
    return {"name": name, "mimeType": kind, "buffer": content}
