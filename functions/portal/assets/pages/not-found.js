// Addresses at which there is nothing.

import { html } from "../vendor/lit-html/lit-html.js";
import { texts } from "../texts.js";

/** @type {import("../router.js").Page} */
export const open = ({ show }) =>
	show({ title: texts.notFound.title, isNarrow: true, body: html`<p>${texts.notFound.text}</p><p><a href="/">${texts.notFound.back}</a></p>` });
