// Short messages at the edge of the window, which screen readers read out.

import { html, render } from "../vendor/lit-html/lit-html.js";
import { texts } from "../texts.js";

const SECONDS = 8;
// Long enough to find the button.
const UNDO_SECONDS = 15;

/** @typedef {{ text: unknown, action?: { label: string, run: () => void }, close: () => void }} Toast */

/** @type {Toast[]} */
let toasts = [];

const draw = () =>
	render(
		toasts.map(
			({ text, action, close }) => html`
				<div class="toast">
					<span>${text}</span>
					${action ? html`<button type="button" class="outline" @click=${() => { close(); action.run(); }}>${action.label}</button>` : ""}
					<button type="button" class="icon-button" aria-label=${texts.close} @click=${close}><span class="icon icon-close"></span></button>
				</div>`,
		),
		/** @type {HTMLElement} */ (document.getElementById("toasts")),
	);

/**
 * @param {unknown} text
 * @param {{ label: string, run: () => void }} [action]
 */
export const toast = (text, action) => {
	const close = () => {
		clearTimeout(timer);
		toasts = toasts.filter((each) => each !== entry);
		draw();
	};
	const entry = { text, action, close };
	const timer = setTimeout(close, (action ? UNDO_SECONDS : SECONDS) * 1000);
	toasts = [...toasts, entry];
	draw();
};

/** Tells screen readers of what others see. @param {string} text */
export const announce = (text) => {
	/** @type {HTMLElement} */ (document.getElementById("announcer")).textContent = text;
};

/**
 * Does something after some seconds in which people can undo it; at once when the page is left.
 * @param {string} text
 * @param {{ run: () => Promise<unknown>, undo: () => void }} change
 */
export const undoable = (text, { run, undo }) => {
	let isOpen = true;
	const finish = () => {
		if (!isOpen) return;
		isOpen = false;
		removeEventListener("pagehide", finish);
		clearTimeout(timer);
		run().catch((error) => {
			undo();
			toast(texts.problem(error));
		});
	};
	const timer = setTimeout(finish, UNDO_SECONDS * 1000);
	addEventListener("pagehide", finish);
	toast(text, {
		label: texts.undo,
		run() {
			if (!isOpen) return;
			isOpen = false;
			removeEventListener("pagehide", finish);
			clearTimeout(timer);
			undo();
		},
	});
};
