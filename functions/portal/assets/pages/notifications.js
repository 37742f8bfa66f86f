// What is new, newest first.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { deleteAllNotifications, listNotifications, markAllRead } from "../api.js";
import { time } from "../format.js";
import { notificationText } from "../notification-text.js";
import { texts } from "../texts.js";
import { refreshUnread } from "../ui/header.js";
import { Listing } from "../ui/listing.js";
import { toast, undoable } from "../ui/toast.js";

/** @typedef {import("../api.js").Schemas} Schemas */

/** @type {import("../router.js").Page} */
export const open = async ({ show, kept }) => {
	const t = texts.notifications;
	/** @type {Listing<Schemas["Notification"]>} */
	const listing = new Listing(listNotifications, () => update(), kept);
	let isDeleted = false;

	const readAll = async () => {
		try {
			await markAllRead();
			listing.results = listing.results.map((each) => ({ ...each, is_read: true }));
			refreshUnread();
		} catch (error) {
			toast(texts.problem(error));
		}
		update();
	};
	const deleteAll = () => {
		isDeleted = true;
		update();
		undoable(t.deleted, {
			async run() {
				await deleteAllNotifications();
				listing.results = [];
				listing.cursor = undefined;
				refreshUnread();
			},
			undo() {
				isDeleted = false;
				update();
			},
		});
	};
	const list = () => html`
		<ul class="items">
			${listing.results.map(
				(each) => html`
					<li class=${each.is_read ? "" : "unread"}>
						<a class="item" href="/notifications/${each.id}">
							<span class="dot" role="img" aria-label=${each.is_read ? t.read : t.unread}></span>
							<span class="grow">${notificationText(each)}</span>
							<small class="aside">${time(each.created_at)}</small>
						</a>
					</li>`,
			)}
		</ul>
		${listing.button()}`;
	const update = () => {
		const isEmpty = isDeleted || listing.results.length === 0;
		show({
			title: t.title,
			isNarrow: true,
			actions: isEmpty
				? nothing
				: html`
					<div class="buttons">
						<button type="button" class="secondary outline" @click=${readAll} ?disabled=${listing.results.every(({ is_read }) => is_read)}>${t.readAll}</button>
						<button type="button" class="secondary outline" @click=${deleteAll}>${t.deleteAll}</button>
					</div>`,
			body: isEmpty ? html`<div class="empty"><p>${t.none}</p></div>` : list(),
		});
	};
	await listing.open();
	refreshUnread();
	update();
};
