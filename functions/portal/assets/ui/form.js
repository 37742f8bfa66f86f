// Forms: labels, hints and errors that belong together, and a request that is sent once.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { ApiError } from "../api.js";
import { texts } from "../texts.js";

/** @typedef {Record<string, string>} Values */
/** @typedef {{ name: string, label: string, hint?: unknown, value?: string, isOptional?: boolean }} Basics */

let count = 0;

export class Form {
	/**
	 * @param {() => void} update draws the form again
	 * @param {(values: Values) => Promise<unknown>} send
	 */
	constructor(update, send) {
		count += 1;
		this.id = `form-${count}`;
		this.update = update;
		this.send = send;
		this.isSending = false;
		/** Repeated with the request, so that it has one effect, and changed after each success. */
		this.key = crypto.randomUUID();
		/** What is wrong with fields, by their names. @type {Map<string, string>} */
		this.errors = new Map();
		/** What is wrong with the whole. @type {unknown} */
		this.problem = null;
		/** @type {Map<string, string>} */
		this.labels = new Map();
	}

	/** @param {string} name */
	idOf(name) {
		return `${this.id}-${name}`;
	}

	/** @param {HTMLFormElement} element */
	#check(element) {
		this.errors = new Map();
		this.problem = null;
		for (const control of /** @type {Iterable<HTMLInputElement>} */ (/** @type {unknown} */ (element.elements))) {
			if (control.name === "" || control.validity.valid) continue;
			this.errors.set(control.name, control.validity.valueMissing ? texts.required : control.type === "email" ? texts.notAnAddress : texts.notValid);
		}
		return this.errors.size === 0;
	}

	/** @param {unknown} error */
	fail(error) {
		if (!(error instanceof ApiError)) console.error(error);
		const errors = error instanceof ApiError ? error.errors : [];
		// One field takes both kinds of codes.
		const nameOf = (/** @type {string} */ field) => (field === "recovery_code" ? "code" : field);
		this.errors = new Map(
			errors.map(({ field, code, message }) => [nameOf(field), field === "token" && code === "invalid" ? texts.token.refused : texts.fieldError(code, message)]),
		);
		this.problem = this.errors.size === 0 ? texts.problem(error) : null;
	}

	/** @param {HTMLFormElement} element */
	#focusProblems(element) {
		/** @type {HTMLElement | null} */ (element.querySelector(".problems"))?.focus();
	}

	/** @param {SubmitEvent} event */
	submit = async (event) => {
		event.preventDefault();
		if (this.isSending) return;
		const element = /** @type {HTMLFormElement} */ (event.target);
		if (this.#check(element)) {
			this.isSending = true;
			this.update();
			try {
				await this.send(/** @type {Values} */ (Object.fromEntries(new FormData(element))));
				this.key = crypto.randomUUID();
				element.toggleAttribute("data-sent", true);
			} catch (error) {
				this.fail(error);
			} finally {
				this.isSending = false;
			}
		}
		this.update();
		this.#focusProblems(element);
	};

	/**
	 * @param {unknown} fields
	 * @param {string} label of the button
	 * @param {{ beside?: unknown }} [options]
	 */
	view(fields, label, { beside = nothing } = {}) {
		return html`
			<form novalidate id=${this.id} @submit=${this.submit}>
				${this.#summary()}
				${fields}
				<div class="buttons">
					<button type="submit" aria-busy=${this.isSending ? "true" : nothing} ?disabled=${this.isSending}>${label}</button>
					${beside}
				</div>
			</form>`;
	}

	#summary() {
		if (this.errors.size === 0 && this.problem === null) return nothing;
		return html`
			<div class="problems" role="alert" tabindex="-1">
				${this.problem !== null
					? html`<p>${this.problem}</p>`
					: html`
						<p><strong>${texts.correct}</strong></p>
						<ul>${[...this.errors].map(([name, message]) => html`<li><a href="#${this.idOf(name.split("[", 1)[0] ?? name)}">${this.labels.get(name) ?? name}</a>: ${message}</li>`)}</ul>`}
			</div>`;
	}

	/**
	 * @param {Basics} basics
	 * @param {(control: { id: string, describedBy: string | typeof nothing, invalid: "true" | typeof nothing }) => unknown} control
	 */
	#field({ name, label, hint, isOptional }, control) {
		this.labels.set(name, label);
		const id = this.idOf(name);
		const error = this.errors.get(name);
		const ids = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ");
		return html`
			<div class="field">
				<label for=${id}>${label}${isOptional ? html` <span class="optional">${texts.optional}</span>` : nothing}</label>
				${hint ? html`<small id="${id}-hint">${hint}</small>` : nothing}
				${control({ id, describedBy: ids || nothing, invalid: error ? "true" : nothing })}
				${error ? html`<small class="error" id="${id}-error">${error}</small>` : nothing}
			</div>`;
	}

	/**
	 * @param {Basics & { type?: "text" | "email" | "tel" | "date" | "number" | "search", autocomplete?: AutoFill | "bday" | "off" | "username" | "one-time-code", inputmode?: string, maxlength?: number, min?: string, max?: string }} options
	 */
	input({ type = "text", autocomplete = "off", inputmode, maxlength, min, max, ...basics }) {
		return this.#field(
			basics,
			({ id, describedBy, invalid }) => html`<input id=${id} name=${basics.name} type=${type} value=${basics.value ?? ""} autocomplete=${autocomplete}
				inputmode=${inputmode ?? nothing} maxlength=${maxlength ?? nothing} min=${min ?? nothing} max=${max ?? nothing} ?required=${!basics.isOptional}
				autocapitalize=${type === "email" ? "none" : nothing} spellcheck=${type === "email" ? "false" : nothing}
				aria-describedby=${describedBy} aria-invalid=${invalid}>`,
		);
	}

	/** @param {Basics & { autocomplete: "current-password" | "new-password" }} options */
	password({ autocomplete, ...basics }) {
		/** @param {MouseEvent} event */
		const toggle = (event) => {
			const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
			const input = /** @type {HTMLInputElement} */ (button.previousElementSibling);
			const isShown = input.type === "password";
			input.type = isShown ? "text" : "password";
			button.setAttribute("aria-pressed", String(isShown));
		};
		return this.#field(
			basics,
			({ id, describedBy, invalid }) => html`
				<div class="with-button">
					<input id=${id} name=${basics.name} type="password" autocomplete=${autocomplete} required autocapitalize="none" spellcheck="false"
						aria-describedby=${describedBy} aria-invalid=${invalid}>
					<button type="button" class="icon-button" aria-pressed="false" aria-label=${texts.showPassword(basics.label)} @click=${toggle}><span class="icon icon-eye"></span></button>
				</div>`,
		);
	}

	/** @param {Basics & { rows?: number, maxlength?: number, onInput?: (event: InputEvent) => void }} options */
	text({ rows = 4, maxlength, ...basics }) {
		return this.#field(
			basics,
			({ id, describedBy, invalid }) => html`<textarea id=${id} name=${basics.name} rows=${rows} maxlength=${maxlength ?? nothing} dir="auto"
				?required=${!basics.isOptional} aria-describedby=${describedBy} aria-invalid=${invalid}>${basics.value ?? ""}</textarea>`,
		);
	}

	/** @param {Basics & { options: readonly (readonly [string, string])[] }} options */
	select({ options, ...basics }) {
		return this.#field(
			basics,
			({ id, describedBy, invalid }) => html`
				<select id=${id} name=${basics.name} aria-describedby=${describedBy} aria-invalid=${invalid}>
					${options.map(([value, label]) => html`<option value=${value} ?selected=${value === basics.value}>${label}</option>`)}
				</select>`,
		);
	}

	/** @param {Basics & { options: readonly (readonly [string, string])[] }} options */
	choice({ name, label, value, options }) {
		this.labels.set(name, label);
		return html`
			<fieldset class="choice" id=${this.idOf(name)} tabindex="-1">
				<legend>${label}</legend>
				${options.map(([each, text]) => html`<label><input type="radio" name=${name} value=${each} ?checked=${each === value}> ${text}</label>`)}
			</fieldset>`;
	}

	/** A field for the code of an authenticator app or a recovery code. */
	code(hint = texts.code.hint) {
		return this.input({ name: "code", label: texts.code.label, hint, autocomplete: "one-time-code", maxlength: 104 });
	}
}

/**
 * Returns what proves the second factor: the six digits of the app, however they are grouped, or a recovery code.
 * @param {string | undefined} typed
 */
export const proofOf = (typed = "") => {
	const digits = typed.replaceAll(/[\s-]/g, "");
	return /^\d{6}$/.test(digits) ? { code: digits } : { recovery_code: typed.trim() };
};
