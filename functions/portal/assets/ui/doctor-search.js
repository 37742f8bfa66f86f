// A doctor of the directory, found by name: a combobox with a list, as the ARIA Authoring Practices describe it.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { listDoctors, refusedField } from "../api.js";
import { doctorName, people } from "../format.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Schemas} Schemas */

const TYPING_MS = 200;
const RESULTS = 8;
// The list shows doctors with a title, which is no part of their names.
const TITLES = /^((dr|prof)\.?\s+)+/i;

export class DoctorSearch {
	/** @param {() => void} update */
	constructor(update) {
		this.update = update;
		/** @type {Schemas["User"] | null} */
		this.chosen = null;
		/** @type {Schemas["User"][]} */
		this.found = [];
		this.text = "";
		this.isOpen = false;
		this.active = -1;
		/** Whether the list is not yet that of what was typed last: nothing can be chosen from it. */
		this.isStale = false;
		/** @type {string | null} */
		this.problem = null;
		this.asked = 0;
		/** @type {ReturnType<typeof setTimeout> | undefined} */
		this.timer = undefined;
		/** @type {import("./form.js").Form | null} */
		this.form = null;
	}

	/** Returns the id of the chosen doctor; without one, the form says that one must be chosen. */
	required() {
		if (this.chosen !== null) return this.chosen.pk;
		throw refusedField("doctor", this.text.trim() === "" ? texts.required : texts.chooseDoctor);
	}

	async #search() {
		this.asked += 1;
		const turn = this.asked;
		try {
			const { results } = await listDoctors({ search: this.text.trim().replace(TITLES, ""), limit: RESULTS });
			if (turn !== this.asked) return;
			this.found = results;
			this.problem = null;
		} catch (error) {
			if (turn !== this.asked) return;
			this.found = [];
			this.problem = texts.problem(error);
		}
		this.isOpen = true;
		this.isStale = false;
		this.active = -1;
		this.update();
	}

	/** @param {Event} event */
	#onInput = (event) => {
		this.text = /** @type {HTMLInputElement} */ (event.target).value;
		this.chosen = null;
		this.isStale = true;
		this.active = -1;
		this.update();
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.#search(), TYPING_MS);
	};

	#onClick = () => {
		if (this.chosen === null && !this.isOpen) this.#search();
	};

	#close = () => {
		clearTimeout(this.timer);
		this.asked += 1;
		this.isOpen = false;
		this.update();
	};

	/** @param {Schemas["User"]} doctor */
	#choose(doctor) {
		this.chosen = doctor;
		this.form?.errors.delete("doctor");
		this.text = doctorName(doctor);
		this.#close();
	}

	/** @param {KeyboardEvent} event */
	#onKey = (event) => {
		const { key } = event;
		const step = { ArrowDown: 1, ArrowUp: -1 }[key];
		if (step !== undefined) {
			event.preventDefault();
			if (!this.isOpen) {
				this.#search();
				return;
			}
			const count = this.isStale ? 0 : this.found.length;
			if (count > 0) this.active = (this.active + step + (this.active < 0 && step < 0 ? 1 : 0) + count) % count;
			this.update();
			document.getElementById(`doctor-${this.active}`)?.scrollIntoView({ block: "nearest" });
		} else if (key === "Enter" && this.isOpen) {
			// Does not send the form while the list is open.
			event.preventDefault();
			const doctor = this.found[this.active] ?? (this.found.length === 1 ? this.found[0] : undefined);
			if (doctor && !this.isStale) this.#choose(doctor);
		} else if (key === "Escape" && this.isOpen) {
			event.preventDefault();
			event.stopPropagation();
			this.#close();
		}
	};

	/** @param {Schemas["User"]} doctor @param {number} index */
	#option(doctor, index) {
		const { profile } = doctor;
		const about = profile?.role === "doctor" ? texts.doctorProfile(profile.specialization, profile.years_of_experience) : "";
		// The mouse button must not take the focus from the field.
		return html`
			<li role="option" id="doctor-${index}" aria-selected=${index === this.active ? "true" : "false"}
				@mousedown=${(/** @type {Event} */ event) => event.preventDefault()} @click=${() => this.#choose(doctor)}>
				${people(doctorName(doctor))}<small>${people(about)}</small>
			</li>`;
	}

	/** @param {import("./form.js").Form} form */
	view(form) {
		this.form = form;
		form.labels.set("doctor", texts.doctor);
		const id = form.idOf("doctor");
		const error = form.errors.get("doctor");
		return html`
			<div class="field combobox">
				<label for=${id}>${texts.doctor}</label>
				<small id="${id}-hint">${texts.doctorHint}</small>
				<input id=${id} type="text" role="combobox" autocomplete="off" spellcheck="false" .value=${this.text} aria-autocomplete="list" aria-controls="doctors"
					aria-expanded=${this.isOpen ? "true" : "false"} aria-activedescendant=${this.active >= 0 ? `doctor-${this.active}` : nothing}
					aria-describedby=${error ? `${id}-error ${id}-hint` : `${id}-hint`} aria-invalid=${error ? "true" : nothing}
					@input=${this.#onInput} @click=${this.#onClick} @blur=${this.#close} @keydown=${this.#onKey}>
				<ul id="doctors" role="listbox" aria-label=${texts.doctor} ?hidden=${!this.isOpen || this.found.length === 0}>
					${this.found.map((doctor, index) => this.#option(doctor, index))}
				</ul>
				<small role="status">${this.isOpen && this.found.length === 0 ? this.problem ?? texts.noDoctor : nothing}</small>
				${error ? html`<small class="error" id="${id}-error">${error}</small>` : nothing}
			</div>`;
	}
}
