// Asking for a mail with which a password is set.

import { html } from "../vendor/lit-html/lit-html.js";
import { requestPasswordReset } from "../api.js";
import { people } from "../format.js";
import { texts } from "../texts.js";
import { Form } from "../ui/form.js";

/** @type {import("../router.js").Page} */
export const open = ({ show }) => {
	const t = texts.forgotPassword;
	let mailedTo = "";
	const form = new Form(
		() => update(),
		async ({ email = "" }) => {
			await requestPasswordReset({ email });
			mailedTo = email;
		},
	);
	const update = () =>
		show({
			title: t.title,
			isNarrow: true,
			body: html`
				<div class="card">
					${mailedTo
						? html`<p role="status">${t.mailed(people(mailedTo))}</p>`
						: html`<p>${t.text}</p>${form.view(form.input({ name: "email", label: texts.email, type: "email", autocomplete: "username" }), t.action)}`}
				</div>
				<p class="beside"><a href="/sign-in">${t.back}</a></p>`,
		});
	update();
};
