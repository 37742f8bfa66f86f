"""What the functions have logged while all other tests ran on the stack."""

from tests.people import DESCRIPTION, FILE_NAME, LAST_NAMES, NOTE, PASSWORD, STREET, Stack, eventually


def test_nothing_personal_is_logged(stack: Stack) -> None:
    """The last test on the stack: it searches what all others have caused."""
    sample = stack.sample_record()
    path = f"/api/records/doctor/{sample.record}/"
    request_id = stack.send("GET", path, sample.doctor.access).headers["X-Request-Id"]
    eventually("the request is logged", lambda: any(request_id in message for _, message in stack.logged()))
    personal = [*LAST_NAMES, STREET, DESCRIPTION, FILE_NAME, NOTE, PASSWORD, "@example"]
    for function, message in stack.logged():
        for text in personal:
            assert text.lower() not in message.lower(), f"{function} has logged {text!r}: {message}"
