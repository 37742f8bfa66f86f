// Who is signed in. The access token is kept in memory alone; the refresh token is in a cookie that scripts cannot read. All tabs
// share one session: one of them renews the access token at a time, and tells the others.

import { restoreLanguage } from "./language.js";

/** @typedef {import("../../../tests/client/schema.ts").components["schemas"]} Schemas */
/** @typedef {{ id: string, role: Schemas["Role"] }} User */
/** @typedef {{ kind: "renewed", access: string } | { kind: "ended" }} Message */

// Only says that there may be a session; without it, no request is made in vain.
const HINT = "session";
const EARLY_MS = 30_000;
const MESSAGE_MS = 50;

const channel = new BroadcastChannel("session");
/** @type {string | null} */
let access = null;
/** @type {User | null} */
let user = null;
let validUntil = 0;
/** @type {() => Promise<{ access: string }>} */
let refresh;
/** @type {() => Promise<boolean>} */
let askToSignIn = async () => false;
/** @type {Promise<boolean> | null} */
let asking = null;

/** @param {string} token */
const claimsOf = (token) => {
	const [, payload = ""] = token.split(".");
	return JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
};

/** @param {string} token */
const adopt = (token) => {
	const claims = claimsOf(token);
	access = token;
	// The clock of this machine may be wrong, but measures time well.
	validUntil = Date.now() + (claims.exp - claims.iat) * 1000 - EARLY_MS;
	user = { id: claims.sub, role: claims.role };
};

const forget = () => {
	access = null;
	user = null;
	localStorage.removeItem(HINT);
};

/** @param {Message} message */
const tell = (message) => channel.postMessage(message);

/**
 * Renews the access token, unless another tab or request has done so since it was `old`.
 * @param {string | null} old
 * @returns {Promise<string | null>} null if there is no session any more
 */
const renew = async (old) => {
	const work = async () => {
		if (access !== old && access !== null) return access;
		try {
			const tokens = await refresh();
			adopt(tokens.access);
			tell({ kind: "renewed", access: tokens.access });
			return access;
		} catch (error) {
			const status = /** @type {{ status?: number }} */ (error).status;
			if (status !== 401 && status !== 400 && status !== 403) throw error;
			access = null;
			return null;
		}
	};
	const done = await navigator.locks.request("refresh", { ifAvailable: true }, async (lock) => (lock === null ? undefined : { token: await work() }));
	if (done !== undefined) return done.token;
	return navigator.locks.request("refresh", async () => {
		// Its message may still be on its way.
		await new Promise((resolve) => setTimeout(resolve, MESSAGE_MS));
		return work();
	});
};

/** Returns the token after a sign-in in place, where the page and its forms stay; null if people do not sign in. */
const signedInAgain = async () => {
	const before = user?.id;
	asking ??= askToSignIn().finally(() => {
		asking = null;
	});
	if (!(await asking) || access === null) return null;
	// Another person must not go on with this page.
	if (user?.id !== before) {
		location.assign("/");
		return new Promise(() => {});
	}
	return access;
};

channel.addEventListener("message", ({ data }) => {
	const message = /** @type {Message} */ (data);
	if (message.kind === "ended") {
		if (user === null) return;
		forget();
		location.assign("/sign-in");
	} else {
		const before = user;
		adopt(message.access);
		// Another person's pages must not stay.
		if (before !== null && before.id !== user?.id) location.assign("/");
		// Other pages may have forms, which a reload would empty.
		if (before === null && ["/", "/sign-in"].includes(location.pathname)) location.reload();
	}
});

export const session = {
	/** The person who is signed in, if any. */
	get user() {
		return user;
	},

	/** @param {typeof refresh} operation */
	useRefresh(operation) {
		refresh = operation;
	},

	/** @param {typeof askToSignIn} ask */
	useSignIn(ask) {
		askToSignIn = ask;
	},

	/** Goes on with the session of this browser, if there is one. */
	async resume() {
		if (access !== null || localStorage.getItem(HINT) === null) return;
		if ((await renew(null)) === null) forget();
	},

	/** @param {string} token */
	begin(token) {
		adopt(token);
		localStorage.setItem(HINT, "begun");
		tell({ kind: "renewed", access: token });
	},

	/** Leaves nothing of the session in any tab. */
	end() {
		forget();
		restoreLanguage();
		tell({ kind: "ended" });
		location.assign("/sign-in");
	},

	/**
	 * Returns an access token that is valid for some time; null if the session has ended and people do not sign in.
	 * @returns {Promise<string | null>}
	 */
	async token() {
		if (access !== null && Date.now() < validUntil) return access;
		return session.renewed(access);
	},

	/**
	 * Returns another access token than one that was refused; if the session has ended, after a new sign-in, or null without one.
	 * @param {string | null} old
	 * @returns {Promise<string | null>}
	 */
	async renewed(old) {
		return (await renew(old)) ?? signedInAgain();
	},
};
