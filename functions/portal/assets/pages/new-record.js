// A new record: for which doctor, about what, with which files.

import { html } from "../vendor/lit-html/lit-html.js";
import { createRecord } from "../api.js";
import { navigate } from "../router.js";
import { texts } from "../texts.js";
import { declaration, startUploads } from "../uploads.js";
import { DoctorSearch } from "../ui/doctor-search.js";
import { FilePicker } from "../ui/file-picker.js";
import { Form } from "../ui/form.js";

/** @typedef {import("../api.js").Schemas} Schemas */

const TYPES = /** @type {[Schemas["RecordType"], string][]} */ (Object.entries(texts.recordTypes));

/** @type {import("../router.js").Page} */
export const open = ({ show }) => {
	const t = texts.newRecord;
	const form = new Form(
		() => update(),
		async ({ record_type, description }) => {
			const doctor = doctors.required();
			const type = TYPES.find(([each]) => each === record_type)?.[0];
			const record = await createRecord({ doctor, record_type: type, description, files: picker.files.map(declaration) }, form.key);
			startUploads(record.files, picker.files);
			navigate(`/records/${record.id}`, { replace: true });
		},
	);
	const doctors = new DoctorSearch(() => update());
	const picker = new FilePicker(() => update());
	const update = () =>
		show({
			title: t.title,
			isNarrow: true,
			body: html`
				<div class="card">
					${form.view(
						html`
							${doctors.view(form)}
							${form.select({ name: "record_type", label: texts.type, value: "general", options: TYPES })}
							${form.text({ name: "description", label: texts.description, hint: t.descriptionHint, maxlength: 5000, isOptional: true })}
							${picker.view(form)}`,
						t.action,
						{ beside: html`<a href="/records" class="secondary">${texts.cancel}</a>` },
					)}
				</div>`,
		});
	update();
};
