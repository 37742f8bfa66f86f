// A patient's day, run with the client that openapi-typescript generates from the OpenAPI document. It does not compile if the
// document lacks something, and fails if the system differs from the document. Every body is checked with the schemas of zod that
// orval generates.

import { strict as assert } from "node:assert";
import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import createClient, { type Middleware } from "openapi-fetch";
import { ZodType } from "zod";
import type { components, paths } from "./schema.ts";
import * as schemas from "./schemas.ts";

type Refusal = components["schemas"]["Problem"] | components["schemas"]["GatewayError"];

const codeOfProblem = (error: Refusal | undefined) => (error && "code" in error ? error.code : undefined);

const file = process.env["STACK_FILE"];
assert(file, "STACK_FILE is not set: run `make test`, or start `make run` in another terminal and set STACK_FILE=$PWD/.local/stack.json");
const { base_url: baseUrl, mails_url: mailsUrl }: { base_url: string; mails_url: string } = JSON.parse(readFileSync(file, "utf8"));

// Part of every name and text: tests/system/tests/logs.rs searches the logs for it, so that personal data is found.
const MARKER = "zq7marker";
const PASSWORD = "quiet-harbour-lantern-58";
const TIMEOUT_MS = 240_000;
const PDF = new TextEncoder().encode("%PDF-1.7\n%%EOF\n");

interface Described {
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
}
const document: Described = JSON.parse(readFileSync(new URL("../../functions/docs/openapi.json", import.meta.url), "utf8"));
const checked = new Set<string>();

/** Returns what a schema of orval makes of a body. It fails if the body does not match, and omits fields that it does not know. */
function parsed(operation: string, kind: "Body" | "Response", body: unknown): unknown {
  const name = operation.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase()) + kind;
  const schema = new Map<string, unknown>(Object.entries(schemas)).get(name);
  assert(schema instanceof ZodType, `orval has generated no ${name}`);
  checked.add(name);
  return schema.parse(body);
}

const checks: Middleware = {
  async onRequest({ request, schemaPath }) {
    const operation = document.paths[schemaPath]?.[request.method.toLowerCase()];
    assert(operation);
    if (request.body === null) return;
    const body: unknown = await request.clone().json();
    assert.deepEqual(parsed(operation.operationId, "Body", body), body, "a field would be lost");
  },
  async onResponse({ request, response, schemaPath }) {
    const operation = document.paths[schemaPath]?.[request.method.toLowerCase()];
    assert(operation);
    // Of several statuses, orval takes the first.
    const [status] = Object.keys(operation.responses);
    const text = await response.clone().text();
    if (String(response.status) !== status || text === "") return;
    const body: unknown = JSON.parse(text);
    assert.deepEqual(parsed(operation.operationId, "Response", body), body, "a field of the response is not described");
  },
};

function client(token?: string) {
  const made = createClient<paths>({ baseUrl, headers: token === undefined ? {} : { Authorization: `Bearer ${token}` } });
  made.use(checks);
  return made;
}

/** Returns the body of a successful response. */
function success<T>({ data, error, response }: { data?: T; error?: Refusal; response: Response }): T {
  assert(response.ok && data !== undefined, `${response.url} returned ${response.status}: ${JSON.stringify(error)}`);
  return data;
}

/** Returns the problem code of a response with the expected error status. */
function problemCode({ error, response }: { error?: Refusal; response: Response }, status: number): string | undefined {
  assert.equal(response.status, status, `${response.url}: ${JSON.stringify(error)}`);
  return codeOfProblem(error);
}

/** Polls until the probe returns a value, for things that happen asynchronously. */
async function eventually<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + TIMEOUT_MS; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const found = await probe();
    if (found !== undefined) return found;
  }
  throw new Error(`timeout after ${TIMEOUT_MS} ms: ${what}`);
}

async function register(role: "patient" | "doctor", lastName: string) {
  const name = `${MARKER}.${randomUUID()}`;
  // As it is typed. Responses have the domain in ASCII, and so has the recipient of mails.
  const typedEmail = `${name}@münchen.example`;
  const body = { email: typedEmail, password: PASSWORD, first_name: "Jane", last_name: lastName, role };
  const user = success(await client().POST("/api/accounts/register/", { body }));
  assert("tokens" in user, "the test stack must reveal registered addresses (RevealRegisteredEmail)");
  const email = `${name}@xn--mnchen-3ya.example`;
  assert.deepEqual([user.role, user.email], [role, email]);
  return { typedEmail, email, id: user.pk, tokens: user.tokens, api: client(user.tokens.access) };
}

/** Registers a doctor with a profile, who is in the directory. */
async function registerDoctor(lastName: string) {
  const doctor = await register("doctor", lastName);
  const body = { specialization: "Cardiology", license_number: `${MARKER}-1`, years_of_experience: 12 };
  success(await doctor.api.POST("/api/accounts/profile-create/", { body }));
  return doctor;
}

