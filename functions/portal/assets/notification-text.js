// Notifications in the reader's language.

import { doctorName, fullName, people, recordTitle } from "./format.js";
import { texts } from "./texts.js";

/** @param {import("./api.js").Schemas["Notification"]} notification */
export const notificationText = ({ notification_type: type, record, message }) => {
	// These have a reason, which is in the message alone.
	if (["approval_granted", "approval_refused", "approval_suspended"].includes(type)) return people(message);
	const who = record === null ? null : { doctor: people(doctorName(record.doctor)), patient: people(fullName(record.patient)), title: people(recordTitle(record)) };
	return texts.notificationTypes[type](who);
};
