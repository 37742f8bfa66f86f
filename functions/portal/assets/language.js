// The language of the pages.

import { keepForReload } from "./drafts.js";

const LANGUAGES = /** @type {const} */ (["en", "de"]);
const KEY = "language";

/** @typedef {typeof LANGUAGES[number]} Language */

/** @param {string | null} tag */
const known = (tag) => LANGUAGES.find((language) => tag?.split("-")[0] === language);

const chosen = localStorage.getItem(KEY);
const preferred = [chosen, ...navigator.languages].map(known);

/** The language that was chosen here, or the first of the browser's that there is. */
export const language = preferred.find((found) => found !== undefined) ?? "en";

/** With the region that the browser names, for dates and numbers. */
export const locale = navigator.languages.find((tag) => known(tag) === language) ?? language;

const megabytes = new Intl.NumberFormat(language, { style: "unit", unit: "megabyte", maximumFractionDigits: 1 });

/** The first number in a message of the API, of bytes. @param {string} message */
export const megabytesIn = (message) => megabytes.format(Number(/\d+/.exec(message)?.[0] ?? 0) / 1024 / 1024);

/** @type {Record<Language, string>} */
export const languageNames = { en: "English", de: "Deutsch" };

/** @param {string} value */
export const chooseLanguage = (value) => {
	localStorage.setItem(KEY, value);
	keepForReload();
	location.reload();
};

/** Brings the chosen language back after a sign-out, which clears all that is stored here. */
export const restoreLanguage = () => {
	if (chosen !== null) localStorage.setItem(KEY, chosen);
};
