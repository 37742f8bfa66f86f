// Who did what to the account and the records.

import { html } from "../vendor/lit-html/lit-html.js";
import { listAccessEvents, listRecords } from "../api.js";
import { people, recordTitle } from "../format.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { accessList, isRenewedTwice } from "../ui/access-list.js";
import { Listing } from "../ui/listing.js";

/** @typedef {import("../api.js").Schemas} Schemas */

const OWN_READS = ["read_record", "list_records", "read_history", "read_notifications", "read_access_log"];
const MOST_TITLES = 100;
const FEWEST_SHOWN = 5;

/** @type {import("../router.js").Page} */
export const open = async ({ show, kept }) => {
	const t = texts.accessLog;
	/** @type {Map<string, string>} */
	const titles = new Map();
	let withOwnReads = false;

	/** @type {Listing<Schemas["AccessEvent"]>} */
	const listing = new Listing(listAccessEvents, () => update(), kept);
	/** What people have looked at themselves, and what has no meaning for them. @param {Schemas["AccessEvent"]} event */
	const isDetail = (event) =>
		isRenewedTwice(event) || (event.outcome === "success" && event.actor.pk === session.user?.id && OWN_READS.includes(event.action));
	const shown = () => listing.results.filter((event) => withOwnReads || !isDetail(event));

	/** @param {string | null} record */
	const recordName = (record) => {
		if (record === null) return texts.access.record;
		const title = titles.get(record);
		return html`<a href="/records/${record}">${title === undefined ? texts.access.record : people(title)}</a>`;
	};
	/** @param {Event} event */
	const onToggle = (event) => {
		withOwnReads = /** @type {HTMLInputElement} */ (event.target).checked;
		update();
	};
	const update = () =>
		show({
			title: t.title,
			isNarrow: true,
			body: html`
				<p>${session.user?.role === "patient" ? t.textForPatients : t.text}</p>
				<label class="inline"><input type="checkbox" @change=${onToggle}> ${t.own}</label>
				<div class="card">${shown().length === 0 ? html`<p class="muted">${t.none}</p>` : accessList(shown(), recordName)}</div>
				${listing.button()}`,
		});

	await listing.open();
	if (session.user?.role === "patient" && listing.results.some(({ record }) => record !== null)) {
		const { results } = await listRecords({ limit: MOST_TITLES });
		for (const record of results) titles.set(record.id, recordTitle(record));
	}
	// One's own looks may fill the first page.
	if (shown().length < FEWEST_SHOWN && listing.cursor !== undefined) await listing.more();
	update();
};
