// What mails offer and one click does: nothing happens before it, because programs follow links in mails, too.

import { html } from "../vendor/lit-html/lit-html.js";
import { cancelRecovery, changeEmail, confirmDevice, confirmRecovery, discardRegistration } from "../api.js";
import { texts } from "../texts.js";
import { Form } from "../ui/form.js";
import { tokenField, withoutBlanks } from "../ui/token.js";

/** @typedef {{ text: { title: string, text: string, action: string, done: string }, send: (body: { token: string }) => Promise<unknown>, next: string }} Action */

/** @type {Record<string, Action>} */
const ACTIONS = {
	"discard-account": { text: texts.mailLinks.discardAccount, send: discardRegistration, next: "/sign-in" },
	"sign-in-link": { text: texts.mailLinks.signInLink, send: confirmDevice, next: "/sign-in" },
	"email-change": { text: texts.mailLinks.emailChange, send: changeEmail, next: "/sign-in" },
	"recovery-cancel": { text: texts.mailLinks.cancelRecovery, send: cancelRecovery, next: "/access-log" },
	"recovery-confirm": { text: texts.mailLinks.confirmRecovery, send: confirmRecovery, next: "/sign-in" },
};

/** @type {import("../router.js").Page} */
export const open = ({ params: [name = ""], token, show }) => {
	const action = ACTIONS[name];
	if (!action) return;
	const { text, send, next } = action;
	let isDone = false;
	const form = new Form(
		() => update(),
		async ({ token: typed = "" }) => {
			await send({ token: token ?? withoutBlanks(typed) });
			isDone = true;
		},
	);
	const update = () =>
		show({
			title: text.title,
			isNarrow: true,
			body: html`
				<div class="card">
					${isDone
						? html`<p role="status">${text.done}</p><p><a href=${next} class="button">${texts.proceed}</a></p>`
						: html`<p>${text.text}</p>${form.view(tokenField(form, token), text.action)}`}
				</div>`,
		});
	update();
};
