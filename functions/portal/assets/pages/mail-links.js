// What mails offer and one click does: nothing happens before it, because programs follow links in mails, too.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { cancelRecovery, changeEmail, confirmDevice, confirmRecovery, discardRegistration } from "../api.js";
import { texts } from "../texts.js";
import { Form } from "../ui/form.js";
import { tokenField } from "../ui/token.js";

/** @typedef {{ text: { title: string, text: string, action: string, done: string }, send: (body: { token: string }) => Promise<unknown>, next: string }} Action */

/** @type {Action} */
const discard = { text: texts.mailLinks.discardAccount, send: discardRegistration, next: "/sign-in" };
const signInLink = { text: texts.mailLinks.signInLink, send: confirmDevice, next: "/sign-in" };
const cancel = { text: texts.mailLinks.cancelRecovery, send: cancelRecovery, next: "/access-log" };
const confirm = { text: texts.mailLinks.confirmRecovery, send: confirmRecovery, next: "/sign-in" };
const email = { text: texts.mailLinks.emailChange, send: changeEmail, next: "/sign-in" };

/** @type {Record<string, Action>} */
const ACTIONS = {
	"discard-account": discard,
	"registration/discard": discard,
	"sign-in-link": signInLink,
	"sign-in/link": signInLink,
	"email-change": email,
	"recovery-cancel": cancel,
	"recovery/cancel": cancel,
	"recovery-confirm": confirm,
	recovery: confirm,
};

/** @type {import("../router.js").Page} */
export const open = ({ params: [name = ""], token, show }) => {
	const { text, send, next } = ACTIONS[name] ?? discard;
	let isDone = false;
	const form = new Form(
		() => update(),
		async ({ token: typed = "" }) => {
			await send({ token: token ?? typed.trim() });
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
						: html`<p>${text.text}</p>${form.view(tokenField(form, token) ?? nothing, text.action)}`}
				</div>`,
		});
	update();
};
