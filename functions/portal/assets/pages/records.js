// The records of a patient, or those that are assigned to a doctor.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ApiError, listRecords } from "../api.js";
import { doctorName, fullName, people, recordTitle, time } from "../format.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { ownAccount, refreshAccount } from "../ui/header.js";
import { Listing } from "../ui/listing.js";

/** @typedef {import("../api.js").Schemas} Schemas */

const TYPES = /** @type {(Schemas["RecordType"])[]} */ (Object.keys(texts.recordTypes));

/** The first moment of a day here, some days later. @param {string | null} day @param {number} [later] */
const midnight = (day, later = 0) => {
	if (!day) return undefined;
	const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
	return new Date(year, month - 1, date + later).toISOString();
};

/** @param {Schemas["Record"]} record @param {boolean} isDoctor */
const item = (record, isDoctor) => html`
	<li>
		<a href="/records/${record.id}" class="item">
			<span class="icon icon-${record.record_type}"></span>
			<span class="grow">
				<strong>${people(recordTitle(record))}</strong>
				<small>${texts.recordTypes[record.record_type]} · ${people(isDoctor ? fullName(record.patient) : doctorName(record.doctor))}</small>
			</span>
			<small class="aside">
				${time(record.created_at)}
				<span class="counts">
					${record.files.length > 0 ? html`<span><span class="icon icon-file"></span><span class="visually-hidden">${texts.files.title}:</span> ${record.files.length}</span>` : nothing}
					${record.annotations.length > 0 ? html`<span><span class="icon icon-note"></span><span class="visually-hidden">${texts.notes.title}:</span> ${record.annotations.length}</span>` : nothing}
				</span>
			</small>
		</a>
	</li>`;

/** @param {boolean} isDoctor */
const profileNotice = (isDoctor) =>
	html`<div class="notice" role="note">${isDoctor ? texts.profile.doctorMissing : texts.profile.missing} <a href="/profile">${texts.profile.complete}</a></div>`;

/** Why a doctor sees no records, and what to do. @param {boolean} isApproved @param {Schemas["Me"]} account @returns {import("../router.js").View} */
const closed = (isApproved, { approval, profile }) => {
	const t = isApproved ? texts.factorNeeded : approval === "suspended" || approval === "refused" ? texts[approval] : texts.waiting;
	return {
		title: t.title,
		isNarrow: true,
		body: html`${profile ? nothing : profileNotice(true)}<div class="card"><p>${t.text}</p><p><a href=${isApproved ? "/security#second-factor" : "/notifications"} class="button">${t.action}</a></p></div>`,
	};
};

/** @type {import("../router.js").Page} */
export const open = async ({ query, show, kept }) => {
	const t = texts.records;
	const isDoctor = session.user?.role === "doctor";
	const patient = query.get("patient") ?? undefined;
	const filter = { type: query.get("type"), from: query.get("from"), to: query.get("to") };
	const isFiltered = () => Boolean(filter.type ?? filter.from ?? filter.to ?? patient);
	let isStale = false;

	const listing = new Listing(
		({ cursor, limit }) =>
			listRecords({
				cursor,
				limit,
				patient,
				record_type: TYPES.find((type) => type === filter.type),
				created_after: midnight(filter.from),
				created_before: midnight(filter.to, 1),
			}),
		() => update(),
		kept,
	);

	/** @param {Event} event */
	const onFilter = async (event) => {
		const data = new FormData(/** @type {HTMLFormElement} */ (/** @type {HTMLElement} */ (event.target).closest("form")));
		for (const name of /** @type {const} */ (["type", "from", "to"])) filter[name] = String(data.get(name) ?? "") || null;
		const search = new URLSearchParams(Object.entries({ ...filter, patient }).flatMap(([name, value]) => (value ? [[name, value]] : [])));
		history.replaceState(history.state, "", search.size > 0 ? `/records?${search}` : "/records");
		isStale = true;
		update();
		kept["length"] = 0;
		await listing.open().catch((error) => {
			listing.error = error;
		});
		isStale = false;
		update();
	};

	const filters = () => html`
		<search aria-label=${t.filters}><form class="filters" @change=${onFilter} @submit=${(/** @type {Event} */ event) => event.preventDefault()}>
			<label>${texts.type}
				<select name="type">
					<option value="">${t.allTypes}</option>
					${TYPES.map((type) => html`<option value=${type} ?selected=${type === filter.type}>${texts.recordTypes[type]}</option>`)}
				</select>
			</label>
			<label>${t.from} <input type="date" name="from" value=${filter.from ?? ""}></label>
			<label>${t.to} <input type="date" name="to" value=${filter.to ?? ""}></label>
		</form></search>`;

	const empty = () =>
		isFiltered()
			? html`<div class="empty"><p>${t.noMatch}</p><p><a href="/records">${t.clear}</a></p></div>`
			: html`
				<div class="empty">
					<p>${isDoctor ? t.noneAssigned : t.none}</p>
					${isDoctor ? nothing : html`<p><a href="/records/new" class="button">${t.create}</a></p>`}
				</div>`;

	let hasProfile = true;
	const update = () =>
		show({
			title: isDoctor ? t.assigned : t.title,
			actions: isDoctor || (listing.results.length === 0 && !isFiltered()) ? nothing : html`<a href="/records/new" class="button"><span class="icon icon-plus"></span> ${t.create}</a>`,
			body: html`
				${hasProfile ? nothing : profileNotice(isDoctor)}
				${patient && listing.results.length > 0 ? html`<p>${people(fullName(listing.results[0]?.patient ?? null))} · <a href="/records">${t.clear}</a></p>` : nothing}
				${listing.results.length === 0 && !isFiltered() ? nothing : filters()}
				<p class="visually-hidden" role="status">${isStale ? nothing : t.shown(listing.results.length, listing.cursor !== undefined)}</p>
				${listing.results.length === 0 ? empty() : html`<ul class="items" aria-busy=${isStale ? "true" : "false"}>${listing.results.map((record) => item(record, isDoctor))}</ul>`}
				${listing.button()}`,
		});

	try {
		await listing.open();
	} catch (error) {
		if (!(error instanceof ApiError) || !["not_approved", "second_factor_required"].includes(error.code)) throw error;
		show(closed(error.code !== "not_approved", await refreshAccount()));
		return;
	}
	update();
	hasProfile = (await ownAccount()).profile !== null;
	if (!hasProfile) update();
};
