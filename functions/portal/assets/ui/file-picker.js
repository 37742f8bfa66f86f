// Choosing files: with the picker, by dropping them, or with the camera.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { people, size } from "../format.js";
import { texts } from "../texts.js";

const TYPES = ".pdf,.png,.jpg,.jpeg,.gif,.webp,.tif,.tiff,.heic,.heif,.avif,.dcm,.txt,.csv,.json,.doc,.docx,.xls,.xlsx";

export class FilePicker {
	/** @param {() => void} update */
	constructor(update) {
		this.update = update;
		/** @type {File[]} */
		this.files = [];
		this.isOver = false;
		/** @type {import("./form.js").Form | null} */
		this.form = null;
	}

	/** Errors name files by their places, which have changed. */
	#forgetErrors() {
		for (const name of this.form?.errors.keys() ?? []) if (name.startsWith("files")) this.form?.errors.delete(name);
	}

	/** @param {Iterable<File> | null | undefined} files */
	add(files) {
		this.files = [...this.files, ...(files ?? [])];
		this.#forgetErrors();
		this.update();
	}

	/** @param {number} index */
	remove(index) {
		this.files = this.files.filter((_, each) => each !== index);
		this.#forgetErrors();
		this.update();
		document.getElementById("choose-files")?.focus();
	}

	/** @param {Event} event */
	#onChange = (event) => {
		const input = /** @type {HTMLInputElement} */ (event.target);
		this.add(input.files);
		// The same file may be chosen again after it was removed.
		input.value = "";
	};

	/** @param {DragEvent} event */
	#onDrag = (event) => {
		event.preventDefault();
		const isOver = event.type === "dragover";
		if (this.isOver !== isOver) {
			this.isOver = isOver;
			this.update();
		}
	};

	/** @param {DragEvent} event */
	#onDrop = (event) => {
		event.preventDefault();
		this.isOver = false;
		this.add(event.dataTransfer?.files);
	};

	/**
	 * @param {import("./form.js").Form} form whose errors of `files[2].name` and the like belong to the files
	 */
	view(form) {
		this.form = form;
		const t = texts.files;
		form.labels.set("files", t.title);
		/** @param {number} index */
		const errorOf = (index) => {
			const found = [...form.errors].find(([name]) => name.startsWith(`files[${index}]`));
			if (found) form.labels.set(found[0], this.files[index]?.name ?? t.title);
			return found?.[1];
		};
		return html`
			<fieldset class="files" id=${form.idOf("files")} tabindex="-1">
				<legend>${t.title} <span class="optional">${texts.optional}</span></legend>
				<div class=${this.isOver ? "drop over" : "drop"} @dragover=${this.#onDrag} @dragleave=${this.#onDrag} @drop=${this.#onDrop}>
					<label class="file-button" for="choose-files"><span class="icon icon-file"></span> ${t.choose}</label>
					<input type="file" id="choose-files" class="visually-hidden" multiple accept=${TYPES} @change=${this.#onChange}>
					<label class="file-button touch-only" for="take-picture"><span class="icon icon-camera"></span> ${t.camera}</label>
					<input type="file" id="take-picture" class="visually-hidden touch-only" accept="image/*" capture="environment" @change=${this.#onChange}>
					<small>${t.hint}</small>
				</div>
				${this.files.length === 0
					? nothing
					: html`
						<ul class="items">
							${this.files.map((file, index) => {
								const error = errorOf(index);
								return html`
									<li class="file">
										<span class="grow">${people(file.name)} <small>${size(file.size)}</small>${error ? html`<small class="error">${error}</small>` : nothing}</span>
										<button type="button" class="icon-button" aria-label=${t.remove(file.name)} @click=${() => this.remove(index)}><span class="icon icon-close"></span></button>
									</li>`;
							})}
						</ul>`}
			</fieldset>`;
	}
}
