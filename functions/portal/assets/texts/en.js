// All texts in English. Names of people, records and files are passed as templates, so that each language puts them in its place.

import { html } from "../vendor/lit-html/lit-html.js";
import { ApiError } from "../api.js";
import { megabytesIn } from "../language.js";

/** @typedef {typeof texts} Texts */
/** @typedef {import("../api.js").Schemas} Schemas */
/** @typedef {{ doctor: unknown, patient: unknown, title: unknown } | null} Subject who a notification is about; null where it may not be seen any more */
/** @typedef {(who: unknown, isYou: boolean, record: unknown) => unknown} Sentence of the access log */

const language = "en";
const plurals = new Intl.PluralRules(language);
const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });

/** @param {number} count @param {string} one @param {string} other */
const plural = (count, one, other) => `${count} ${plurals.select(count) === "one" ? one : other}`;

/** @param {unknown} seconds */
const wait = (seconds) => (typeof seconds !== "number" ? "Try again later." : seconds < 90 ? `Try again in ${plural(seconds, "second", "seconds")}.` : `Try again in ${plural(Math.ceil(seconds / 60), "minute", "minutes")}.`);

/** @type {Partial<Record<string, string>>} */
const PROBLEMS = {
	network: "The service cannot be reached. Check your connection and try again.",
	invalid_credentials: "Email address or password is wrong.",
	sign_in_link_required: "Too many sign-ins with this address have failed. We can send you a mail with a link: follow it on this device, then sign in.",
	second_factor_locked: "Too many wrong codes. Use a recovery code, or have us send you a mail.",
	invalid_code: "The code is wrong, or was used before.",
	code_already_used: "This code was used already. Wait for the next one.",
	mfa_token_not_valid: "That took too long. Enter your password again.",
	email_not_confirmed: "Confirm your email address first: follow the link in the mail that we sent you.",
	second_factor_exists: "You have set up a second factor already.",
	precondition_failed: "This was changed meanwhile, perhaps in another window. Look at the newest version, then try again.",
	changed_meanwhile: "This was changed meanwhile, perhaps in another window. Try again.",
	daily_limit_reached: "You have reached the limit for today. Try again tomorrow.",
	file_not_available: "The file cannot be opened: it was not uploaded, or was refused.",
	not_same_origin: "Open these pages at their usual address: signing in works only there.",
	not_found: "It is not there any more, or you may not see it.",
	signed_out: "You are signed out. Send it again to sign in: what you have typed is still here.",
	internal_error: "Something went wrong on our side. Try again later.",
};

