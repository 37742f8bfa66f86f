// How a person signs in: password, address, second factor and devices.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { changePassword, endSession, listSessions, requestEmailChange, signOutEverywhere } from "../api.js";
import { people, time } from "../format.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { confirmed } from "../ui/dialog.js";
import { Form } from "../ui/form.js";
import { refreshAccount } from "../ui/header.js";
import { Listing } from "../ui/listing.js";
import { withProof } from "../ui/proof.js";
import { secondFactor } from "../ui/second-factor.js";
import { toast } from "../ui/toast.js";

/** @typedef {import("../api.js").Schemas} Schemas */

/** @type {import("../router.js").Page} */
export const open = async ({ show }) => {
	const t = texts.security;
	let mailedTo = "";
	/** @type {Listing<Schemas["Session"]>} */
	const sessions = new Listing(({ cursor }) => listSessions({ cursor }), () => update());

	const passwordForm = new Form(
		() => update(),
		async ({ current_password = "", new_password = "" }) => {
			const isDone = await withProof(async (proof) => {
				const { access } = await changePassword({ current_password, new_password, ...proof });
				session.begin(access);
			});
			if (!isDone) return;
			/** @type {HTMLFormElement | null} */ (document.getElementById(passwordForm.id))?.reset();
			await sessions.open();
			toast(t.passwordChanged);
		},
	);
	const emailForm = new Form(
		() => update(),
		async ({ email = "", password = "" }) => {
			if (await withProof((proof) => requestEmailChange({ email, password, ...proof }))) mailedTo = email;
		},
	);
	// For password managers.
	const username = () => html`<input type="hidden" name="username" autocomplete="username" value=${account.email ?? ""}>`;
	const refresh = async () => {
		account = await refreshAccount();
		update();
	};
	const factor = secondFactor(() => account, refresh, () => update(), username);

	/** @param {() => Promise<unknown>} work */
	const telling = async (work) => {
		try {
			await work();
		} catch (error) {
			toast(texts.problem(error));
		}
		update();
	};
	/** @param {Schemas["Session"]} ended */
	const end = (ended) =>
		telling(async () => {
			if (await withProof((proof) => endSession(ended.id, proof))) await sessions.open();
		});
	const endAll = async () => {
		if (!(await confirmed({ title: t.endAll, text: t.endAllText, action: t.endAll }))) return;
		await telling(async () => {
			if (await withProof(signOutEverywhere)) session.end();
		});
	};

	/** @param {Schemas["Session"]} each */
	const device = (each) => html`
		<li class="file">
			<span class="grow">${people(texts.device(each.device))}${each.current ? html` <mark>${t.thisDevice}</mark>` : nothing}<small>${t.lastUsed(time(each.last_used_at))}</small></span>
			${each.current ? nothing : html`<button type="button" class="secondary outline small" aria-label=${t.endNamed(texts.device(each.device))} @click=${() => end(each)}>${t.end}</button>`}
		</li>`;

	const update = () =>
		show({
			title: t.title,
			isNarrow: true,
			body: html`
				<section class="card" aria-labelledby="second-factor">
					<h2 id="second-factor" tabindex="-1">${texts.secondFactor.title}</h2>
					${factor()}
				</section>
				<section class="card" aria-labelledby="password-title">
					<h2 id="password-title">${t.changePassword}</h2>
					${passwordForm.view(
						html`
							${username()}
							${passwordForm.password({ name: "current_password", label: t.currentPassword, autocomplete: "current-password" })}
							${passwordForm.password({ name: "new_password", label: texts.newPassword, autocomplete: "new-password", hint: html`${texts.passwordHint} ${t.othersEnd}` })}`,
						t.changePassword,
					)}
				</section>
				<section class="card" aria-labelledby="email-title">
					<h2 id="email-title">${t.changeEmail}</h2>
					<p>${t.presentEmail(people(account.email ?? ""))}</p>
					${mailedTo
						? html`<p role="status">${t.mailed(people(mailedTo))}</p>`
						: emailForm.view(
								html`
									${username()}
									${emailForm.input({ name: "email", label: t.newEmail, type: "email", autocomplete: "email" })}
									${emailForm.password({ name: "password", label: texts.password, autocomplete: "current-password" })}`,
								t.changeEmail,
							)}
				</section>
				<section class="card" aria-labelledby="devices-title">
					<h2 id="devices-title">${t.devices}</h2>
					<ul class="items">${sessions.results.map(device)}</ul>
					${sessions.button()}
					<button type="button" class="danger outline" @click=${endAll}>${t.endAll}</button>
				</section>`,
		});
	// The address may have been confirmed on another device.
	let [account] = await Promise.all([refreshAccount(), sessions.open()]);
	update();
	if (location.hash === "#second-factor") document.getElementById("second-factor")?.focus();
};
