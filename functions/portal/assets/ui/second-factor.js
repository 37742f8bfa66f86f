// Setting up an authenticator app, and removing it.

import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { ApiError, confirmSecondFactor, disableSecondFactor, resendVerification, setUpSecondFactor } from "../api.js";
import { texts } from "../texts.js";
import { openDialog } from "./dialog.js";
import { Form, proofOf } from "./form.js";
import { toast } from "./toast.js";

/** @typedef {import("../api.js").Schemas} Schemas */

/** @param {string} text */
const qrCode = async (text) => {
	const { encode } = await import("../vendor/uqr/uqr.js");
	const { data, size } = encode(text, { border: 2 });
	const path = data.map((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : "")).join("")).join("");
	// Scanners need dark on light, whatever the theme.
	return svg`<svg class="qr" viewBox="0 0 ${size} ${size}" role="img" aria-label=${texts.secondFactor.qrCode} shape-rendering="crispEdges"><rect width=${size} height=${size} fill="#fff"/><path d=${path} fill="#000"/></svg>`;
};

/** @param {string} secret */
const grouped = (secret) => secret.replaceAll(/(.{4})(?=.)/g, "$1 ");

/** Shows recovery codes until people say that they have kept them. @param {string[]} codes */
const showRecoveryCodes = (codes) => {
	const t = texts.secondFactor;
	const text = `${texts.brand}: ${t.recoveryCodes}\n\n${codes.join("\n")}\n`;
	let isCopied = false;
	const file = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
	return openDialog(
		t.recoveryCodes,
		({ update, close }) => {
			const copy = async () => {
				await navigator.clipboard.writeText(text);
				isCopied = true;
				update();
			};
			return () => html`
				<p>${t.recoveryText}</p>
				<ul class="codes">${codes.map((code) => html`<li><code>${code}</code></li>`)}</ul>
				<div class="buttons no-print">
					<button type="button" class="secondary outline" @click=${copy}>${t.copy}</button>
					<button type="button" class="secondary outline" @click=${() => print()}>${texts.record.print}</button>
					<a class="button secondary outline" href=${file} download="recovery-codes.txt">${t.download}</a>
				</div>
				<p role="status">${isCopied ? t.copied : nothing}</p>
				<footer class="no-print"><button type="button" @click=${() => close()}>${t.kept}</button></footer>`;
		},
		{ isUnmissable: true, onClose: () => URL.revokeObjectURL(file) },
	);
};

/** @param {Schemas["SecondFactorSecret"]} secret */
const showSecret = async ({ secret, otpauth_url }) => {
	const t = texts.secondFactor;
	const code = await qrCode(otpauth_url);
	return openDialog(t.setUp, (/** @type {{ update: () => void, close: (codes?: string[]) => void }} */ { update, close }) => {
		const form = new Form(update, async ({ code: typed }) => {
			const { code: digits = typed ?? "" } = proofOf(typed);
			const { recovery_codes } = await confirmSecondFactor({ code: digits });
			close(recovery_codes);
		});
		return () => html`
			<ol>
				<li>${t.scan}</li>
				<li>${t.enter}</li>
			</ol>
			${code}
			<details><summary>${t.cannotScan}</summary><p>${t.typeSecret}</p><p><code>${grouped(secret)}</code></p><p><a href=${otpauth_url}>${t.openApp}</a></p></details>
			${form.view(form.code(t.codeHint), t.confirm)}`;
	});
};

/**
 * Returns what draws the state of the second factor, and the form that changes it.
 * @param {() => Schemas["Me"]} account
 * @param {() => Promise<void>} refresh reads the account once more and draws it
 * @param {() => void} update
 * @param {() => unknown} username a field for password managers
 * @returns {() => unknown}
 */
export const secondFactor = (account, refresh, update, username) => {
	const t = texts.secondFactor;

	const setUpForm = new Form(update, async ({ password = "" }) => {
		try {
			const secret = await setUpSecondFactor({ password });
			/** @type {HTMLFormElement | null} */ (document.getElementById(setUpForm.id))?.reset();
			const codes = await showSecret(secret);
			if (!codes) return;
			await showRecoveryCodes(codes);
			await refresh();
		} catch (error) {
			// Set up on another device.
			if (error instanceof ApiError && error.code === "second_factor_exists") await refresh();
			throw error;
		}
	});
	const resend = async () => {
		try {
			await resendVerification();
			toast(t.mailSent);
		} catch (error) {
			toast(texts.problem(error));
		}
	};

	const remove = () =>
		openDialog(t.remove, ({ update: draw, close }) => {
			const form = new Form(draw, async ({ password = "", code }) => {
				await disableSecondFactor({ password, ...proofOf(code) });
				close();
				toast(t.removed);
				await refresh();
			});
			return () => html`
				<p>${t.removeText}</p>
				${form.view(html`${username()}${form.password({ name: "password", label: texts.password, autocomplete: "current-password" })}${form.code()}`, t.remove)}`;
		});

	return () => {
		if (account().second_factor) return html`<p>${t.isSetUp}</p><button type="button" class="danger outline" @click=${remove}>${t.remove}</button>`;
		return html`
			<p>${t.text}</p>
			${account().email_verified
				? setUpForm.view(html`${username()}${setUpForm.password({ name: "password", label: texts.password, autocomplete: "current-password" })}`, t.setUp)
				: html`<p>${t.unconfirmed}</p><button type="button" class="secondary outline" @click=${resend}>${t.resend}</button>`}`;
	};
};
