// Registering as a patient or a doctor.

import { html } from "../vendor/lit-html/lit-html.js";
import { register } from "../api.js";
import { people } from "../format.js";
import { navigate } from "../router.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { Form } from "../ui/form.js";

/** @type {import("../router.js").Page} */
export const open = ({ show }) => {
	const t = texts.register;
	let mailedTo = "";
	const form = new Form(
		() => update(),
		async ({ role, email = "", password = "", first_name, last_name }) => {
			const body = { role: role === "doctor" ? /** @type {const} */ ("doctor") : /** @type {const} */ ("patient"), email, password, first_name, last_name };
			const response = await register(body, form.key);
			if ("tokens" in response) {
				session.begin(response.tokens.access);
				navigate("/profile", { replace: true });
			} else {
				mailedTo = email;
			}
		},
	);
	const update = () =>
		show({
			title: mailedTo ? t.mailTitle : t.title,
			isNarrow: true,
			body: mailedTo
				? html`<div class="card"><p role="status">${t.mailed(people(mailedTo))}</p><p><a href="/sign-in">${texts.signIn.title}</a></p></div>`
				: html`
					<div class="card">
						${form.view(
							html`
								${form.choice({ name: "role", label: t.role, value: "patient", options: [["patient", t.asPatient], ["doctor", t.asDoctor]] })}
								<div class="columns">
									${form.input({ name: "first_name", label: texts.firstName, autocomplete: "given-name", maxlength: 255 })}
									${form.input({ name: "last_name", label: texts.lastName, autocomplete: "family-name", maxlength: 255 })}
								</div>
								${form.input({ name: "email", label: texts.email, type: "email", autocomplete: "email" })}
								${form.password({ name: "password", label: texts.password, autocomplete: "new-password", hint: texts.passwordHint })}`,
							t.action,
						)}
					</div>
					<p class="beside">${t.isKnown} <a href="/sign-in">${texts.signIn.title}</a></p>`,
		});
	update();
};