/** Returns the TOTP code (RFC 6238) of the given number of 30-second steps from now. */
function totpCode(secret: string, steps: number): string {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const digest = createHmac("sha1", key).update(step).digest();
  return String((digest.readUInt32BE((digest.at(-1) ?? 0) & 15) & 0x7fff_ffff) % 1_000_000).padStart(6, "0");
}

const lastName = `${MARKER}${randomUUID().slice(0, 8)}`;
const doctor = await registerDoctor(lastName);
const doctorsProfile = success(await doctor.api.PATCH("/api/accounts/profile-update/", { body: { years_of_experience: 13 } }));
assert(doctorsProfile.role === "doctor");
assert.deepEqual([doctorsProfile.specialization, doctorsProfile.years_of_experience], ["Cardiology", 13]);
const patient = await register("patient", MARKER);
success(await patient.api.POST("/api/accounts/profile-create/", { body: { date_of_birth: "1985-04-12", gender: "female" } }));
const profile = success(await patient.api.PATCH("/api/accounts/profile-update/", { body: { address: `${MARKER} Lane 1` } }));
assert(profile.role === "patient");
assert.deepEqual([profile.address, profile.date_of_birth, profile.gender], [`${MARKER} Lane 1`, "1985-04-12", "female"]);

// The patient finds the doctor, and creates a record with two requests and one idempotency key.
const found = await eventually("the doctor is in the directory", async () => {
  const page = success(await patient.api.GET("/api/accounts/doctors/", { params: { query: { search: lastName, specialization: "Cardiology" } } }));
  return page.results[0];
});
assert.equal(found.pk, doctor.id);
const creation = {
  params: { header: { "Idempotency-Key": `"${randomUUID()}"` } },
  body: {
    doctor: found.pk,
    record_type: "lab_result" as const,
    description: `${MARKER} blood count`,
    files: [{ name: `${MARKER}.pdf`, content_type: "application/pdf" as const, size_bytes: PDF.length }],
  },
};
const created = success(await patient.api.POST("/api/records/patient/", creation));
const again = await patient.api.POST("/api/records/patient/", creation);
assert.equal(again.response.headers.get("Idempotent-Replayed"), "true");
assert.equal(success(again).id, created.id);

const upload = created.files[0]?.upload;
assert(upload, "a new file must have an upload URL");
const uploaded = await fetch(upload.url, { method: upload.method, headers: upload.headers, body: PDF });
assert.equal(uploaded.status, 200);

// The doctor is notified, reads, downloads and annotates.
const path = { id: created.id };
const unread = success(await doctor.api.GET("/api/notifications/", { params: { query: { is_read: false } } }));
assert.equal(unread.results[0]?.notification_type, "patient_assigned");
assert.equal(unread.results[0]?.record?.id, created.id);
const available = await eventually("the file is available", async () => {
  const record = success(await doctor.api.GET("/api/records/doctor/{id}/", { params: { path } }));
  return record.files[0]?.file ? record.files[0] : undefined;
});
const download = success(
  await doctor.api.GET("/api/records/files/{id}/download/", {
    params: { path: { id: available.id } },
    headers: { Accept: "application/json" },
  }),
);
assert.deepEqual(new Uint8Array(await (await fetch(download.url)).arrayBuffer()), PDF);
const note = success(
  await doctor.api.POST("/api/records/doctor/annotations/", { body: { record: created.id, note: `${MARKER} all is well` } }),
);
assert.equal(note.record, created.id);

// The patient reads the annotation and updates the record, unless it has changed meanwhile.
const read = await patient.api.GET("/api/records/patient/{id}/", { params: { path } });
assert.equal(success(read).annotations[0]?.note, note.note);
const tag = read.response.headers.get("ETag");
assert(tag);
const change = { params: { path, header: { "If-Match": tag } }, body: { description: `${MARKER} blood count, explained` } };
success(await patient.api.PATCH("/api/records/patient/{id}/", change));
assert.equal(problemCode(await patient.api.PATCH("/api/records/patient/{id}/", change), 412), "precondition_failed");
const wrong = await patient.api.POST("/api/records/patient/", { body: { ...creation.body, doctor: patient.id } });
problemCode(wrong, 400);
assert(wrong.error && "errors" in wrong.error);
assert.equal(wrong.error.errors?.[0]?.field, "doctor");

const inbox = success(await patient.api.GET("/api/notifications/", { params: { query: {} } }));
const news = inbox.results.find((notification) => notification.notification_type === "record_annotated");
assert(news);
assert.equal(success(await patient.api.GET("/api/notifications/{id}/", { params: { path: { id: news.id } } })).is_read, true);
const marked = await patient.api.POST("/api/notifications/mark-all-read/");
assert.equal(marked.response.status, 200);

