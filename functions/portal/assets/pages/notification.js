// One notification, which is read by being opened.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { readNotification } from "../api.js";
import { dateAndTime } from "../format.js";
import { notificationText } from "../notification-text.js";
import { texts } from "../texts.js";
import { refreshUnread } from "../ui/header.js";

/** @type {import("../router.js").Page} */
export const open = async ({ params: [id = ""], show }) => {
	const t = texts.notifications;
	const notification = await readNotification(id);
	refreshUnread();
	const { record, created_at } = notification;
	show({
		title: t.one,
		isNarrow: true,
		back: { path: "/notifications", text: t.title },
		body: html`
			<div class="card">
				<p class="lead">${notificationText(notification)}</p>
				<p class="meta">${dateAndTime(created_at)}</p>
				${record ? html`<p><a href="/records/${record.id}" class="button">${t.openRecord}</a></p>` : nothing}
			</div>`,
	});
};
