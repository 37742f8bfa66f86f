// Transfers of files to the storage. They go on while people look at other pages.

import { ApiError, renewUpload } from "./api.js";

/** @typedef {import("./api.js").Schemas} Schemas */
/** @typedef {{ file: File, state: "sending" | "failed" | "sent", progress: number }} Transfer */

/** By the ids of the files. @type {Map<string, Transfer>} */
export const transfers = new Map();

/** @type {Set<(id: string, transfer: Transfer) => void>} */
const listeners = new Set();

/**
 * Calls the listener after each step of a transfer, until the returned function is called.
 * @param {(id: string, transfer: Transfer) => void} listener
 */
export const onTransfer = (listener) => {
	listeners.add(listener);
	return () => listeners.delete(listener);
};

/** @param {BeforeUnloadEvent} event */
const warn = (event) => event.preventDefault();

/** @param {string} id @param {Transfer} transfer */
const note = (id, transfer) => {
	transfers.set(id, transfer);
	// Leaving the site would end the transfers.
	if ([...transfers.values()].some(({ state }) => state === "sending")) addEventListener("beforeunload", warn);
	else removeEventListener("beforeunload", warn);
	for (const listener of listeners) listener(id, transfer);
};

/** @param {string} id @param {File} file @param {Schemas["Upload"]} upload */
const send = (id, file, { method, url, headers }) => {
	const request = new XMLHttpRequest();
	request.open(method, url);
	for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
	request.upload.addEventListener("progress", ({ loaded, total }) => note(id, { file, state: "sending", progress: total > 0 ? loaded / total : 0 }));
	// With `If-None-Match: *`, 412 says that an earlier try has arrived.
	request.addEventListener("load", () => note(id, { file, state: request.status < 300 || request.status === 412 ? "sent" : "failed", progress: 1 }));
	request.addEventListener("error", () => note(id, { file, state: "failed", progress: 0 }));
	note(id, { file, state: "sending", progress: 0 });
	request.send(file);
};

/**
 * Sends the files that a response has just created. Names may have been cleaned and the order may differ, sizes are the same.
 * @param {Schemas["RecordFile"][]} created
 * @param {File[]} chosen
 */
export const startUploads = (created, chosen) => {
	const left = [...chosen];
	for (const { id, name, size_bytes, upload } of created) {
		if (!upload) continue;
		const sameSize = left.filter((file) => file.size === size_bytes);
		const file = sameSize.find((each) => each.name.normalize() === name) ?? sameSize[0];
		if (!file) continue;
		left.splice(left.indexOf(file), 1);
		send(id, file, upload);
	}
};

/**
 * Sends a file once more, to a new URL.
 * @param {string} id
 * @param {File} file
 */
export const retryUpload = async (id, file) => {
	try {
		const { upload } = await renewUpload(id);
		if (upload) send(id, file, upload);
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		// It has arrived after all.
		note(id, { file, state: error.code === "file_not_pending" ? "sent" : "failed", progress: 0 });
	}
};

/**
 * What the API is told of a file. Where the browser does not know a type, it is empty, and the API goes by the extension.
 * @param {File} file
 */
export const declaration = ({ name, type, size }) =>
	/** @type {NonNullable<Schemas["NewRecord"]["files"]>[number]} */ ({ name, content_type: type, size_bytes: size });