export const texts = {
	brand: "Health Records",
	skip: "Skip to content",
	language: "Language",
	loading: "Loading…",
	close: "Close",
	cancel: "Cancel",
	save: "Save",
	saved: "Saved.",
	delete: "Delete",
	undo: "Undo",
	proceed: "Continue",
	more: "Show more",
	optional: "(optional)",
	required: "Enter something here.",
	notAnAddress: "Enter an email address, such as name@example.com.",
	notValid: "This is not valid.",
	correct: "Please correct the following:",
	justNow: "just now",
	you: "You",
	staff: "staff",
	somebody: "Somebody",
	reason: "Reason",
	nameless: "No name",
	deletedAccount: "a deleted account",
	name: "Name",
	firstName: "First name",
	lastName: "Last name",
	email: "Email address",
	password: "Password",
	newPassword: "New password",
	passwordHint: "Several words that have nothing to do with each other are easy to remember and hard to guess.",
	/** @param {string} label */
	showPassword: (label) => `Show: ${label}`,
	role: "Role",
	roles: { patient: "Patient", doctor: "Doctor", admin: "Administrator" },
	patient: "Patient",
	doctor: "Doctor",
	doctorHint: "Type the beginning of a first or last name.",
	noDoctor: "No doctor found. Try another part of the name.",
	chooseDoctor: "Choose a doctor from the list.",
	type: "Type",
	description: "Description",
	created: "Created",
	changed: "Changed",
	recordTypes: { consultation: "Consultation", lab_result: "Lab result", prescription: "Prescription", imaging: "Imaging", procedure: "Procedure", general: "General" },
	genders: { female: "Female", male: "Male", other: "Other" },
	/** @param {string} name */
	doctorNamed: (name) => `Dr. ${name}`,
	/** @param {string} specialization @param {number} years */
	doctorProfile: (specialization, years) => (years > 0 ? `${specialization}, ${plural(years, "year", "years")} of experience` : specialization),
	/** @param {Schemas["Gender"]} gender @param {string | null} born */
	patientProfile: (gender, born) => `${texts.genders[gender]}${born === null ? "" : `, born ${dates.format(new Date(born))}`}`,
	/** @param {string} agent what the browser calls itself */
	device: (agent) => {
		const browser = /Edg|Firefox|OPR|Chrome|Safari/.exec(agent)?.[0] ?? "";
		const system = /iPhone|iPad|Android|Windows|Mac OS X|Linux/.exec(agent)?.[0] ?? "";
		const name = { Edg: "Edge", OPR: "Opera" }[browser] ?? browser;
		return [name, system.replace("Mac OS X", "macOS")].filter(Boolean).join(", ") || agent || "Unknown device";
	},
	/** @param {unknown} error */
	problem: (error) => {
		if (!(error instanceof ApiError)) return "Something went wrong. Try again.";
		if (error.code === "too_many_attempts") return `Too many attempts. ${wait(error.retryAfter)}`;
		if (error.code === "unavailable") return `The service is busy. ${wait(error.retryAfter)}`;
		const text = PROBLEMS[error.code] ?? (error.errors[0]?.message || error.message);
		return error.code === "internal_error" && error.requestId ? `${text} (${error.requestId})` : text;
	},
	/** @param {string} code @param {string} message of the API, in English */
	fieldError: (code, message) => {
		if (code === "required") return "Enter something here.";
		return code === "too_large" ? `Is too large; at most ${megabytesIn(message)} are allowed.` : message;
	},
	token: {
		label: "Token",
		hint: "It is in the mail, below the link.",
		refused: "The link was used before, or is too old.",
	},
	code: {
		title: "Enter a code",
		label: "Code",
		hint: "Six digits from your authenticator app, or a recovery code.",
	},
	nav: {
		main: "Main",
		records: "Records",
		account: "Account",
		profile: "Profile",
		security: "Security",
		accessLog: "Access log",
		signOut: "Sign out",
		/** @param {number} count */
		unread: (count) => (count === 0 ? "Notifications" : `Notifications, ${count} unread`),
	},
	bounced: "Our mails to you do not arrive.",
	bouncedAction: "Change your email address",
	notFound: { title: "Page not found", text: "There is nothing here, or nothing that you may see.", back: "Go to the first page" },
	failed: { title: "That did not work", text: "Something went wrong. Try again.", again: "Try again" },
	signIn: {
		title: "Sign in",
		lead: "Your health records and your doctors, in one safe place.",
		action: "Sign in",
		forgotten: "Forgotten your password?",
		isNew: "New here?",
		sendMail: "Send me a mail",
		mailSent: "If there is an account with this address, a mail is on its way. Follow its link on this device, then sign in.",
		again: "Please sign in again",
		ended: "Your session has ended. What you have typed is still here.",
	},
	register: {
		title: "Create an account",
		role: "I am a",
		asPatient: "Patient",
		asDoctor: "Doctor",
		action: "Create account",
		isKnown: "Already have an account?",
		mailTitle: "Check your mail",
		/** @param {unknown} email */
		mailed: (email) => html`We have sent a mail to ${email}. Follow its link to confirm the address, then sign in.`,
	},
	forgotPassword: {
		title: "Forgotten password",
		text: "We will send you a link to set a new password.",
		action: "Send the mail",
		/** @param {unknown} email */
		mailed: (email) => html`If there is an account with the address ${email}, the mail is on its way. Its link works for 30 minutes.`,
		back: "Back to sign-in",
	},
	passwordReset: {
		title: "Set a password",
		action: "Set password",
		done: "Your password is set. All devices were signed out.",
		another: "Send me another mail",
	},
	verifyEmail: {
		title: "Confirm your email address",
		whose: "Somebody has registered this account with your address:",
		setPassword: "Set a password for it, so that it is yours alone.",
		action: "This is my account: confirm",
		done: "Your address is confirmed.",
		doneWithPassword: "Your address is confirmed and your password is set. You can sign in now.",
		notMine: "This is not mine",
		discardTitle: "Discard this account?",
		discardText: "Nobody can use it any more, and the address is free again.",
		discard: "Discard account",
		discarded: "The account is discarded.",
	},
	mailLinks: {
		discardAccount: {
			title: "Discard an account",
			text: "Somebody has registered an account with your address. If it is not yours, discard it: nobody can use it any more.",
			action: "Discard the account",
			done: "The account is discarded.",
		},
		signInLink: { title: "Sign in from this device", text: "Confirm to sign in on this device.", action: "Use this device", done: "This device is known now. Sign in as usual." },
		emailChange: { title: "Change your email address", text: "Confirm to sign in with the address that received this mail.", action: "Confirm the address", done: "Your address is changed." },
		cancelRecovery: {
			title: "Cancel a change of your account",
			text: "Our staff have started to change your account. If you did not ask for this, cancel it.",
			action: "Cancel the change",
			done: "The change is cancelled.",
		},
		confirmRecovery: {
			title: "Confirm your email address",
			text: "Our staff have entered this address for your account. Confirm that it is yours.",
			action: "Confirm the address",
			done: "The address is confirmed. The change is carried out after three days.",
		},
	},
	admin: { title: "Administration", text: "With this account you administer the service. The console has its own sign-in.", action: "Go to the console" },
	waiting: {
		title: "Your licence is not approved yet",
		text: "As soon as it is, patients can find you and assign records to you. You will be told the decision and the reason.",
		action: "Notifications",
	},
	refused: {
		title: "Your licence was not approved",
		text: "A mail and a notification tell you why. If something in your profile is wrong, correct it: a new licence number is looked at again.",
		action: "Notifications",
	},
	suspended: {
		title: "Your access to records is suspended",
		text: "You can use your account, but not see records. A mail and a notification tell you why.",
		action: "Notifications",
	},
	factorNeeded: {
		title: "One more step: a second factor",
		text: "Records of patients need more than a password. Set up an authenticator app on your phone; it takes a minute.",
		action: "Set it up",
	},
	records: {
		title: "Your records",
		assigned: "Assigned records",
		create: "New record",
		filters: "Filter the records",
		allTypes: "All types",
		from: "From",
		to: "Until",
		clear: "Show all records",
		noMatch: "No record matches.",
		none: "You have no records yet. Describe what it is about, choose your doctor and add files: they are safe here, and you see who looks at them.",
		noneAssigned: "No records are assigned to you yet. Patients find you in the directory by your name.",
		/** @param {number} count @param {boolean} hasMore */
		shown: (count, hasMore) => `${plural(count, "record", "records")}${hasMore ? ", and there are more" : ""}`,
	},
	newRecord: {
		title: "New record",
		descriptionHint: "The first line is its title.",
		action: "Create record",
	},
	record: {
		about: "About this record",
		edit: "Edit",
		print: "Print",
		save: "Save",
		changeDoctor: "Change doctor",
		/** @param {unknown} doctor */
		changeDoctorText: (doctor) => html`${doctor} will not be able to see this record any more.`,
		allOfPatient: "All records of this patient",
	},
	files: {
		title: "Files",
		none: "There are no files.",
		choose: "Choose files",
		chooseFirst: "Choose a file first.",
		camera: "Take a picture",
		hint: "Or drop them here. PDF, pictures, DICOM, text, Word and Excel.",
		add: "Add files",
		look: "View",
		save: "Download",
		/** @param {string} name */
		lookAt: (name) => `View ${name}`,
		/** @param {string} name */
		saveNamed: (name) => `Download ${name}`,
		/** @param {string} name */
		remove: (name) => `Remove ${name}`,
		deleteTitle: "Delete this file?",
		/** @param {unknown} name */
		deleteText: (name) => html`${name} will be deleted for good.`,
		deleted: "The file is deleted.",
		/** @param {string} name */
		sending: (name) => `Uploading ${name}`,
		/** @param {string} name */
		arrived: (name) => `${name} is uploaded.`,
		checking: "Being checked…",
		notThere: "Not uploaded yet.",
		failed: "The upload has failed.",
		retry: "Try again",
		missing: "Not uploaded.",
		chooseAgain: "Choose the file again",
		/** @param {unknown} name @param {string} size */
		otherFile: (name, size) => html`That is another file. Choose ${name} (${size}), or delete it here and add the other one.`,
		rejected: "This file was refused.",
		rejections: {
			declaration_mismatch: "Refused: the uploaded file is not the one you chose. Delete it and add it again.",
			content_mismatch: "Refused: the content is of another type than the name says. Open the file, save it anew and add it again.",
			undecodable_text: "Refused: the text is in an unknown encoding. Save it as UTF-8 and add it again.",
			damaged_file: "Refused: the document is damaged. Open it, save it anew and add it again.",
			contains_macros: "Refused: the document contains macros. Save it without macros and add it again.",
			malware_found: "Refused: malware was found in it.",
			not_scannable: "Refused: it cannot be scanned for malware, because it is encrypted or too large.",
		},
	},
	notes: {
		title: "Notes",
		titleForPatients: "Notes of your doctor",
		none: "Your doctor has not noted anything yet.",
		noneYet: "There are no notes yet.",
		note: "Note",
		newNote: "New note",
		add: "Add note",
		added: "The note is added.",
		edit: "Edit",
		versions: "Earlier versions",
		outdated: "The record has changed since this was written: see “Changes” below.",
		/** @param {unknown} when */
		edited: (when) => html`edited ${when}`,
	},
	history: {
		title: "Changes",
		none: "Nothing has changed since the record was created.",
		/** @param {string} before @param {string} after */
		type: (before, after) => `Type: ${before} → ${after}`,
		/** @param {unknown} before @param {unknown} after */
		doctor: (before, after) => html`Doctor: ${before} → ${after}`,
		/** @param {unknown} name */
		added: (name) => html`Added ${name}`,
		/** @param {unknown} name */
		removed: (name) => html`Deleted ${name}`,
		description: "Description:",
		before: "Before",
		after: "After",
	},
	access: {
		title: "Who has looked at it",
		none: "Nobody but you.",
		record: "a record",
		thisRecord: "the record",
		emergency: "Emergency access",
		renewedTwice: "A session was renewed twice within seconds",
	},
	accessLog: {
		title: "Access log",
		text: "What has happened to your account. If something was not you, change your password.",
		textForPatients: "Who has looked at your records, and what has happened to your account. If something was not you, change your password.",
		own: "Show what I have looked at myself",
		none: "There is nothing to show.",
	},
	notifications: {
		title: "Notifications",
		one: "Notification",
		none: "Nothing new.",
		read: "Read",
		unread: "Unread",
		readAll: "Mark all as read",
		deleteAll: "Delete all",
		deleted: "All notifications are deleted.",
		openRecord: "Open the record",
	},
	profile: {
		title: "Profile",
		complete: "Complete your profile",
		unconfirmed: "Not confirmed yet: follow the link in the mail that we have sent you.",
		missing: "Your doctors see these facts beside your records.",
		doctorMissing: "Patients find you in the directory once your profile is complete.",
		later: "Later",
		change: "Change",
		dateOfBirth: "Date of birth",
		gender: "Gender",
		address: "Postal address",
		addressHint: "Doctors do not see it.",
		specialization: "Specialization",
		specializationHint: "For example Cardiology.",
		licenceNumber: "Licence number",
		years: "Years of experience",
	},
	security: {
		title: "Security",
		changePassword: "Change password",
		currentPassword: "Current password",
		othersEnd: "All other devices will be signed out.",
		passwordChanged: "Your password is changed. All other devices were signed out.",
		changeEmail: "Change email address",
		/** @param {unknown} email */
		presentEmail: (email) => html`You sign in with ${email}.`,
		newEmail: "New email address",
		/** @param {unknown} email */
		mailed: (email) => html`We have sent a mail to ${email}. Follow its link and confirm: then your address changes.`,
		devices: "Devices",
		thisDevice: "This device",
		/** @param {unknown} when */
		lastUsed: (when) => html`Last used ${when}`,
		end: "Sign out",
		/** @param {string} device */
		endNamed: (device) => `Sign out ${device}`,
		endAll: "Sign out everywhere",
		endAllText: "All devices are signed out at once, this one too.",
	},
	secondFactor: {
		title: "Second factor",
		text: "With an authenticator app, your password alone is of no use to anybody else.",
		isSetUp: "Signing in needs a code from your authenticator app.",
		setUp: "Set up an authenticator app",
		remove: "Remove the second factor",
		removeText: "From then on, your password alone is enough to sign in.",
		removed: "The second factor is removed.",
		qrCode: "QR code for the authenticator app",
		scan: "Open an authenticator app on your phone and scan this code.",
		enter: "Enter the six digits that it shows.",
		cannotScan: "I cannot scan it",
		typeSecret: "Enter this key in the app instead:",
		openApp: "Open the app on this device",
		codeHint: "Six digits, with or without a space.",
		confirm: "Confirm",
		recoveryCodes: "Recovery codes",
		recoveryText: "If you lose your phone, each of these codes signs you in once. They are shown only now: keep them in a safe place.",
		copy: "Copy",
		copied: "The codes are copied.",
		download: "Download",
		kept: "I have kept them",
		unconfirmed: "Confirm your email address first: follow the link in the mail that we sent you.",
		resend: "Send the mail again",
		mailSent: "The mail is on its way.",
	},
	outcomes: { success: "", denied: "refused", failed: "failed" },
	/** @type {Record<Schemas["NotificationType"], (about: Subject) => unknown>} */
	notificationTypes: {
		patient_assigned: (about) => (about ? html`${about.patient} has assigned a record to you: ${about.title}` : "A record was assigned to you."),
		assignment_ended: () => "A record is no longer assigned to you.",
		record_updated: (about) => (about ? html`${about.patient} has changed the record ${about.title}` : "A record was changed."),
		record_annotated: (about) => (about ? html`${about.doctor} has added a note to ${about.title}` : "A note was added to a record."),
		annotation_updated: (about) => (about ? html`${about.doctor} has changed a note on ${about.title}` : "A note was changed."),
		approval_granted: () => "Your licence is approved.",
		approval_refused: () => "Your licence was not approved.",
		approval_suspended: () => "You are suspended.",
		record_opened_by_staff: (about) => (about ? html`Staff have opened the record ${about.title}` : "Staff have opened a record."),
		record_reassigned_by_staff: (about) => (about ? html`Staff have assigned ${about.title} to ${about.doctor}` : "Staff have assigned a record to another doctor."),
	},
	/** @type {Record<Schemas["Action"], Sentence>} */
	actions: {
		register: (who) => html`${who} created the account`,
		login: (who) => html`${who} signed in`,
		confirm_device: (who) => html`${who} made a device known`,
		end_session: (who) => html`${who} signed out of a device`,
		end_all_sessions: (who) => html`${who} signed out everywhere`,
		reuse_token: () => "A session was used in two places and was ended",
		change_password: (who) => html`${who} changed the password`,
		reset_password: (who) => html`${who} set a new password`,
		verify_email: (who) => html`${who} confirmed the email address`,
		discard_account: (who) => html`${who} discarded the account`,
		change_email: (who) => html`${who} changed the email address`,
		enable_second_factor: (who) => html`${who} set up a second factor`,
		disable_second_factor: (who) => html`${who} removed the second factor`,
		change_role: (who) => html`${who} changed the role of the account`,
		update_user: (who) => html`${who} changed the profile`,
		activate: (who) => html`${who} activated the account`,
		deactivate: (who) => html`${who} deactivated the account`,
		create_user: (who) => html`${who} created the account`,
		read_user: (who) => html`${who} viewed the account`,
		list_users: (who) => html`${who} searched the accounts`,
		start_password_reset: (who) => html`${who} started a reset of the password`,
		start_email_change: (who) => html`${who} started a change of the email address`,
		start_second_factor_removal: (who) => html`${who} started the removal of the second factor`,
		approve_recovery: (who) => html`${who} approved a change of the account`,
		confirm_recovery: (who) => html`${who} confirmed the new email address`,
		cancel_recovery: (who) => html`${who} cancelled a change of the account`,
		recover_admin: (who) => html`${who} recovered the account`,
		staff_list_records: (who) => html`${who} viewed the list of records`,
		staff_list_files: (who) => html`${who} viewed the list of files`,
		staff_list_annotations: (who) => html`${who} viewed the list of notes`,
		staff_list_notifications: (who) => html`${who} viewed the list of notifications`,
		look_up_record: (who, _, record) => html`${who} looked up ${record}`,
		break_glass: (who, _, record) => html`${who} got emergency access to ${record}`,
		correct_assignment: (who, _, record) => html`${who} assigned ${record} to another doctor`,
		resend_mail: (who) => html`${who} sent a mail again`,
		redrive_mail: (who) => html`${who} sent a mail again`,
		list_mails: (who) => html`${who} viewed the list of mails`,
		export_counts: (who) => html`${who} exported statistics`,
		read_audit: (who) => html`${who} viewed the audit trail`,
		change_licence: (who) => html`${who} changed the licence`,
		approve_doctor: (who) => html`${who} approved the licence`,
		refuse_doctor: (who) => html`${who} refused the licence`,
		suspend_doctor: (who) => html`${who} suspended the account`,
		create_record: (who, _, record) => html`${who} created ${record}`,
		read_record: (who, _, record) => html`${who} viewed ${record}`,
		list_records: (who) => html`${who} viewed the list of records`,
		update_record: (who, _, record) => html`${who} changed ${record}`,
		download_file: (who, _, record) => html`${who} opened a file of ${record}`,
		delete_file: (who, _, record) => html`${who} deleted a file of ${record}`,
		renew_upload: (who, _, record) => html`${who} uploaded a file of ${record} again`,
		create_annotation: (who, _, record) => html`${who} added a note to ${record}`,
		update_annotation: (who, _, record) => html`${who} changed a note on ${record}`,
		read_history: (who, _, record) => html`${who} viewed the changes of ${record}`,
		read_notifications: (who) => html`${who} viewed notifications about records`,
		read_access_log: (who) => html`${who} viewed the access log`,
		forbidden_operation: (who) => html`${who} tried something that is not allowed`,
	},
};
