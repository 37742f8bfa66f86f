// What people have typed and not sent. It is kept while they look at other pages of this tab, and in no storage, but for the moment
// in which the page is loaded again in another language.

const KEY = "typed";

/** By path and name of the field. @type {Map<string, string>} */
const drafts = new Map();

/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Field */

/** Radio buttons share a name. @param {Field} field @param {string} [path] */
const keyOf = (field, path = location.pathname) => `${path} ${field.name} ${field.type === "radio" ? field.value : ""}`;

/** Texts that were changed, in forms that were not sent since. @param {ParentNode} root */
const typedIn = (root) =>
	[...root.querySelectorAll("textarea")].filter((field) => field.name !== "" && field.value !== field.defaultValue && !field.form?.hasAttribute("data-sent"));

/** Keeps what was typed on the page that is about to be left. @param {HTMLElement} main @param {string} path */
export const keepDrafts = (main, path) => {
	for (const field of typedIn(main)) drafts.set(keyOf(field, path), field.value);
};

/** Puts what was typed before into the fields of the page that has just been drawn. @param {HTMLElement} main */
export const restoreDrafts = (main) => {
	for (const field of main.querySelectorAll("textarea")) {
		const key = keyOf(field);
		field.value = drafts.get(key) ?? field.value;
		drafts.delete(key);
	}
	const typed = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
	sessionStorage.removeItem(KEY);
	for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (main.querySelectorAll("input, textarea, select"))) {
		const value = typed[keyOf(field)];
		if (typeof value === "boolean") field.checked = value;
		else if (typeof value === "string") field.value = value;
	}
};

/** Keeps the fields of the page until it has been loaded again, without passwords. */
export const keepForReload = () => {
	/** @type {Record<string, string | boolean>} */
	const typed = {};
	for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("main :is(input, textarea, select)"))) {
		if (field.name === "" || field.type === "password" || field.type === "file") continue;
		typed[keyOf(field)] = field.type === "radio" ? field.checked : field.value;
	}
	sessionStorage.setItem(KEY, JSON.stringify(typed));
};

// What is typed after a form was sent is new.
document.addEventListener("input", ({ target }) => /** @type {Element} */ (target).closest("form")?.removeAttribute("data-sent"));
addEventListener("beforeunload", (event) => {
	if (sessionStorage.getItem(KEY) === null && typedIn(document).length > 0) event.preventDefault();
});
