// Changes that need a code when the account has a second factor.

import { html } from "../vendor/lit-html/lit-html.js";
import { ApiError } from "../api.js";
import { texts } from "../texts.js";
import { openDialog } from "./dialog.js";
import { Form, proofOf } from "./form.js";

/** @typedef {{ code?: string, recovery_code?: string }} Proof */

/**
 * Sends a request, and once more with a code if it needs one. Returns whether it was done.
 * @param {(proof: Proof) => Promise<unknown>} send
 * @returns {Promise<boolean>}
 */
export const withProof = async (send) => {
	try {
		await send({});
		return true;
	} catch (error) {
		if (!(error instanceof ApiError) || error.field("code") === undefined) throw error;
	}
	return (
		(await openDialog(texts.code.title, (/** @type {{ update: () => void, close: (result?: boolean) => void }} */ { update, close }) => {
			const form = new Form(update, async ({ code }) => {
				await send(proofOf(code));
				close(true);
			});
			return () => html`${form.view(form.code(), texts.proceed)}`;
		})) === true
	);
};
