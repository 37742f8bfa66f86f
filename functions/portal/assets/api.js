// The requests to the API, one function per operation. Paths, bodies and responses are checked against the OpenAPI document:
// see tests/client/tsconfig.portal.json. Nothing else fetches from the API.

import { session } from "./session.js";

/** @typedef {import("../../../tests/client/schema.ts").paths} Paths */
/** @typedef {import("../../../tests/client/schema.ts").components["schemas"]} Schemas */
/** @typedef {"get" | "post" | "patch" | "delete"} Method */
/**
 * @template T
 * @typedef {T extends { requestBody?: { content: { "application/json": infer Body } } } ? Body : undefined} Body
 */
/**
 * @template T
 * @typedef {T extends { parameters: { query?: infer Query } } ? Query : undefined} Query
 */
/**
 * @template T
 * @typedef {T extends { responses: infer Responses } ? { [Status in keyof Responses & (200 | 201 | 202 | 204)]:
 *   Responses[Status] extends { content: { "application/json": infer Content } } ? Content : null }[keyof Responses & (200 | 201 | 202 | 204)] : never} Content
 */
/**
 * `id`: the one in the path. `key`: makes a repeated request have one effect. `version`: of the object that is changed.
 * `cookies`: the refresh and device tokens travel in cookies that scripts cannot read.
 * @template Operation
 * @typedef {{ body?: Body<Operation>, query?: Query<Operation>, id?: string, key?: string, version?: number, cookies?: boolean, isAnonymous?: boolean, keepalive?: boolean }} Input
 */
/** @typedef {Pick<Schemas["RefusedField"], "field" | "code" | "message">} FieldError */

const TIMEOUT_MS = 30_000;

/** A request that was refused or has failed. `code` is that of the problem, or `network`. */
export class ApiError extends Error {
	/** @param {{ status: number, code: string, detail: string, errors?: FieldError[], retryAfter?: number, requestId?: string, mfaToken?: string }} parts */
	constructor({ status, code, detail, errors = [], retryAfter, requestId, mfaToken }) {
		super(detail);
		this.status = status;
		this.code = code;
		this.errors = errors;
		this.retryAfter = retryAfter;
		this.requestId = requestId;
		this.mfaToken = mfaToken;
	}

	/**
	 * Returns the error of a field, if it is among the refused ones.
	 * @param {string} name
	 */
	field(name) {
		return this.errors.find((error) => error.field === name);
	}
}

/** An error of a field that needs no request. @param {string} field @param {string} message */
export const refusedField = (field, message) =>
	new ApiError({ status: 0, code: "validation_failed", detail: "", errors: [{ field, code: "refused_here", message }] });

// A response of the gateway itself has no code.
const CODES_BY_STATUS = new Map([[413, "payload_too_large"], [429, "too_many_attempts"], [503, "unavailable"]]);

/** @param {string} text @returns {any} */
const parsed = (text) => {
	try {
		return JSON.parse(text);
	} catch {
		return {};
	}
};

/** @param {Response} response @param {string} text */
const problem = (response, text) => {
	const body = parsed(text);
	const retryAfter = Number(response.headers.get("Retry-After"));
	return new ApiError({
		status: response.status,
		code: body.code ?? CODES_BY_STATUS.get(response.status) ?? "internal_error",
		detail: body.detail ?? body.message ?? response.statusText,
		errors: body.errors,
		retryAfter: retryAfter > 0 ? retryAfter : undefined,
		requestId: body.request_id ?? response.headers.get("X-Request-Id") ?? undefined,
		mfaToken: body.mfa_token,
	});
};

/**
 * @template {keyof Paths} Path
 * @template {Method & keyof Paths[Path]} Verb
 * @param {Verb} method
 * @param {Path} path
 * @param {Input<Paths[Path][Verb]>} [input]
 * @returns {Promise<Content<Paths[Path][Verb]>>}
 */
