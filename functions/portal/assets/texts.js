// The texts of the pages, in their language.

import { language } from "./language.js";

const catalogue = language === "de" ? import("./texts/de.js") : import("./texts/en.js");

/** @type {import("./texts/en.js").Texts} */
export const texts = (await catalogue).texts;

document.documentElement.lang = language;
