"""`make run`, `make watch` and `make invoke`, with functions of a second's compilation in place of the real ones."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from .checkout import Checkout, environment

# Of the function docs.
DOCS = "/api/schema/swagger-ui/"


def get(checkout: Checkout, path: str) -> tuple[int, dict]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(checkout.url + path, timeout=300) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def description(checkout: Checkout) -> dict:
    return json.loads((checkout.folder / ".local" / "stack.json").read_text())


def client(checkout: Checkout, service: str):
    stack = description(checkout)
    return boto3.client(
        service, endpoint_url=stack["endpoint_url"], region_name=stack["region"], aws_access_key_id="test", aws_secret_access_key="test"
    )


def send_mail(checkout: Checkout, subject: str) -> None:
    message = {"Subject": {"Data": subject}, "Body": {"Text": {"Data": "Hello"}}}
    client(checkout, "ses").send_email(Source="records@example.org", Destination={"ToAddresses": ["jane@example.com"]}, Message=message)


def subjects(checkout: Checkout) -> list[str]:
    return [mail["subject"] for mail in get(checkout, "/_local/mails")[1]]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def announced(checkout: Checkout) -> Iterator[tuple[str, str]]:
    """Starts `make run`, ends it, and starts `make watch`: returns what each has said."""
    with checkout.running("run") as first:
        send_mail(checkout, "first")
    with checkout.running("watch") as second:
        yield first, second


def test_the_first_start_says_how_long_it_takes_and_each_says_every_entrance(checkout: Checkout, announced: tuple[str, str]) -> None:
    for said in announced:
        for entrance in (checkout.url, "/api/schema/swagger-ui/", "/admin/", "make admin", "/_local/mails", "make demo"):
            assert entrance in said, said
    assert ["The first time takes about" in said for said in announced] == [True, False], announced


def test_mails_are_kept_over_a_restart(checkout: Checkout, announced: tuple[str, str]) -> None:
    assert subjects(checkout) == ["first"]
    send_mail(checkout, "second")
    assert subjects(checkout) == ["second", "first"]


def test_a_request_after_a_file_was_saved_gets_the_new_code_or_the_error_of_the_compiler(checkout: Checkout, announced: tuple[str, str]) -> None:
    assert get(checkout, DOCS)[1]["says"] == "docs"
    for text in ("new", "newer"):
        checkout.say("docs", text)
        assert get(checkout, DOCS)[1]["says"] == text
    good = checkout.source("docs").read_text()
    checkout.source("docs").write_text(f"{good}const WRONG: u8 = missing();\n")
    for _ in range(2):
        status, problem = get(checkout, DOCS)
        assert status == 500 and "cannot find function `missing`" in problem["detail"], problem
    checkout.source("docs").write_text(good)
    assert get(checkout, DOCS)[1]["says"] == "newer"


def test_a_request_after_the_template_was_saved_gets_what_it_says_or_its_error(checkout: Checkout, announced: tuple[str, str]) -> None:
    before = checkout.template.read_text()
    reference = "PUBLISH_DOCS: !Ref PublishDocs"
    assert get(checkout, DOCS)[1]["variable"] == "true"
    checkout.template.write_text(before.replace(reference, "PUBLISH_DOCS: ["))
    status, problem = get(checkout, DOCS)
    assert status == 500 and "template.yaml is no YAML" in problem["detail"] and "line" in problem["detail"], problem
    checkout.template.write_text(before.replace(reference, 'PUBLISH_DOCS: "changed"'))
    assert get(checkout, DOCS)[1]["variable"] == "changed"
    # What `make run` adjusts after a deployment still holds.
    [rule] = client(checkout, "s3").get_bucket_cors(Bucket=description(checkout)["bucket"])["CORSRules"]
    assert "http://localhost:*" in rule["AllowedOrigins"], rule


def test_one_function_is_invoked_with_its_sample_or_another_event(checkout: Checkout, announced: tuple[str, str], tmp_path: Path) -> None:
    def invoke(*arguments: str) -> dict:
        result = checkout.make("invoke", *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads(result.stdout)["body"]

    sample = json.loads((checkout.folder / "events" / "records.json").read_text())
    assert invoke("FUNCTION=records") == {"says": "records", "variable": "", "event": sample}
    assert invoke("FUNCTION=records", "TOKEN=a.b.c")["event"]["headers"]["authorization"] == "Bearer a.b.c"
    event = tmp_path / "event.json"
    event.write_text('{"Records": []}')
    assert invoke("FUNCTION=mailer", f"EVENT={event}")["event"] == {"Records": []}
    # A reader that has enough before anything is written.
    piped = ["sh", "-c", "make --no-print-directory invoke FUNCTION=records | true"]
    result = subprocess.run(piped, cwd=checkout.folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert result.stderr == ""