const call = async (method, path, { body, query, id, key, version, cookies, isAnonymous, keepalive } = {}) => {
	const url = new URL(path.replace("{id}", id ?? ""), location.origin);
	for (const [name, value] of Object.entries(query ?? {})) {
		if (value !== undefined && value !== "") url.searchParams.set(name, String(value));
	}
	/** @type {Record<string, string>} */
	const headers = { Accept: "application/json" };
	if (body !== undefined) headers["Content-Type"] = "application/json";
	if (key !== undefined) headers["Idempotency-Key"] = key;
	if (version !== undefined) headers["If-Match"] = `"${version}"`;
	if (cookies) headers["Token-Transport"] = "cookie";

	/** @param {string | null} token */
	const send = async (token) => {
		if (token !== null) headers["Authorization"] = `Bearer ${token}`;
		const options = { method: method.toUpperCase(), headers, body: body === undefined ? null : JSON.stringify(body), keepalive: keepalive === true };
		try {
			const response = await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS), credentials: cookies ? "same-origin" : "omit" });
			// The connection may be lost, or the page left, in the middle of the body, too.
			return { response, text: await response.text() };
		} catch (error) {
			throw new ApiError({ status: 0, code: "network", detail: String(error) });
		}
	};

	const signedOut = () => new ApiError({ status: 401, code: "signed_out", detail: "" });
	let token = isAnonymous ? null : await session.token();
	if (token === null && !isAnonymous) throw signedOut();
	let { response, text } = await send(token);
	// Ended in between: the person signs in again, and nothing that was typed is lost.
	if (response.status === 401 && token !== null) {
		token = await session.renewed(token);
		if (token === null) throw signedOut();
		({ response, text } = await send(token));
	}
	if (!response.ok) throw problem(response, text);
	return JSON.parse(text === "" ? "null" : text);
};

/**
 * Returns the cursor of the next page of a list, or none after the last one.
 * @param {{ next: string | null }} page
 */
export const nextCursor = ({ next }) => (next === null ? undefined : new URL(next, location.origin).searchParams.get("cursor") ?? undefined);

const anonymous = /** @type {const} */ ({ isAnonymous: true });
const withCookies = /** @type {const} */ ({ isAnonymous: true, cookies: true });

// Accounts

/** @param {Schemas["RegisterRequest"]} body @param {string} key */
export const register = (body, key) => call("post", "/api/accounts/register/", { body, key, ...withCookies });
/** @param {Schemas["LoginRequest"]} body */
export const signIn = (body) => call("post", "/api/accounts/login/", { body, ...withCookies });
/** @param {Schemas["CompleteLoginRequest"]} body */
export const completeSignIn = (body) => call("post", "/api/accounts/login/second-factor/", { body, ...withCookies });
/** @param {Schemas["SignInLinkRequest"]} body */
export const requestSignInLink = (body) => call("post", "/api/accounts/login/link/", { body, ...withCookies });
/** @param {Schemas["TokenRequest"]} body */
export const confirmDevice = (body) => call("post", "/api/accounts/login/link/confirm/", { body, ...withCookies });
// The refresh token is in the cookie. The response sets the next one also when the page is left meanwhile.
export const refresh = () => call("post", "/api/accounts/token/refresh/", { body: {}, keepalive: true, ...withCookies });
// Also when the access token has expired: nobody is asked to sign in for a sign-out.
export const signOut = () => call("post", "/api/accounts/token/revoke/", { body: {}, ...withCookies });
/** @param {Schemas["ProofRequest"]} body */
export const signOutEverywhere = (body) => call("post", "/api/accounts/logout-all/", { body, cookies: true });
/** @param {Schemas["PasswordResetRequest"]} body */
export const requestPasswordReset = (body) => call("post", "/api/accounts/password-reset/", { body, ...withCookies });
/** @param {Schemas["NewPasswordRequest"]} body */
export const resetPassword = (body) => call("post", "/api/accounts/password-reset/confirm/", { body, ...anonymous });
/** @param {Schemas["TokenRequest"]} body */
export const readRegistration = (body) => call("post", "/api/accounts/registration/", { body, ...anonymous });
/** @param {Schemas["TokenRequest"]} body */
export const discardRegistration = (body) => call("post", "/api/accounts/registration/discard/", { body, ...anonymous });
/** With the access token if there is one: those who are signed in need no new password. @param {Schemas["VerifyEmailRequest"]} body */
export const verifyEmail = (body) => call("post", "/api/accounts/verify-email/", { body, isAnonymous: session.user === null });
export const resendVerification = () => call("post", "/api/accounts/verify-email/resend/");
/** @param {Schemas["EmailChangeRequest"]} body */
export const requestEmailChange = (body) => call("post", "/api/accounts/email-change/", { body });
/** @param {Schemas["TokenRequest"]} body */
export const changeEmail = (body) => call("post", "/api/accounts/email-change/confirm/", { body, ...anonymous });
/** @param {Schemas["TokenRequest"]} body */
export const cancelRecovery = (body) => call("post", "/api/accounts/recovery/cancel/", { body, ...anonymous });
/** @param {Schemas["TokenRequest"]} body */
export const confirmRecovery = (body) => call("post", "/api/accounts/recovery/confirm/", { body, ...anonymous });
/** @param {Schemas["ChangePasswordRequest"]} body */
export const changePassword = (body) => call("post", "/api/accounts/password-change/", { body, cookies: true });
/** @param {Schemas["SetUpSecondFactorRequest"]} body */
export const setUpSecondFactor = (body) => call("post", "/api/accounts/second-factor/setup/", { body });
/** @param {Schemas["ConfirmSecondFactorRequest"]} body */
export const confirmSecondFactor = (body) => call("post", "/api/accounts/second-factor/confirm/", { body });
/** @param {Schemas["DisableSecondFactorRequest"]} body */
export const disableSecondFactor = (body) => call("post", "/api/accounts/second-factor/disable/", { body });
export const me = () => call("get", "/api/accounts/me/");
/** @param {Schemas["NewProfile"]} body @param {string} key */
export const createProfile = (body, key) => call("post", "/api/accounts/profile-create/", { body, key });
/** @param {Schemas["ProfileChange"]} body */
export const updateProfile = (body) => call("patch", "/api/accounts/profile-update/", { body });
/** @param {{ cursor?: string }} query */
export const listSessions = (query) => call("get", "/api/accounts/sessions/", { query });
/** @param {string} id @param {Schemas["ProofRequest"]} body */
export const endSession = (id, body) => call("delete", "/api/accounts/sessions/{id}/", { id, body });
/** @param {{ cursor?: string, limit?: number }} query */
export const listAccessEvents = (query) => call("get", "/api/accounts/access-log/", { query });
/** @param {{ search?: string, cursor?: string, limit?: number }} query */
export const listDoctors = (query) => call("get", "/api/accounts/doctors/", { query });

