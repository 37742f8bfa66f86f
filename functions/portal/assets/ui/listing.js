// Lists that come in pages.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { nextCursor } from "../api.js";
import { texts } from "../texts.js";

const PAGE = 20;
const LONGEST_PAGE = 100;

/** @template T */
export class Listing {
	/**
	 * @param {(query: { cursor?: string, limit: number }) => Promise<{ results: T[], next: string | null }>} load
	 * @param {() => void} update
	 * @param {Record<string, any>} [kept] for when people come back to a long list
	 */
	constructor(load, update, kept) {
		this.load = load;
		this.update = update;
		this.kept = kept;
		/** @type {T[]} */
		this.results = [];
		/** @type {string | undefined} */
		this.cursor = undefined;
		this.isLoading = false;
		/** @type {unknown} */
		this.error = null;
	}

	/** Loads the first page. */
	async open() {
		const limit = Math.min(LONGEST_PAGE, Math.max(PAGE, this.kept?.["length"] ?? 0));
		this.#take(await this.load({ limit }), []);
		return this;
	}

	/** @param {{ results: T[], next: string | null }} page @param {T[]} before */
	#take(page, before) {
		this.results = [...before, ...page.results];
		this.cursor = nextCursor(page);
		if (this.kept) this.kept["length"] = this.results.length;
	}

	more = async () => {
		if (this.isLoading) return;
		this.isLoading = true;
		this.error = null;
		this.update();
		try {
			this.#take(await this.load({ cursor: this.cursor, limit: PAGE }), this.results);
		} catch (error) {
			this.error = error;
		}
		this.isLoading = false;
		this.update();
	};

	/** The button for the next page. */
	button() {
		if (this.cursor === undefined) return nothing;
		return html`
			${this.error ? html`<p class="problems" role="alert">${texts.problem(this.error)}</p>` : nothing}
			<button type="button" class="secondary outline more" aria-busy=${this.isLoading ? "true" : nothing} @click=${this.more}>${texts.more}</button>`;
	}
}
