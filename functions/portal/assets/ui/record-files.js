// The files of a record: looking at them, saving them, adding and deleting them, and how their upload goes.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { deleteFile, downloadFile, refusedField } from "../api.js";
import { people, size, time } from "../format.js";
import { texts } from "../texts.js";
import { declaration, retryUpload, startUploads, transfers } from "../uploads.js";
import { confirmed, openDialog } from "./dialog.js";
import { FilePicker } from "./file-picker.js";
import { Form } from "./form.js";
import { toast } from "./toast.js";

/** @typedef {import("../api.js").Schemas} Schemas */

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

/** @param {Schemas["RecordFile"]} file */
const isShown = ({ content_type }) => IMAGES.includes(content_type) || content_type === "application/pdf";

/** Says what went wrong, for what has no form. @param {() => Promise<unknown>} work */
const telling = (work) => async () => {
	try {
		await work();
	} catch (error) {
		toast(texts.problem(error));
	}
};

/** @param {Schemas["RecordFile"]} file */
const save = async ({ id }) => {
	// The storage names the file and has it saved, so the page stays.
	location.assign((await downloadFile(id)).url);
};

/** Shows an image or a PDF inside the page. @param {Schemas["RecordFile"]} file */
const look = async (file) => {
	const { url } = await downloadFile(file.id);
	const response = await fetch(url);
	if (!response.ok) throw new Error(`the storage has responded with ${response.status}`);
	const address = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: file.content_type }));
	await openDialog(
		file.name,
		() => () =>
			IMAGES.includes(file.content_type)
				? html`<img class="preview" src=${address} alt=${file.name}>`
				: html`<iframe class="preview" src=${address} title=${file.name}></iframe>`,
		{ isWide: true, onClose: () => URL.revokeObjectURL(address) },
	);
};

/**
 * @param {{ isDoctor: boolean, change: (body: Schemas["RecordChange"]) => Promise<Schemas["Record"]>, refresh: () => Promise<void> }} record
 * @returns {(record: Schemas["Record"]) => unknown}
 */
export const recordFiles = ({ isDoctor, change, refresh }) => {
	const t = texts.files;

	/** @param {Schemas["RecordFile"]} file */
	const remove = async (file) => {
		if (!(await confirmed({ title: t.deleteTitle, text: t.deleteText(people(file.name)), action: texts.delete }))) return;
		await deleteFile(file.id);
		await refresh();
		document.getElementById("files-title")?.focus();
		toast(t.deleted);
	};

	const add = () =>
		openDialog(t.add, ({ update: draw, close }) => {
			const form = new Form(draw, async () => {
				if (picker.files.length === 0) throw refusedField("files", t.chooseFirst);
				const chosen = picker.files;
				const { files } = await change({ files: chosen.map(declaration) });
				close();
				startUploads(files, chosen);
			});
			const picker = new FilePicker(draw);
			return () => form.view(picker.view(form), t.add);
		});

	/** The file was chosen in another visit: the browser needs it once more. @param {Schemas["RecordFile"]} file @param {Event} event */
	const chooseAgain = (file, event) => {
		const [chosen] = /** @type {HTMLInputElement} */ (event.target).files ?? [];
		if (!chosen) return;
		if (chosen.size === file.size_bytes) retryUpload(file.id, chosen);
		else toast(t.otherFile(people(file.name), size(file.size_bytes)));
	};

	/** @param {Schemas["RecordFile"]} file */
	const pending = (file) => {
		const transfer = transfers.get(file.id);
		if (isDoctor || (transfer?.state === "sent")) return html`<small role="status">${isDoctor ? t.notThere : t.checking}</small>`;
		if (transfer?.state === "sending") {
			const percent = Math.round(transfer.progress * 100);
			return html`<progress max="100" value=${percent} aria-label=${t.sending(file.name)}></progress>`;
		}
		if (transfer?.state === "failed") {
			return html`
				<small class="error" role="alert">${t.failed}</small>
				<button type="button" class="secondary outline small" @click=${() => retryUpload(file.id, transfer.file)}>${t.retry}</button>`;
		}
		const input = `again-${file.id}`;
		return html`
			<small class="error">${t.missing}</small>
			<label class="file-button small no-print" for=${input}>${t.chooseAgain}</label>
			<input type="file" id=${input} class="visually-hidden no-print" @change=${(/** @type {Event} */ event) => chooseAgain(file, event)}>`;
	};

	/** @param {Schemas["RecordFile"]} file */
	const item = (file) => html`
		<li class="file">
			<span class="icon icon-file"></span>
			<span class="grow">
				${people(file.name)} <small>${size(file.size_bytes)} · ${time(file.created_at)}</small>
				${file.status === "rejected" ? html`<small class="error">${file.rejection ? t.rejections[file.rejection.code] : t.rejected}</small>` : nothing}
				${file.status === "pending" ? pending(file) : nothing}
			</span>
			<span class="buttons no-print">
				${file.status === "available" && isShown(file) ? html`<button type="button" class="secondary outline small" aria-label=${t.lookAt(file.name)} @click=${telling(() => look(file))}>${t.look}</button>` : nothing}
				${file.status === "available" ? html`<button type="button" class="secondary outline small" aria-label=${t.saveNamed(file.name)} @click=${telling(() => save(file))}>${t.save}</button>` : nothing}
				${isDoctor ? nothing : html`<button type="button" class="icon-button" aria-label=${t.remove(file.name)} @click=${telling(() => remove(file))}><span class="icon icon-trash"></span></button>`}
			</span>
		</li>`;

	return ({ files }) => html`
		<section class="card" aria-labelledby="files-title">
			<div class="section-head">
				<h2 id="files-title" tabindex="-1">${t.title}</h2>
				${isDoctor ? nothing : html`<button type="button" class="secondary outline small no-print" @click=${add}><span class="icon icon-plus"></span> ${t.add}</button>`}
			</div>
			${files.length === 0 ? html`<p class="muted">${t.none}</p>` : html`<ul class="items">${files.map(item)}</ul>`}
		</section>`;
};
