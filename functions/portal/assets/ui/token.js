// Tokens from mails, which come with the link or are typed.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { texts } from "../texts.js";

/** Mail programs break long lines. @param {string} typed */
export const withoutBlanks = (typed) => typed.replaceAll(/\s/g, "");

/** A field for the token. @param {import("./form.js").Form} form @param {string} [value] */
export const tokenInput = (form, value) => form.input({ name: "token", label: texts.token.label, hint: texts.token.hint, value });

/**
 * A field for the token, if the link had none; an error of it in any case.
 * @param {import("./form.js").Form} form
 * @param {string | null} token
 */
export const tokenField = (form, token) => {
	if (token === null) return tokenInput(form);
	if (!form.errors.has("token")) return nothing;
	form.labels.set("token", texts.token.label);
	return html`<p id=${form.idOf("token")} tabindex="-1">${texts.token.refused}</p>`;
};
