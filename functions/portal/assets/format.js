// People, times and sizes as people read them.

import { html } from "./vendor/lit-html/lit-html.js";
import { locale } from "./language.js";
import { texts } from "./texts.js";

/** @typedef {import("./api.js").Schemas} Schemas */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = /** @type {const} */ ([["day", DAY], ["hour", HOUR], ["minute", MINUTE]]);
const RELATIVE_SECONDS = 6 * DAY;
const TITLE_LENGTH = 80;

const exact = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });
const withTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const dayOnly = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

/** @param {Date} date */
const ago = (date) => {
	const seconds = (date.getTime() - Date.now()) / 1000;
	for (const [unit, length] of STEPS) {
		if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
	}
	return texts.justNow;
};

/** A moment: how long ago if that is not long, with the exact time on hover. @param {string} moment */
export const time = (moment) => {
	const date = new Date(moment);
	const isRecent = Math.abs(date.getTime() - Date.now()) < RELATIVE_SECONDS * 1000;
	return html`<time datetime=${moment} title=${exact.format(date)}>${isRecent ? ago(date) : dayOnly.format(date)}</time>`;
};

/** @param {string} moment */
export const dateAndTime = (moment) => {
	const date = new Date(moment);
	return html`<time datetime=${moment} title=${exact.format(date)}>${withTime.format(date)}</time>`;
};

/** @param {number} bytes */
export const size = (bytes) => {
	const [value, unit] = bytes < 1e6 ? [Math.max(1, Math.round(bytes / 1e3)), "kilobyte"] : [bytes / 1e6, "megabyte"];
	return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits: 1 }).format(value);
};

/** What people have written is set apart, so that its direction of writing changes nothing around it. @param {string} text */
export const people = (text) => html`<bdi>${text}</bdi>`;

/** @typedef {{ first_name: string, last_name: string, email?: string }} Named */

/** @param {Named | null} person */
export const fullName = (person) =>
	person === null ? texts.deletedAccount : `${person.first_name} ${person.last_name}`.trim() || person.email || texts.nameless;

/** @param {Named | null} person */
export const doctorName = (person) => (person === null ? texts.deletedAccount : texts.doctorNamed(fullName(person)));

/** The first line of the description, or the type. @param {{ description: string, record_type: Schemas["RecordType"] }} record */
export const recordTitle = ({ description, record_type }) => {
	const [line = ""] = description.split("\n", 1);
	if (line.trim() === "") return texts.recordTypes[record_type];
	return line.length <= TITLE_LENGTH ? line : `${line.slice(0, TITLE_LENGTH).trimEnd()}…`;
};
