// Pages by their paths, with the browser's history.

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { ApiError } from "./api.js";
import { keepDrafts, restoreDrafts } from "./drafts.js";
import { session } from "./session.js";
import { texts } from "./texts.js";
import { closeDialogs } from "./ui/dialog.js";

/** @typedef {import("./vendor/lit-html/lit-html.js").TemplateResult} Template */
/**
 * `isNarrow`: for forms. `actions`: beside the heading. `back`: the list from which people come.
 * @typedef {{ title: string, heading?: unknown, actions?: unknown, back?: { path: string, text: string }, body: unknown, isNarrow?: boolean }} View
 */
/**
 * What a page gets when it is opened. `show` draws it, and does nothing once the page was left. `kept` stays with the entry of the
 * history, for when people come back.
 * @typedef {{ params: string[], query: URLSearchParams, token: string | null, show: (view: View) => void, kept: Record<string, any> }} Context
 */
/** @typedef {(context: Context) => Promise<void> | void} Page */
/** @typedef {{ path: RegExp, load: () => Promise<{ open: Page }>, access: "anyone" | "user" | "member" }} Route */

const PROGRESS_MS = 300;

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** @type {Map<string, Record<string, any>>} */
const keptByEntry = new Map();
/** @type {Route[]} */
let routes = [];
/** @type {Route} */
let unknown;
/** What admins find in place of pages about records. @type {Route} */
let forAdmins;
/** @type {() => void} */
let onOpened = () => {};
let opened = 0;
let openedPath = location.pathname;

/** @param {View} view */
const layout = ({ title, heading, actions = nothing, back, body, isNarrow = false }) => html`
	<div class=${isNarrow ? "page narrow" : "page"}>
		${back ? html`<p class="back no-print"><a href=${back.path}><span aria-hidden="true">← </span>${back.text}</a></p>` : nothing}
		<div class="page-head"><h1 tabindex="-1">${heading ?? title}</h1>${actions}</div>
		${body}
	</div>`;

/** The page of an error that leaves nothing to show. @param {unknown} error @returns {View} */
const failure = (error) => {
	if (!(error instanceof ApiError)) console.error(error);
	const isMissing = error instanceof ApiError && error.code === "not_found";
	return {
		title: isMissing ? texts.notFound.title : texts.failed.title,
		isNarrow: true,
		body: html`
			<p>${isMissing ? texts.notFound.text : error instanceof ApiError ? texts.problem(error) : texts.failed.text}</p>
			${isMissing
				? html`<p><a href="/">${texts.notFound.back}</a></p>`
				: html`<button type="button" @click=${() => openCurrent()}>${texts.failed.again}</button>`}`,
	};
};

const entryKey = () => /** @type {{ key?: string } | null} */ (history.state)?.key ?? "first";

/** Tokens from mails are taken out of the address bar, the history and whatever copies them. */
const takeToken = () => {
	const token = new URLSearchParams(location.hash.slice(1)).get("token");
	if (token !== null) history.replaceState(history.state, "", location.href.split("#")[0]);
	return token;
};

/** @param {boolean} isFirst */
const openCurrent = async (isFirst = false) => {
	closeDialogs();
	keepDrafts(main, openedPath);
	openedPath = location.pathname;
	opened += 1;
	const turn = opened;
	const token = takeToken();
	const path = location.pathname.length > 1 ? location.pathname.replace(/\/$/, "") : "/";
	let route = routes.find((each) => each.path.test(path)) ?? unknown;
	const kept = keptByEntry.get(entryKey()) ?? {};
	keptByEntry.set(entryKey(), kept);
	let isDrawn = false;

	/** @param {View} view */
	const show = (view) => {
		if (turn !== opened) return;
		if (!isDrawn) render(nothing, main);
		render(layout(view), main);
		document.title = `${view.title} – ${texts.brand}`;
		if (isDrawn) return;
		isDrawn = true;
		main.removeAttribute("aria-busy");
		restoreDrafts(main);
		scrollTo(0, kept["scroll"] ?? 0);
		if (!isFirst) main.querySelector("h1")?.focus({ preventScroll: true });
	};

	const progress = setTimeout(() => {
		if (turn === opened && !isDrawn) main.setAttribute("aria-busy", "true");
	}, PROGRESS_MS);
	try {
		// Without a response, those pages are for people who are not signed in.
		const resumed = route.access === "anyone" ? session.resume().catch(() => {}) : session.resume();
		const [page] = await Promise.all([load(route), resumed]);
		if (turn !== opened) return;
		if (route.access !== "anyone" && session.user === null) {
			navigate(`/sign-in?next=${encodeURIComponent(path + location.search)}`, { replace: true });
			return;
		}
		if (route.access === "member" && session.user?.role === "admin") {
			route = forAdmins;
		}
		onOpened();
		const params = (route.path.exec(path) ?? []).slice(1);
		const { open } = route === forAdmins ? await load(route) : page;
		await open({ params, query: new URLSearchParams(location.search), token, show, kept });
	} catch (error) {
		if (turn === opened) onOpened();
		isDrawn = false;
		show(failure(error));
	} finally {
		clearTimeout(progress);
	}
};

/** Whether the service has another version of the client by now, without the modules of this one. */
const isReplaced = async () => {
	try {
		const response = await fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-cache" });
		return response.ok && !(await response.text()).includes(new URL(".", import.meta.url).pathname);
	} catch {
		return false;
	}
};

/** @param {Route} route */
const load = async (route) => {
	try {
		return await route.load();
	} catch (error) {
		if (!(await isReplaced())) throw error;
		location.reload();
		// The page is left.
		return new Promise(() => {});
	}
};

const keepScroll = () => {
	const kept = keptByEntry.get(entryKey());
	if (kept) kept["scroll"] = scrollY;
};

/** @param {string} path @param {{ replace?: boolean }} [options] */
export const navigate = (path, { replace = false } = {}) => {
	keepScroll();
	if (replace) history.replaceState({ key: crypto.randomUUID() }, "", path);
	else history.pushState({ key: crypto.randomUUID() }, "", path);
	openCurrent();
};

/** Opens the present page once more, as it is now. */
export const reload = () => {
	keepScroll();
	openCurrent();
};

/** @param {MouseEvent} event */
const followLink = (event) => {
	const link = /** @type {Element} */ (event.target).closest?.("a");
	if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
	if (link.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return;
	if (link.hash !== "" && link.pathname === location.pathname) {
		event.preventDefault();
		document.getElementById(link.hash.slice(1))?.focus();
		return;
	}
	if (/^\/(api|admin|problems|assets)\b/.test(link.pathname)) return;
	event.preventDefault();
	navigate(link.pathname + link.search + link.hash);
};

/** @param {{ routes: Route[], unknown: Route, forAdmins: Route, onOpened: () => void }} options */
export const start = (options) => {
	({ routes, unknown, forAdmins, onOpened } = options);
	history.scrollRestoration = "manual";
	addEventListener("popstate", () => openCurrent());
	// Links in mails may be pasted into the address bar of an open page.
	addEventListener("hashchange", () => {
		if (location.hash.includes("token=")) openCurrent();
	});
	addEventListener("scrollend", keepScroll);
	document.addEventListener("click", followLink);
	return openCurrent(true);
};
