// Starts the client: its pages, and what they have in common.

import { start } from "./router.js";
import { session } from "./session.js";
import { texts } from "./texts.js";
import { openHeader } from "./ui/header.js";
import { signInAbove } from "./ui/sign-in.js";

/** @typedef {import("./router.js").Route} Route */

const ID = "([0-9a-f-]{36})";

/** @param {string} path @param {Route["access"]} access @param {Route["load"]} load @returns {Route} */
const route = (path, access, load) => ({ path: new RegExp(`^${path}$`), access, load });

// The same paths as in functions/portal/src/pages.rs.
const routes = [
	route("/", "anyone", () => import("./pages/sign-in.js")),
	route("/sign-in", "anyone", () => import("./pages/sign-in.js")),
	route("/register", "anyone", () => import("./pages/register.js")),
	route("/forgot-password", "anyone", () => import("./pages/forgot-password.js")),
	route("/password-reset", "anyone", () => import("./pages/password-reset.js")),
	route("/verify-email", "anyone", () => import("./pages/verify-email.js")),
	route("/(discard-account|email-change|sign-in-link|recovery-cancel|recovery-confirm)", "anyone", () => import("./pages/mail-links.js")),
	route("/records", "member", () => import("./pages/records.js")),
	route("/records/new", "member", () => import("./pages/new-record.js")),
	route(`/records/${ID}`, "member", () => import("./pages/record.js")),
	route("/notifications", "user", () => import("./pages/notifications.js")),
	route(`/notifications/${ID}`, "user", () => import("./pages/notification.js")),
	route("/profile", "user", () => import("./pages/profile.js")),
	route("/security", "user", () => import("./pages/security.js")),
	route("/access-log", "user", () => import("./pages/access-log.js")),
];

/** @type {HTMLElement} */ (document.getElementById("skip-link")).textContent = texts.skip;
session.useSignIn(signInAbove);
start({
	routes,
	unknown: route(".*", "anyone", () => import("./pages/not-found.js")),
	forAdmins: route("", "user", () => import("./pages/admin.js")),
	onOpened: openHeader,
});
