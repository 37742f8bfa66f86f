// The profile: what doctors, or patients in the directory, see of a person.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { createProfile, updateProfile } from "../api.js";
import { fullName, people } from "../format.js";
import { navigate } from "../router.js";
import { texts } from "../texts.js";
import { Form } from "../ui/form.js";
import { ownAccount, refreshAccount } from "../ui/header.js";
import { toast } from "../ui/toast.js";

/** @typedef {import("../api.js").Schemas} Schemas */

const GENDERS = /** @type {[Schemas["Gender"], string][]} */ (Object.entries(texts.genders));

/** @type {import("../router.js").Page} */
export const open = async ({ show }) => {
	const t = texts.profile;
	let account = await ownAccount();
	const { role } = account;

	/** @param {Record<string, string>} values @returns {Schemas["NewProfile"]} */
	const bodyOf = ({ specialization, license_number, years = "", date_of_birth = "", gender, address = "" }) =>
		role === "doctor"
			? { specialization, license_number, years_of_experience: years === "" ? 0 : Number(years) }
			: { date_of_birth: date_of_birth || null, gender: GENDERS.find(([each]) => each === gender)?.[0], address: address || null };

	const form = new Form(
		() => update(),
		async (values) => {
			if (account.profile === null) {
				await createProfile(bodyOf(values), form.key);
				await refreshAccount();
				navigate("/records");
			} else {
				await updateProfile(bodyOf(values));
				account = await refreshAccount();
			}
			toast(texts.saved);
		},
	);

	/** @param {Schemas["PatientProfile"] | null} profile */
	const ofPatient = (profile) => html`
		${form.input({ name: "date_of_birth", label: t.dateOfBirth, type: "date", autocomplete: "bday", value: profile?.date_of_birth ?? "", min: "1900-01-01", isOptional: true })}
		${form.select({ name: "gender", label: t.gender, value: profile?.gender ?? "other", options: GENDERS })}
		${form.text({ name: "address", label: t.address, hint: t.addressHint, value: profile?.address ?? "", rows: 3, maxlength: 1000, isOptional: true })}`;

	/** @param {Schemas["DoctorProfile"] | null} profile */
	const ofDoctor = (profile) => html`
		${form.input({ name: "specialization", label: t.specialization, hint: t.specializationHint, value: profile?.specialization, maxlength: 255 })}
		${form.input({ name: "license_number", label: t.licenceNumber, value: profile?.license_number, maxlength: 255 })}
		${form.input({ name: "years", label: t.years, type: "number", inputmode: "numeric", min: "0", max: "80", value: String(profile?.years_of_experience ?? ""), isOptional: true })}`;

	const update = () => {
		const { profile } = account;
		form.errors = new Map([...form.errors].map(([name, text]) => [name === "years_of_experience" ? "years" : name, text]));
		show({
			title: profile === null ? t.complete : t.title,
			isNarrow: true,
			body: html`
				<dl class="facts">
					<dt>${texts.name}</dt><dd>${people(fullName(account))}</dd>
					<dt>${texts.email}</dt><dd>${people(account.email ?? "")} <a href="/security">${t.change}</a>${account.email_verified ? nothing : html`<br><small>${t.unconfirmed}</small>`}</dd>
					<dt>${texts.role}</dt><dd>${texts.roles[role]}</dd>
				</dl>
				${role === "admin"
					? nothing
					: html`
						<div class="card">
							${profile === null ? html`<p>${role === "doctor" ? t.doctorMissing : t.missing}</p>` : nothing}
							${form.view(
								role === "doctor" ? ofDoctor(profile?.role === "doctor" ? profile : null) : ofPatient(profile?.role === "patient" ? profile : null),
								texts.save,
								{ beside: profile === null && role === "patient" ? html`<a href="/records">${t.later}</a>` : nothing },
							)}
						</div>`}`,
		});
	};
	update();
};
