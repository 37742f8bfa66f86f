// Dialogs above the page, which stays as it is.

import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { texts } from "../texts.js";

let count = 0;
/** What closes each open dialog. @type {Set<() => void>} */
const opened = new Set();

/** Dismisses all dialogs: their page is left. */
export const closeDialogs = () => {
	for (const close of [...opened].reverse()) close();
};

/**
 * Shows a dialog until `close` is called, and returns what it is called with; undefined if people dismiss it.
 * @template T
 * @param {string} title
 * @param {(tools: { update: () => void, close: (result?: T) => void }) => () => unknown} build returns what draws the content
 * @param {{ isWide?: boolean, isUnmissable?: boolean, onClose?: () => void }} [options] an unmissable one is not dismissed by accident
 * @returns {Promise<T | undefined>}
 */
export const openDialog = (title, build, { isWide = false, isUnmissable = false, onClose } = {}) =>
	new Promise((resolve) => {
		const dialog = document.createElement("dialog");
		count += 1;
		const titleId = `dialog-${count}`;
		dialog.setAttribute("aria-labelledby", titleId);
		const before = /** @type {HTMLElement | null} */ (document.activeElement);
		/** @param {T} [result] */
		const close = (result) => {
			opened.delete(dismiss);
			dialog.close();
			dialog.remove();
			onClose?.();
			if (before?.isConnected) before.focus();
			resolve(result);
		};
		const dismiss = () => close();
		opened.add(dismiss);
		const update = () =>
			render(
				html`
					<article class=${isWide ? "wide" : nothing}>
						<header>
							${isUnmissable ? nothing : html`<button type="button" class="icon-button" aria-label=${texts.close} @click=${dismiss}><span class="icon icon-close"></span></button>`}
							<h2 id=${titleId}>${title}</h2>
						</header>
						${draw()}
					</article>`,
				dialog,
			);
		const draw = build({ update, close });
		dialog.addEventListener("cancel", (event) => {
			event.preventDefault();
			if (!isUnmissable) close();
		});
		document.body.append(dialog);
		update();
		dialog.showModal();
		/** @type {HTMLElement | null} */ (dialog.querySelector("[autofocus], input, textarea, select, footer button"))?.focus();
	});

/**
 * Asks before something that cannot be undone.
 * @param {{ title: string, text: unknown, action: string }} question
 */
export const confirmed = async ({ title, text, action }) =>
	(await openDialog(
		title,
		(/** @type {{ close: (result?: boolean) => void }} */ { close }) =>
			() => html`
				<p>${text}</p>
				<footer>
					<button type="button" class="secondary outline" @click=${() => close(false)}>${texts.cancel}</button>
					<button type="button" class="danger" @click=${() => close(true)}>${action}</button>
				</footer>`,
	)) === true;
