// One record: what it is about, its files, the doctor's notes, its history, and who has looked at it.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ApiError, readRecord, updateRecord } from "../api.js";
import { dateAndTime, doctorName, fullName, people, recordTitle } from "../format.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { onTransfer, transfers } from "../uploads.js";
import { openDialog } from "../ui/dialog.js";
import { DoctorSearch } from "../ui/doctor-search.js";
import { Form } from "../ui/form.js";
import { recordAccess, recordHistory } from "../ui/record-log.js";
import { recordFiles } from "../ui/record-files.js";
import { recordNotes } from "../ui/record-notes.js";
import { announce, toast } from "../ui/toast.js";

/** @typedef {import("../api.js").Schemas} Schemas */

const TYPES = /** @type {[Schemas["RecordType"], string][]} */ (Object.entries(texts.recordTypes));
// A file is checked when it has arrived, mostly before the first of these has passed.
const CHECK_SECONDS = [0, 2, 4, 8, 16, 30];

/** @param {number} seconds */
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** @type {import("../router.js").Page} */
export const open = async ({ params: [id = ""], show }) => {
	const t = texts.record;
	const isDoctor = session.user?.role === "doctor";
	let record = await readRecord(id);

	/** @param {Schemas["Record"]} read */
	const take = (read) => {
		record = read;
		update();
	};
	const refresh = async () => take(await readRecord(id));

	// Asks how the check of files that have arrived has ended.
	let isChecking = false;
	const check = async () => {
		if (isChecking) return;
		isChecking = true;
		for (const seconds of CHECK_SECONDS) {
			await pause(seconds);
			if (!isOpen() || !hasArrived()) break;
			const before = record.files.filter(({ status }) => status === "pending").map((file) => file.id);
			await refresh().catch(() => {});
			for (const { id: file, name, status, rejection } of record.files) {
				if (!before.includes(file) || status === "pending") continue;
				announce(status === "available" ? texts.files.arrived(name) : `${name}: ${rejection ? texts.files.rejections[rejection.code] : texts.files.rejected}`);
			}
		}
		isChecking = false;
	};
	const hasArrived = () => record.files.some((file) => file.status === "pending" && transfers.get(file.id)?.state === "sent");
	const isOpen = () => location.pathname === `/records/${id}`;
	const stop = onTransfer((file, { state }) => {
		if (!isOpen()) {
			stop();
			return;
		}
		if (!record.files.some((each) => each.id === file)) return;
		update();
		if (state === "sent") check();
	});

	/**
	 * Changes the version of the record that people see. If it has changed since, they decide again.
	 * @param {Schemas["RecordChange"]} body
	 */
	const change = async (body) => {
		try {
			const changed = await updateRecord(id, record.version, body);
			take(changed);
			return changed;
		} catch (error) {
			if (error instanceof ApiError && error.code === "precondition_failed") await refresh();
			throw error;
		}
	};

	const edit = () =>
		openDialog(t.edit, ({ update: draw, close }) => {
			const form = new Form(draw, async ({ record_type, description }) => {
				const type = TYPES.find(([each]) => each === record_type)?.[0];
				await change({ record_type: type, description });
				close();
				toast(texts.saved);
			});
			return () =>
				form.view(
					html`
						${form.select({ name: "record_type", label: texts.type, value: record.record_type, options: TYPES })}
						${form.text({ name: "description", label: texts.description, value: record.description, rows: 6, maxlength: 5000, isOptional: true })}`,
					texts.save,
				);
		});

	const changeDoctor = () =>
		openDialog(t.changeDoctor, ({ update: draw, close }) => {
			const form = new Form(draw, async () => {
				await change({ doctor: doctors.required() });
				close();
				toast(texts.saved);
			});
			const doctors = new DoctorSearch(draw);
			return () => html`<p>${t.changeDoctorText(people(doctorName(record.doctor)))}</p>${form.view(doctors.view(form), t.changeDoctor)}`;
		});

	const files = recordFiles({ isDoctor, change, refresh });
	const notes = recordNotes({ isDoctor, update: () => update(), take: (annotations) => take({ ...record, annotations }) });
	const history = recordHistory(id, () => update());
	const access = recordAccess(id, () => update());

	const about = () => {
		const { patient, doctor } = record;
		const profile = patient?.profile?.role === "patient" ? patient.profile : null;
		return html`
			<dl class="facts">
				<dt>${texts.type}</dt><dd>${texts.recordTypes[record.record_type]}</dd>
				${isDoctor
					? html`
						<dt>${texts.patient}</dt>
						<dd>
							${people(fullName(patient))}${profile ? html` <small>${texts.patientProfile(profile.gender, profile.date_of_birth)}</small>` : nothing}
							${patient ? html`<br><a class="no-print" href="/records?patient=${patient.pk}">${t.allOfPatient}</a>` : nothing}
						</dd>`
					: html`
						<dt>${texts.doctor}</dt>
						<dd>
							${people(doctorName(doctor))}${doctor?.profile?.role === "doctor" ? html` <small>${people(doctor.profile.specialization)}</small>` : nothing}
							<br class="no-print"><button type="button" class="plain no-print" @click=${changeDoctor}>${t.changeDoctor}</button>
						</dd>`}
				<dt>${texts.created}</dt><dd>${dateAndTime(record.created_at)}</dd>
				${record.updated_at === record.created_at ? nothing : html`<dt>${texts.changed}</dt><dd>${dateAndTime(record.updated_at)}</dd>`}
			</dl>
			${record.description === "" ? nothing : html`<p class="prose" dir="auto">${record.description}</p>`}`;
	};

	const update = () =>
		show({
			title: recordTitle(record),
			heading: people(recordTitle(record)),
			back: { path: "/records", text: isDoctor ? texts.records.assigned : texts.records.title },
			actions: html`
				<div class="buttons no-print">
					${isDoctor ? nothing : html`<button type="button" class="secondary outline" @click=${edit}>${t.edit}</button>`}
					<button type="button" class="secondary outline wide-only" @click=${() => print()}>${t.print}</button>
				</div>`,
			body: html`
				<section class="card" aria-label=${t.about}>${about()}</section>
				${files(record)}
				${notes(record)}
				<div class="no-print">
					${history(record.version)}
					${isDoctor ? nothing : access()}
				</div>`,
		});
	update();
	check();
};
