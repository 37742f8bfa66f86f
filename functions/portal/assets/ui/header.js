// What is above every page: where people can go, what is new, and who they are.

import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { countUnread, me, signOut } from "../api.js";
import { fullName, people } from "../format.js";
import { chooseLanguage, language, languageNames } from "../language.js";
import { session } from "../session.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Schemas} Schemas */

const FRESH_MS = 60_000;

const element = /** @type {HTMLElement} */ (document.getElementById("header"));
/** @type {Promise<Schemas["Me"]> | null} */
let account = null;
/** @type {Schemas["Me"] | null} */
let person = null;
let unread = 0;
let countedAt = 0;

/** Returns the account of whoever is signed in, read once. */
export const ownAccount = () => {
	account ??= me().then((read) => {
		person = read;
		drawHeader();
		return read;
	});
	account.catch(() => {
		account = null;
	});
	return account;
};

/** Reads the account once more, after it was changed. */
export const refreshAccount = () => {
	account = null;
	return ownAccount();
};

/** @param {{ now?: boolean }} [options] */
export const refreshUnread = async ({ now = true } = {}) => {
	if (!now && Date.now() - countedAt < FRESH_MS) return;
	countedAt = Date.now();
	try {
		unread = (await countUnread()).unread_count;
		drawHeader();
	} catch {
		// The number is an extra; the next page counts again.
	}
};

const leave = async () => {
	// Whatever the server says, nothing stays here.
	await signOut().catch(() => {});
	session.end();
};

/** @param {Event} event */
const choose = (event) => chooseLanguage(/** @type {HTMLSelectElement} */ (event.target).value);

const languageChoice = () => html`
	<label class="language"><span class="visually-hidden">${texts.language}</span>
		<select name="language" @change=${choose}>
			${Object.entries(languageNames).map(([value, name]) => html`<option value=${value} lang=${value} ?selected=${value === language}>${name}</option>`)}
		</select>
	</label>`;

/** @param {string} path @param {string} text */
const link = (path, text) => html`<li><a href=${path} aria-current=${location.pathname === path ? "page" : nothing}>${text}</a></li>`;

const menu = () => html`
	<details class="menu" id="menu">
		<summary><span class="icon icon-person"></span> <span class="visually-hidden">${texts.nav.account}</span> <span class="wide-only">${person ? people(fullName(person)) : nothing}</span></summary>
		<ul>
			${link("/profile", texts.nav.profile)}
			${link("/security", texts.nav.security)}
			${link("/access-log", texts.nav.accessLog)}
			<li>${languageChoice()}</li>
			<li><button type="button" class="plain" @click=${leave}>${texts.nav.signOut}</button></li>
		</ul>
	</details>`;

export const drawHeader = () => {
	const { user } = session;
	if (user === null) {
		account = person = null;
		unread = countedAt = 0;
	}
	const badge = unread > 99 ? "99+" : String(unread);
	render(
		html`
			<nav class="container" aria-label=${texts.nav.main}>
				<a class="brand" href="/"><span class="icon icon-cross"></span> ${texts.brand}</a>
				<ul>
					${user === null
						? html`<li>${languageChoice()}</li>`
						: html`
							${user.role === "admin" ? nothing : html`<li class="wide-only"><a href="/records" aria-current=${location.pathname === "/records" ? "page" : nothing}>${texts.nav.records}</a></li>`}
							<li><a class="bell" href="/notifications" aria-current=${location.pathname === "/notifications" ? "page" : nothing} aria-label=${texts.nav.unread(unread)}
								><span class="icon icon-bell"></span>${unread > 0 ? html`<span class="badge">${badge}</span>` : nothing}</a></li>
							<li>${menu()}</li>`}
				</ul>
			</nav>
			${person?.email_bounced ? html`<div class="notice warning container" role="note">${texts.bounced} <a href="/security">${texts.bouncedAction}</a></div>` : nothing}`,
		element,
	);
};

/** @param {Event | null} event */
const closeMenu = (event) => {
	const open = /** @type {HTMLDetailsElement | null} */ (document.getElementById("menu"));
	if (open?.open && !(event && open.contains(/** @type {Node} */ (event.target)))) open.open = false;
};

/** The header of a page that has just been opened. */
export const openHeader = () => {
	closeMenu(null);
	drawHeader();
	if (session.user === null) return;
	ownAccount().catch(() => {});
	refreshUnread({ now: false });
};

document.addEventListener("click", closeMenu);
document.addEventListener("keydown", (event) => {
	if (event.key !== "Escape") return;
	const open = /** @type {HTMLDetailsElement | null} */ (document.getElementById("menu"));
	if (open?.open) open.querySelector("summary")?.focus();
	closeMenu(null);
});
document.addEventListener("visibilitychange", () => {
	if (!document.hidden && session.user !== null) refreshUnread({ now: false });
});
