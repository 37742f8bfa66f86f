// Confirming an address with the token from a mail, after a look at whose account it is.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ApiError, discardRegistration, readRegistration, verifyEmail } from "../api.js";
import { fullName, people } from "../format.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { confirmed } from "../ui/dialog.js";
import { Form } from "../ui/form.js";
import { tokenField, tokenInput, withoutBlanks } from "../ui/token.js";

/** @typedef {import("../api.js").Schemas} Schemas */

/** @type {import("../router.js").Page} */
export const open = async ({ token: linked, show }) => {
	const t = texts.verifyEmail;
	let token = linked;
	/** @type {Schemas["Registration"] | null} */
	let registration = null;
	let done = "";
	// Only those who are not signed in to the account set a password.
	let needsPassword = session.user === null;

	const tokenForm = new Form(
		() => update(),
		async ({ token: typed = "" }) => {
			const entered = withoutBlanks(typed);
			registration = await readRegistration({ token: entered });
			token = entered;
		},
	);
	const form = new Form(
		() => update(),
		async ({ password }) => {
			try {
				await verifyEmail({ token: token ?? "", password });
				done = needsPassword ? t.doneWithPassword : t.done;
			} catch (error) {
				// Signed in to another account.
				if (error instanceof ApiError && error.field("password")?.code === "required" && !needsPassword) {
					needsPassword = true;
					return;
				}
				throw error;
			}
		},
	);
	const discard = async () => {
		if (!(await confirmed({ title: t.discardTitle, text: t.discardText, action: t.discard }))) return;
		try {
			await discardRegistration({ token: token ?? "" });
			done = t.discarded;
		} catch (error) {
			form.fail(error);
		}
		update();
	};
	const account = (/** @type {Schemas["Registration"]} */ { role, confirmed: isConfirmed, ...person }) => html`
		<p>${t.whose}</p>
		<dl class="facts">
			<dt>${texts.name}</dt><dd>${people(fullName(person))}</dd>
			<dt>${texts.role}</dt><dd>${texts.roles[role]}</dd>
		</dl>
		${form.view(
			html`
				${tokenField(form, token)}
				${needsPassword ? html`<p>${t.setPassword}</p>${form.password({ name: "password", label: texts.newPassword, autocomplete: "new-password", hint: texts.passwordHint })}` : nothing}`,
			t.action,
			{ beside: isConfirmed ? nothing : html`<button type="button" class="secondary outline" @click=${discard}>${t.notMine}</button>` },
		)}`;
	const update = () =>
		show({
			title: t.title,
			isNarrow: true,
			body: html`
				<div class="card">
					${done
						? html`<p role="status">${done}</p><p><a href="/" class="button">${session.user === null ? texts.signIn.title : texts.proceed}</a></p>`
						: registration
							? account(registration)
							: tokenForm.view(tokenInput(tokenForm, token ?? ""), texts.proceed)}
				</div>`,
		});

	if (token !== null) {
		try {
			registration = await readRegistration({ token });
		} catch (error) {
			tokenForm.fail(error);
		}
	}
	update();
};