// Notifications

/** @param {{ cursor?: string, limit?: number }} query */
export const listNotifications = (query) => call("get", "/api/notifications/", { query });
/** Marks it as read. @param {string} id */
export const readNotification = (id) => call("get", "/api/notifications/{id}/", { id });
export const countUnread = () => call("get", "/api/notifications/unread-count/");
export const markAllRead = () => call("post", "/api/notifications/mark-all-read/");
// The page may be about to be left.
export const deleteAllNotifications = () => call("delete", "/api/notifications/delete-all/", { keepalive: true });

// Records

/** @typedef {{ record_type?: Schemas["RecordType"], patient?: string, created_after?: string, created_before?: string, cursor?: string, limit?: number }} RecordFilter */
/** @param {RecordFilter} query */
export const listRecords = (query) =>
	session.user?.role === "doctor" ? call("get", "/api/records/doctor/", { query }) : call("get", "/api/records/patient/", { query });
/** @param {string} id */
export const readRecord = (id) =>
	session.user?.role === "doctor" ? call("get", "/api/records/doctor/{id}/", { id }) : call("get", "/api/records/patient/{id}/", { id });
/** @param {string} id @param {{ cursor?: string }} query */
export const listRecordVersions = (id, query) =>
	session.user?.role === "doctor"
		? call("get", "/api/records/doctor/{id}/history/", { id, query })
		: call("get", "/api/records/patient/{id}/history/", { id, query });
/** @param {string} id @param {{ cursor?: string }} query */
export const listNoteVersions = (id, query) =>
	session.user?.role === "doctor"
		? call("get", "/api/records/doctor/annotations/{id}/history/", { id, query })
		: call("get", "/api/records/patient/annotations/{id}/history/", { id, query });
/** @param {Schemas["NewRecord"]} body @param {string} key */
export const createRecord = (body, key) => call("post", "/api/records/patient/", { body, key });
/** @param {string} id @param {number} version @param {Schemas["RecordChange"]} body */
export const updateRecord = (id, version, body) => call("patch", "/api/records/patient/{id}/", { id, version, body });
/** @param {string} id @param {{ cursor?: string, limit?: number }} query */
export const listRecordAccess = (id, query) => call("get", "/api/records/patient/{id}/access-log/", { id, query });
/** @param {string} id */
export const deleteFile = (id) => call("delete", "/api/records/files/{id}/", { id });
/** @param {string} id */
export const renewUpload = (id) => call("post", "/api/records/files/{id}/upload-url/", { id });
/** Each download is in the access log of the record. @param {string} id */
export const downloadFile = (id) => call("get", "/api/records/files/{id}/download/", { id });
/** @param {Schemas["NewAnnotation"]} body @param {string} key */
export const createNote = (body, key) => call("post", "/api/records/doctor/annotations/", { body, key });
/** @param {string} id @param {Schemas["NoteChange"]} body */
export const updateNote = (id, body) => call("patch", "/api/records/doctor/annotations/{id}/", { id, body });

session.useRefresh(refresh);
