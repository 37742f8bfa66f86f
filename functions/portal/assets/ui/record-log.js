// How a record has changed, and who has looked at it. Both are loaded when people open them.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { listRecordAccess, listRecordVersions } from "../api.js";
import { doctorName, fullName, people, time } from "../format.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { accessList } from "./access-list.js";
import { Listing } from "./listing.js";

/** @typedef {import("../api.js").Schemas} Schemas */

/**
 * A part of the page that people open.
 * @param {string} title
 * @param {Listing<any>} listing
 * @param {() => void} update
 * @param {() => unknown} content
 */
const part = (title, listing, update, content) => {
	let state = /** @type {"closed" | "loading" | "open"} */ ("closed");
	/** @type {number | undefined} */
	let shown;
	/** @param {Event} event */
	const onToggle = async (event) => {
		if (!(/** @type {HTMLDetailsElement} */ (event.target).open) || state !== "closed") return;
		state = "loading";
		update();
		try {
			await listing.open();
			listing.error = null;
			state = "open";
		} catch (error) {
			listing.error = error;
			state = "closed";
		}
		update();
	};
	/** @param {number} [version] of what is listed: another one than before is loaded */
	return (version) => {
		if (state === "open" && version !== shown) listing.open().then(update, () => {});
		shown = version;
		return html`
			<details class="card" @toggle=${onToggle}>
				<summary><h2>${title}</h2></summary>
				${state === "closed" && listing.error ? html`<p class="problems" role="alert">${texts.problem(listing.error)}</p>` : nothing}
				${state === "loading" ? html`<p aria-busy="true">${texts.loading}</p>` : nothing}
				${state === "open" ? content() : nothing}
			</details>`;
	};
};

/** What a version has changed, one sentence each. @param {Schemas["RecordVersion"]} version */
const changes = ({ record_type, description, doctor, files_added, files_removed }) => {
	const t = texts.history;
	return [
		record_type && t.type(texts.recordTypes[record_type.before], texts.recordTypes[record_type.after]),
		doctor && t.doctor(people(doctorName(doctor.before)), people(doctorName(doctor.after))),
		...files_added.map(({ name }) => t.added(people(name))),
		...files_removed.map(({ name }) => t.removed(people(name))),
		description &&
			html`${t.description}
				<blockquote class="before" dir="auto"><span class="visually-hidden">${t.before}: </span>${description.before || "–"}</blockquote>
				<blockquote dir="auto"><span class="visually-hidden">${t.after}: </span>${description.after || "–"}</blockquote>`,
	].filter((change) => change !== null);
};

/** @param {string} id @param {() => void} update */
export const recordHistory = (id, update) => {
	/** @type {Listing<Schemas["RecordVersion"]>} */
	const listing = new Listing(({ cursor }) => listRecordVersions(id, { cursor }), update);
	return part(texts.history.title, listing, update, () =>
		listing.results.length === 0
			? html`<p class="muted">${texts.history.none}</p>`
			: html`
				<ul class="notes">
					${listing.results.map(
						(version) => html`
							<li>
								<p class="meta"><strong>${people(fullName(version.author))}</strong>, ${time(version.written_at)}</p>
								<ul>${changes(version).map((change) => html`<li>${change}</li>`)}</ul>
							</li>`,
					)}
				</ul>
				${listing.button()}`,
	);
};

/** @param {string} id @param {() => void} update */
export const recordAccess = (id, update) => {
	/** @type {Listing<Schemas["AccessEvent"]>} */
	const listing = new Listing((query) => listRecordAccess(id, query), update);
	return part(texts.access.title, listing, update, () => {
		const others = listing.results.filter(({ actor }) => actor.pk !== session.user?.id);
		return html`
			${others.length === 0 ? html`<p class="muted">${texts.access.none}</p>` : accessList(others, () => texts.access.thisRecord)}
			${listing.button()}`;
	});
};
