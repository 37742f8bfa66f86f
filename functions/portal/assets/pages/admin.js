// Admins work in the console, which has its own sign-in.

import { html } from "../vendor/lit-html/lit-html.js";
import { texts } from "../texts.js";

/** @type {import("../router.js").Page} */
export const open = ({ show }) =>
	show({
		title: texts.admin.title,
		isNarrow: true,
		body: html`<div class="card"><p>${texts.admin.text}</p><p><a href="/admin/" class="button">${texts.admin.action}</a></p></div>`,
	});
