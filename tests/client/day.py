"""A patient's day, as in day.ts, run with the client that openapi-python-client generates from the OpenAPI document. It does not pass
mypy if the document lacks something, and fails if the system differs from the document."""

import base64
import hashlib
import hmac
import json
import os
import time
import uuid
from collections.abc import Callable
from datetime import date
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
from health_records_client import AuthenticatedClient, Client
from health_records_client.api.accounts import (
    confirm_second_factor,
    create_profile,
    disable_second_factor,
    list_doctors,
    login,
    login_with_second_factor,
    logout,
    me,
    refresh,
    register,
    set_up_second_factor,
    update_profile,
    verify_email,
)
from health_records_client.api.health_records import (
    create_annotation,
    create_record,
    delete_file,
    download_file,
    list_patient_records,
    read_doctor_record,
    read_patient_record,
    update_annotation,
    update_record,
)
from health_records_client.api.notifications import delete_all, list_notifications, mark_all_read, read_notification
from health_records_client.models import (
    Annotation,
    Code,
    CompleteLoginRequest,
    ConfirmSecondFactorRequest,
    DisableSecondFactorRequest,
    DoctorProfile,
    Download,
    ListingNotification,
    ListingRecord,
    ListingUser,
    LoginRequest,
    Me,
    NewAnnotation,
    NewProfile,
    NewProfileGender,
    NewRecord,
    NewRecordFilesItem,
    NewRecordFilesItemContentType,
    NewRecordRecordType,
    NoteChange,
    Notification,
    NotificationType,
    PatientProfile,
    Problem,
    ProfileChange,
    Record,
    RecordChange,
    RecordFile,
    RecoveryCodeList,
    RefreshRequest,
    RegisterRequest,
    RegisterRequestRole,
    Role,
    SecondFactorSecret,
    SetUpSecondFactorRequest,
    SignedInUser,
    Tokens,
    Upload,
    User,
    VerifyEmailRequest,
)
from health_records_client.types import Response

STACK = json.loads(Path(os.environ["STACK_FILE"]).read_text())

# Part of every name and text: tests/system/tests/logs.rs searches the logs for it, so that personal data is found.
MARKER = "zq7marker"
PASSWORD = "quiet-harbour-lantern-58"
TIMEOUT_SECONDS = 240
PDF = b"%PDF-1.7\n%%EOF\n"

T = TypeVar("T")

anonymous = Client(base_url=STACK["base_url"])


def client(tokens: Tokens) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=STACK["base_url"], token=tokens.access)


def body(response: Response[Any], kind: type[T]) -> T:
    """Returns the body of a successful response."""
    assert response.status_code < 300 and isinstance(response.parsed, kind), f"{response.status_code}: {response.content!r}"
    return response.parsed


def problem(response: Response[Any], status: HTTPStatus) -> Problem:
    """Returns the problem of a response with the expected error status."""
    assert response.status_code == status and isinstance(response.parsed, Problem), f"{response.status_code}: {response.content!r}"
    return response.parsed


