// Signing in, on its page and above a page whose session has ended.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ApiError, completeSignIn, requestSignInLink, signIn } from "../api.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { openDialog } from "./dialog.js";
import { Form, proofOf } from "./form.js";

/**
 * Returns what draws the steps: password, code and, when others have failed too often, a mail.
 * @param {() => void} update
 * @param {() => void} onDone
 */
export const signInSteps = (update, onDone) => {
	let step = /** @type {"password" | "code" | "mail"} */ ("password");
	let email = "";
	let mfaToken = "";
	let isLinkNeeded = false;

	/** @param {unknown} error */
	const offerLink = (error) => {
		isLinkNeeded = error instanceof ApiError && ["sign_in_link_required", "second_factor_locked"].includes(error.code);
	};

	const passwordForm = new Form(update, async ({ email: address = "", password = "" }) => {
		email = address;
		try {
			const { tokens } = await signIn({ email, password });
			session.begin(tokens.access);
			onDone();
		} catch (error) {
			offerLink(error);
			if (!(error instanceof ApiError) || error.code !== "mfa_required") throw error;
			mfaToken = error.mfaToken ?? "";
			step = "code";
			update();
			document.getElementById(codeForm.idOf("code"))?.focus();
		}
	});

	const codeForm = new Form(update, async ({ code }) => {
		try {
			const { tokens } = await completeSignIn({ mfa_token: mfaToken, ...proofOf(code) });
			session.begin(tokens.access);
			onDone();
		} catch (error) {
			offerLink(error);
			if (error instanceof ApiError && error.code === "mfa_token_not_valid") {
				step = "password";
				passwordForm.fail(error);
				return;
			}
			throw error;
		}
	});

	const linkForm = new Form(update, async () => {
		await requestSignInLink({ email });
		step = "mail";
		isLinkNeeded = false;
	});

	return () => {
		if (step === "mail") return html`<p role="status">${texts.signIn.mailSent}</p>`;
		return html`
			${step === "password"
				? passwordForm.view(
						html`
							${passwordForm.input({ name: "email", label: texts.email, type: "email", autocomplete: "username" })}
							${passwordForm.password({ name: "password", label: texts.password, autocomplete: "current-password" })}`,
						texts.signIn.action,
					)
				: codeForm.view(codeForm.code(), texts.signIn.action)}
			${isLinkNeeded ? linkForm.view(nothing, texts.signIn.sendMail) : nothing}`;
	};
};

/** Lets people sign in again above the page, which keeps what they have typed. */
export const signInAbove = async () =>
	(await openDialog(
		texts.signIn.again,
		(/** @type {{ update: () => void, close: (result?: boolean) => void }} */ { update, close }) => {
			const steps = signInSteps(update, () => close(true));
			return () => html`<p>${texts.signIn.ended}</p>${steps()}`;
		},
	)) === true;
