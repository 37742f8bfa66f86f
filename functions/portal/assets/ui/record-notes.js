// What the doctor has noted on a record, with earlier versions.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { createNote, listNoteVersions, updateNote } from "../api.js";
import { doctorName, people, time } from "../format.js";
import { session } from "../session.js";
import { texts } from "../texts.js";
import { openDialog } from "./dialog.js";
import { Form } from "./form.js";
import { Listing } from "./listing.js";
import { toast } from "./toast.js";

/** @typedef {import("../api.js").Schemas} Schemas */

/**
 * @param {{ isDoctor: boolean, update: () => void, take: (notes: Schemas["Annotation"][]) => void }} record `take` shows other notes: reading the record again would be one more look in its access log
 * @returns {(record: Schemas["Record"]) => unknown}
 */
export const recordNotes = ({ isDoctor, update, take }) => {
	const t = texts.notes;
	let recordId = "";
	let contentVersion = 0;
	/** @type {Schemas["Annotation"][]} */
	let notes = [];
	const form = new Form(update, async ({ note = "" }) => {
		const added = await createNote({ record: recordId, note }, form.key);
		const field = /** @type {HTMLTextAreaElement | null} */ (document.getElementById(form.idOf("note")));
		if (field) field.value = "";
		take([added, ...notes]);
		toast(t.added);
	});

	/** @param {Schemas["Annotation"]} note */
	const edit = (note) =>
		openDialog(t.edit, ({ update: draw, close }) => {
			const editForm = new Form(draw, async ({ note: text }) => {
				const changed = await updateNote(note.id, { note: text });
				take(notes.map((each) => (each.id === changed.id ? changed : each)));
				close();
				toast(texts.saved);
			});
			return () => editForm.view(editForm.text({ name: "note", label: t.note, value: note.note, rows: 6, maxlength: 5000 }), texts.save);
		});

	/** @param {Schemas["Annotation"]} note */
	const showVersions = async (note) => {
		/** @type {Listing<Schemas["AnnotationVersion"]>} */
		const listing = new Listing((query) => listNoteVersions(note.id, { cursor: query.cursor }), () => redraw());
		let redraw = () => {};
		try {
			await listing.open();
		} catch (error) {
			toast(texts.problem(error));
			return;
		}
		await openDialog(t.versions, ({ update: draw }) => {
			redraw = draw;
			return () => html`
				<ol class="notes" reversed>
					${listing.results.map((version) => html`<li><p class="meta">${people(doctorName(version.author))}, ${time(version.written_at)}</p><p class="prose" dir="auto">${version.note}</p></li>`)}
				</ol>
				${listing.button()}`;
		});
	};

	/** @param {Schemas["Annotation"]} note */
	const item = (note) => html`
		<li>
			<p class="meta">
				<strong>${people(doctorName(note.author))}</strong>, ${time(note.created_at)}
				${note.updated_at === note.created_at
					? nothing
					: html` · <button type="button" class="plain" @click=${() => showVersions(note)}>${t.edited(time(note.updated_at))}</button>`}
				${isDoctor && note.author?.pk === session.user?.id ? html` · <button type="button" class="plain no-print" @click=${() => edit(note)}>${t.edit}</button>` : nothing}
			</p>
			${(note.record_version ?? contentVersion) < contentVersion ? html`<p class="outdated">${t.outdated}</p>` : nothing}
			<p class="prose" dir="auto">${note.note}</p>
		</li>`;

	return ({ id, annotations, content_version }) => {
		recordId = id;
		contentVersion = content_version ?? 0;
		notes = annotations;
		return html`
			<section class="card" aria-labelledby="notes-title">
				<div class="section-head"><h2 id="notes-title">${isDoctor ? t.title : t.titleForPatients}</h2></div>
				${annotations.length === 0 ? html`<p class="muted">${isDoctor ? t.noneYet : t.none}</p>` : html`<ul class="notes">${annotations.map(item)}</ul>`}
				${isDoctor ? html`<div class="no-print">${form.view(form.text({ name: "note", label: t.newNote, maxlength: 5000 }), t.add)}</div>` : nothing}
			</section>`;
	};
};
