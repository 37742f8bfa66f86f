"""A patient's day against the running system (`make run`), printing each request and the start of each response.

Needs only Python. Every run registers new users, so it can be repeated.
"""

import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

# What is printed of a request or a response: the start shows what it is, and the whole day stays readable.
SHOWN_CHARACTERS = 400
STACK_FILE = Path(__file__).resolve().parents[2] / ".local" / "stack.json"
PASSWORD = "a long walk before breakfast"
PDF = b"%PDF-1.7\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
MAIL_TIMEOUT_SECONDS = 20


def main() -> None:
    if not STACK_FILE.exists():
        sys.exit("error: the system is not running: start it with `make run` in another terminal")
    stack = json.loads(STACK_FILE.read_text())
    api = Api(stack["base_url"])
    if not api.responds():
        sys.exit(f"error: nothing responds at {stack['base_url']}: start the system with `make run` in another terminal")

    title("A doctor, another doctor and a patient register and create their profiles")
    jane = api.register("jane", "Jane", "Smith", "doctor", specialization="Cardiology", license_number="MD-1001", years_of_experience=12)
    ada = api.register("ada", "Ada", "Jones", "doctor", specialization="Neurology", license_number="MD-1002", years_of_experience=7)
    john = api.register("john", "John", "Doe", "patient", date_of_birth="1985-04-12", gender="male", address="1 Main Street")

    title("The patient finds the doctor and creates a record with two files")
    api.get("/api/accounts/doctors/?search=smi", john)
    files = [("report.pdf", "application/pdf", PDF), ("scan.png", "image/png", PNG)]
    record = api.post(
        "/api/records/patient/",
        john,
        doctor=jane["pk"],
        record_type="lab_result",
        description="Blood test",
        files=[{"name": name, "content_type": kind, "size_bytes": len(content)} for name, kind, content in files],
    )
    contents = {name: content for name, _, content in files}
    for file in record["files"]:
        api.send(file["upload"]["method"], file["upload"]["url"], headers=file["upload"]["headers"], content=contents[file["name"]])
    record_path = f"/api/records/patient/{record['id']}/"
    api.get(record_path, john)

    title("The doctor sees it, downloads a file, annotates, and corrects the annotation")
    seen = api.get(f"/api/records/doctor/{record['id']}/", jane)
    download = api.get(f"/api/records/files/{seen['files'][0]['id']}/download/", jane)
    api.send("GET", download["url"])
    annotation = api.post("/api/records/doctor/annotations/", jane, record=record["id"], note="All values are normal.")
    api.call("PATCH", f"/api/records/doctor/annotations/{annotation['id']}/", jane, {"note": "All values are normal. See you in a year."})

    title("The patient is notified, reads, marks all as read and deletes all")
    inbox = api.get("/api/notifications/", john)
    api.get(f"/api/notifications/{inbox['results'][0]['id']}/", john)
    api.post("/api/notifications/mark-all-read/", john)
    api.call("DELETE", "/api/notifications/delete-all/", john)

    title("The patient assigns the record to the second doctor: the first loses access at once, the second is notified")
    api.call("PATCH", record_path, john, {"doctor": ada["pk"]})
    api.get(f"/api/records/doctor/{record['id']}/", jane, expect=404)
    api.get("/api/notifications/?is_read=false", ada)

    title("The patient deletes a file")
    api.call("DELETE", f"/api/records/files/{record['files'][0]['id']}/", john)

    title("Each notification was also sent as a mail")
    api.wait_for_mails(stack["mails_url"], {jane["email"], ada["email"], john["email"]})


def shown(value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def title(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}")


class Api:
    def __init__(self, base_url: str):
        self._base_url = base_url

    def responds(self) -> bool:
        try:
            urllib.request.urlopen(f"{self._base_url}/api/health/", timeout=30).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def register(self, name: str, first_name: str, last_name: str, role: str, **profile) -> dict:
        """Returns the user with the tokens of the first session."""
        user = self.post(
            "/api/accounts/register/",
            None,
            email=f"{name}.{uuid.uuid4().hex[:8]}@example.com",
            password=PASSWORD,
            first_name=first_name,
            last_name=last_name,
            role=role,
        )
        self.post("/api/accounts/profile-create/", user, **profile)
        return user

    def get(self, path: str, user: dict, expect: int | None = None):
        return self.call("GET", path, user, expect=expect)

    def post(self, path: str, user: dict | None, **body):
        return self.call("POST", path, user, body)

    def call(self, method: str, path: str, user: dict | None, body: dict | None = None, expect: int | None = None):
        headers = {"Accept": "application/json"}
        if user:
            headers["Authorization"] = f"Bearer {user['tokens']['access']}"
        if body:
            headers["Content-Type"] = "application/json"
            print(f"> {method} {path} {shown(body)}")
        else:
            print(f"> {method} {path}")
        return self.send(method, self._base_url + path, headers, json.dumps(body).encode() if body else None, expect, announce=False)

    def send(self, method: str, url: str, headers=None, content: bytes | None = None, expect: int | None = None, announce: bool = True):
        if announce:
            print(f"> {method} {url.split('?')[0]}" + (f" ({len(content)} bytes)" if content else ""))
        request = urllib.request.Request(url, method=method, headers=headers or {}, data=content)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            value = json.loads(text) if text else None
            print(f"< {status} {'' if value is None else shown(value)}".rstrip())
        except ValueError:
            value = text
            print(f"< {status} ({len(text)} bytes)")
        if status != expect and (expect or status >= 400):
            sys.exit(f"error: {method} {url} returned {status}, which is not expected here")
        return value

    def wait_for_mails(self, url: str, recipients: set[str]) -> None:
        deadline = time.monotonic() + MAIL_TIMEOUT_SECONDS
        while True:
            with urllib.request.urlopen(url, timeout=30) as response:
                mails = [mail for mail in json.loads(response.read()) if recipients & set(mail["to"])]
            if recipients <= {address for mail in mails for address in mail["to"]}:
                break
            if time.monotonic() > deadline:
                sys.exit("error: not all mails have arrived: see the log of the mailer in .local/run/emulator.log")
            time.sleep(0.2)
        for mail in reversed(mails):
            print(f"To {', '.join(mail['to'])}: {mail['subject']}")
        print(f"\nThe mails themselves: {url}")


# Nothing here is far away: the user's HTTP_PROXY is not asked.
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
main()