def eventually(what: str, probe: Callable[[], T | None]) -> T:
    """Polls until the probe returns a value, for things that happen asynchronously."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        if (found := probe()) is not None:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"timeout after {TIMEOUT_SECONDS} s: {what}")


def registered(role: RegisterRequestRole, last_name: str) -> SignedInUser:
    request = RegisterRequest(email=f"{MARKER}.{uuid.uuid4()}@example.com", password=PASSWORD, first_name="Jane", last_name=last_name, role=role)
    user = body(register.sync_detailed(client=anonymous, body=request), SignedInUser)
    assert user.role.value == role.value
    return user


def registered_doctor(last_name: str) -> tuple[SignedInUser, AuthenticatedClient]:
    """Registers a doctor with a profile, who is in the directory."""
    doctor = registered(RegisterRequestRole.DOCTOR, last_name)
    new_profile = NewProfile(specialization="Cardiology", license_number=f"{MARKER}-1", years_of_experience=12)
    body(create_profile.sync_detailed(client=client(doctor.tokens), body=new_profile), DoctorProfile)
    return doctor, client(doctor.tokens)


def totp_code(secret: str, steps: int) -> str:
    """Returns the TOTP code (RFC 6238) of the given number of 30-second steps from now."""
    step = int(time.time() // 30) + steps
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1)
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFF_FFFF) % 1_000_000:06}"


last_name = f"{MARKER}{uuid.uuid4().hex[:8]}"
doctor, doctors_client = registered_doctor(last_name)
profile_change = ProfileChange(years_of_experience=13)
doctors_profile = body(update_profile.sync_detailed(client=doctors_client, body=profile_change), DoctorProfile)
assert (doctors_profile.specialization, doctors_profile.years_of_experience) == ("Cardiology", 13), doctors_profile
patient = registered(RegisterRequestRole.PATIENT, MARKER)
patients_client = client(patient.tokens)
new_profile = NewProfile(date_of_birth=date(1985, 4, 12), gender=NewProfileGender.FEMALE)
body(create_profile.sync_detailed(client=patients_client, body=new_profile), PatientProfile)
profile_change = ProfileChange(address=f"{MARKER} Lane 1")
profile = body(update_profile.sync_detailed(client=patients_client, body=profile_change), PatientProfile)
assert (profile.address, profile.date_of_birth, profile.gender.value) == (f"{MARKER} Lane 1", date(1985, 4, 12), "female"), profile


# The patient finds the doctor, and creates a record with two requests and one idempotency key.
def in_directory() -> User | None:
    page = list_doctors.sync_detailed(client=patients_client, search=last_name, specialization="Cardiology")
    return next(iter(body(page, ListingUser).results), None)


found = eventually("the doctor is in the directory", in_directory)
assert found.pk == doctor.pk and isinstance(found.profile, DoctorProfile) and found.profile.years_of_experience == 13
file = NewRecordFilesItem(name=f"{MARKER}.pdf", content_type=NewRecordFilesItemContentType.APPLICATIONPDF, size_bytes=len(PDF))
new_record = NewRecord(doctor=found.pk, record_type=NewRecordRecordType.LAB_RESULT, description=f"{MARKER} blood count", files=[file])
key = f'"{uuid.uuid4()}"'
created = body(create_record.sync_detailed(client=patients_client, body=new_record, idempotency_key=key), Record)
again = create_record.sync_detailed(client=patients_client, body=new_record, idempotency_key=key)
assert again.headers["Idempotent-Replayed"] == "true"
assert body(again, Record).id == created.id

upload = created.files[0].upload
assert isinstance(upload, Upload), "a new file must have an upload URL"
uploaded = httpx.request(upload.method, upload.url, headers=upload.headers.additional_properties, content=PDF)
assert uploaded.status_code == HTTPStatus.OK, uploaded.text

# The doctor is notified, reads, downloads and annotates.
unread = body(list_notifications.sync_detailed(client=doctors_client, is_read=False), ListingNotification).results[0]
assert unread.notification_type == NotificationType.PATIENT_ASSIGNED
assert unread.record is not None and unread.record.id == created.id


def available_file() -> RecordFile | None:
    record = body(read_doctor_record.sync_detailed(created.id, client=doctors_client), Record)
    assert record.patient is not None and isinstance(record.patient.profile, PatientProfile)
    return record.files[0] if record.files[0].file else None


available = eventually("the file is available", available_file)
in_body = doctors_client.with_headers({"Accept": "application/json"})
download = body(download_file.sync_detailed(available.id, client=in_body), Download)
assert httpx.get(download.url).content == PDF
new_annotation = NewAnnotation(record=created.id, note=f"{MARKER} all is well")
note = body(create_annotation.sync_detailed(client=doctors_client, body=new_annotation), Annotation)
assert note.record == created.id

# The patient reads the annotation and updates the record, unless it has changed meanwhile.
read = read_patient_record.sync_detailed(created.id, client=patients_client)
assert body(read, Record).annotations[0].note == note.note
change = RecordChange(description=f"{MARKER} blood count, explained")
tag = read.headers["ETag"]
changed = body(update_record.sync_detailed(created.id, client=patients_client, body=change, if_match=tag), Record)
assert changed.description == change.description
late = update_record.sync_detailed(created.id, client=patients_client, body=change, if_match=tag)
assert problem(late, HTTPStatus.PRECONDITION_FAILED).code == Code.PRECONDITION_FAILED
wrong = problem(create_record.sync_detailed(client=patients_client, body=NewRecord(doctor=patient.pk)), HTTPStatus.BAD_REQUEST)
assert wrong.errors and wrong.errors[0].field == "doctor"

inbox = body(list_notifications.sync_detailed(client=patients_client), ListingNotification)
news = next(each for each in inbox.results if each.notification_type == NotificationType.RECORD_ANNOTATED)
assert body(read_notification.sync_detailed(news.id, client=patients_client), Notification).is_read
assert mark_all_read.sync_detailed(client=patients_client).status_code == HTTPStatus.OK

# The doctor corrects the note. The patient deletes the file, finds the record by its time, and assigns it to another doctor.
correction = NoteChange(note=f"{MARKER} all is well, but come again in May")
corrected = body(update_annotation.sync_detailed(note.id, client=doctors_client, body=correction), Annotation)
assert corrected.note == correction.note
assert delete_file.sync_detailed(available.id, client=patients_client).status_code == HTTPStatus.NO_CONTENT
for bound in (created.created_at.isoformat(), created.created_at.date().isoformat()):
    listed = body(list_patient_records.sync_detailed(client=patients_client, created_after=bound), ListingRecord)
    assert [(each.id, each.files) for each in listed.results] == [(created.id, [])]
other, others_client = registered_doctor(f"{MARKER}{uuid.uuid4().hex[:8]}")
moving = RecordChange(doctor=other.pk)
moved = body(update_record.sync_detailed(created.id, client=patients_client, body=moving), Record)
assert moved.doctor is not None and moved.doctor.pk == other.pk
read = read_doctor_record.sync_detailed(created.id, client=others_client)
assert body(read, Record).annotations[0].note == correction.note
assert problem(read_doctor_record.sync_detailed(created.id, client=doctors_client), HTTPStatus.NOT_FOUND).code == Code.NOT_FOUND
assert delete_all.sync_detailed(client=patients_client).status_code == HTTPStatus.NO_CONTENT
assert body(list_notifications.sync_detailed(client=patients_client), ListingNotification).results == []

# The patient refreshes the tokens and signs out.
renewed = client(body(refresh.sync_detailed(client=anonymous, body=RefreshRequest(refresh=patient.tokens.refresh)), Tokens))
assert isinstance(patient.email, str)
myself = body(me.sync_detailed(client=renewed), Me)
assert (myself.email, myself.role) == (patient.email, Role.PATIENT) and isinstance(myself.profile, PatientProfile)
assert logout.sync_detailed(client=renewed).status_code == HTTPStatus.NO_CONTENT
assert problem(me.sync_detailed(client=renewed), HTTPStatus.UNAUTHORIZED).code == Code.TOKEN_NOT_VALID

# The patient signs in again and sets up a second factor, which the next sign-in requires.
credentials = LoginRequest(email=patient.email, password=PASSWORD)
signed_in = client(body(login.sync_detailed(client=anonymous, body=credentials), SignedInUser).tokens)


def confirmation() -> str | None:
    mails = httpx.get(STACK["mails_url"]).json()
    texts = (mail["text"] for mail in mails if patient.email in mail["to"])
    return next((text for text in texts if "/verify-email#token=" in text), None)


token = eventually("the mail that confirms the address", confirmation).partition("#token=")[2].split()[0]
assert verify_email.sync_detailed(client=signed_in, body=VerifyEmailRequest(token=token)).status_code == HTTPStatus.OK
new_factor = SetUpSecondFactorRequest(password=PASSWORD)
factor = body(set_up_second_factor.sync_detailed(client=signed_in, body=new_factor), SecondFactorSecret)
assert parse_qs(urlsplit(factor.otpauth_url).query)["secret"] == [factor.secret]
confirm = ConfirmSecondFactorRequest(code=totp_code(factor.secret, 0))
recovery_codes = body(confirm_second_factor.sync_detailed(client=signed_in, body=confirm), RecoveryCodeList).recovery_codes


def mfa_token() -> str:
    half = problem(login.sync_detailed(client=anonymous, body=credentials), HTTPStatus.UNAUTHORIZED)
    assert half.code == Code.MFA_REQUIRED and isinstance(half.mfa_token, str)
    return half.mfa_token


# Each code works once, so this is the next one. So does each token between password and code.
code = totp_code(factor.secret, 1)
by_app = CompleteLoginRequest(mfa_token=mfa_token(), code=code)
assert body(login_with_second_factor.sync_detailed(client=anonymous, body=by_app), SignedInUser).pk == patient.pk
repeated = login_with_second_factor.sync_detailed(client=anonymous, body=by_app)
assert problem(repeated, HTTPStatus.UNAUTHORIZED).code == Code.MFA_TOKEN_NOT_VALID
same_code = login_with_second_factor.sync_detailed(client=anonymous, body=CompleteLoginRequest(mfa_token=mfa_token(), code=code))
assert problem(same_code, HTTPStatus.UNAUTHORIZED).code == Code.CODE_ALREADY_USED

# Without the app, the patient signs in with a recovery code, and removes the second factor with another one.
by_recovery_code = CompleteLoginRequest(mfa_token=mfa_token(), recovery_code=recovery_codes[0])
last = client(body(login_with_second_factor.sync_detailed(client=anonymous, body=by_recovery_code), SignedInUser).tokens)
removal = DisableSecondFactorRequest(password=PASSWORD, recovery_code=recovery_codes[1])
assert disable_second_factor.sync_detailed(client=last, body=removal).status_code == HTTPStatus.NO_CONTENT
body(login.sync_detailed(client=anonymous, body=credentials), SignedInUser)