// The doctor corrects the note. The patient deletes the file, finds the record by its time, and assigns it to another doctor.
const correction = { params: { path: { id: note.id } }, body: { note: `${MARKER} all is well, but come again in May` } };
assert.equal(success(await doctor.api.PATCH("/api/records/doctor/annotations/{id}/", correction)).note, correction.body.note);
const deleted = await patient.api.DELETE("/api/records/files/{id}/", { params: { path: { id: available.id } } });
assert.equal(deleted.response.status, 204);
for (const created_after of [created.created_at, created.created_at.slice(0, "2026-03-01".length)]) {
  const listed = success(await patient.api.GET("/api/records/patient/", { params: { query: { created_after } } }));
  assert.deepEqual(listed.results.map(({ id, files }) => [id, files]), [[created.id, []]]);
}
const other = await registerDoctor(`${MARKER}${randomUUID().slice(0, 8)}`);
const moved = success(await patient.api.PATCH("/api/records/patient/{id}/", { params: { path }, body: { doctor: other.id } }));
assert.equal(moved.doctor?.pk, other.id);
assert.equal(success(await other.api.GET("/api/records/doctor/{id}/", { params: { path } })).annotations[0]?.note, correction.body.note);
assert.equal(problemCode(await doctor.api.GET("/api/records/doctor/{id}/", { params: { path } }), 404), "not_found");
assert.equal((await patient.api.DELETE("/api/notifications/delete-all/")).response.status, 204);
assert.deepEqual(success(await patient.api.GET("/api/notifications/", { params: { query: {} } })).results, []);

// The patient refreshes the tokens and signs out.
const tokens = success(await client().POST("/api/accounts/token/refresh/", { body: { refresh: patient.tokens.refresh } }));
const renewed = client(tokens.access);
assert.equal(success(await renewed.GET("/api/accounts/me/")).email, patient.email);
assert.equal((await renewed.POST("/api/accounts/logout/")).response.status, 204);
assert.equal(problemCode(await renewed.GET("/api/accounts/me/"), 401), "token_not_valid");

// The patient signs in again and sets up a second factor, which the next sign-in requires.
const credentials = { email: patient.typedEmail, password: PASSWORD };
const signedIn = client(success(await client().POST("/api/accounts/login/", { body: credentials })).tokens.access);
const confirmation = await eventually("the mail that confirms the address", async () => {
  const mails: { to: string[]; text: string }[] = await (await fetch(mailsUrl)).json();
  return mails.find((mail) => mail.to.includes(patient.email) && mail.text.includes("/verify-email#token="));
});
const token = /#token=(\S+)/.exec(confirmation.text)?.[1];
assert(token !== undefined);
success(await signedIn.POST("/api/accounts/verify-email/", { body: { token } }));
const { secret, otpauth_url } = success(await signedIn.POST("/api/accounts/second-factor/setup/", { body: { password: PASSWORD } }));
assert.equal(new URL(otpauth_url).searchParams.get("secret"), secret);
const { recovery_codes } = success(await signedIn.POST("/api/accounts/second-factor/confirm/", { body: { code: totpCode(secret, 0) } }));

async function mfaToken(): Promise<string> {
  const half = await client().POST("/api/accounts/login/", { body: credentials });
  assert.equal(problemCode(half, 401), "mfa_required");
  assert(half.error && "mfa_token" in half.error && half.error.mfa_token !== undefined);
  return half.error.mfa_token;
}

// Each code works once, so this is the next one. So does each token between password and code.
const byApp = { mfa_token: await mfaToken(), code: totpCode(secret, 1) };
const whole = success(await client().POST("/api/accounts/login/second-factor/", { body: byApp }));
assert.equal(whole.pk, patient.id);
assert.equal(problemCode(await client().POST("/api/accounts/login/second-factor/", { body: byApp }), 401), "mfa_token_not_valid");
const sameCode = { ...byApp, mfa_token: await mfaToken() };
assert.equal(problemCode(await client().POST("/api/accounts/login/second-factor/", { body: sameCode }), 401), "code_already_used");

// Without the app, the patient signs in with a recovery code, and removes the second factor with another one.
const [firstRecoveryCode, secondRecoveryCode] = recovery_codes;
assert(firstRecoveryCode !== undefined && secondRecoveryCode !== undefined);
const byRecoveryCode = { mfa_token: await mfaToken(), recovery_code: firstRecoveryCode };
const { tokens: last } = success(await client().POST("/api/accounts/login/second-factor/", { body: byRecoveryCode }));
const removal = { body: { password: PASSWORD, recovery_code: secondRecoveryCode } };
assert.equal((await client(last.access).POST("/api/accounts/second-factor/disable/", removal)).response.status, 204);
success(await client().POST("/api/accounts/login/", { body: credentials }));
assert(checked.size > 30, `these were checked: ${[...checked].join(", ")}`);
