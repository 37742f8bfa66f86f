// Setting a password with the token from a mail.

import { html } from "../vendor/lit-html/lit-html.js";
import { resetPassword } from "../api.js";
import { texts } from "../texts.js";
import { Form } from "../ui/form.js";
import { tokenField, withoutBlanks } from "../ui/token.js";

/** @type {import("../router.js").Page} */
export const open = ({ token, show }) => {
	const t = texts.passwordReset;
	let isDone = false;
	const form = new Form(
		() => update(),
		async ({ token: typed = "", password = "" }) => {
			await resetPassword({ token: token ?? withoutBlanks(typed), password });
			isDone = true;
		},
	);
	const update = () =>
		show({
			title: t.title,
			isNarrow: true,
			body: isDone
				? html`<div class="card"><p role="status">${t.done}</p><p><a href="/sign-in" class="button">${texts.signIn.title}</a></p></div>`
				: html`
					<div class="card">
						${form.view(
							html`
								${tokenField(form, token)}
								${form.password({ name: "password", label: texts.newPassword, autocomplete: "new-password", hint: texts.passwordHint })}`,
							t.action,
						)}
					</div>
					<p class="beside"><a href="/forgot-password">${t.another}</a></p>`,
		});
	update();
};
