// Signing in, or going on to where a person who is signed in wants to be.

import { html } from "../vendor/lit-html/lit-html.js";
import { navigate } from "../router.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { signInSteps } from "../ui/sign-in.js";

/** Only paths of this site are followed. @param {URLSearchParams} query */
const target = (query) => {
	const next = query.get("next") ?? "/records";
	const isOwn = URL.canParse(next, location.origin) && new URL(next, location.origin).origin === location.origin;
	return isOwn && next.startsWith("/") ? next : "/records";
};

/** @type {import("../router.js").Page} */
export const open = ({ query, show }) => {
	const go = () => navigate(target(query), { replace: true });
	if (session.user !== null) {
		go();
		return;
	}
	const update = () =>
		show({
			title: texts.signIn.title,
			isNarrow: true,
			body: html`
				<p class="lead">${texts.signIn.lead}</p>
				<div class="card">
					${steps()}
					<p><a href="/forgot-password">${texts.signIn.forgotten}</a></p>
				</div>
				<p class="beside">${texts.signIn.isNew} <a href="/register">${texts.register.title}</a></p>`,
		});
	const steps = signInSteps(update, go);
	update();
};
