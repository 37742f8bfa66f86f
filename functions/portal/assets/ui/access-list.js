// Events of an access log, in plain words.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { people, time } from "../format.js";
import { session } from "../session.js";
import { texts } from "../texts.js";

/** @typedef {import("../api.js").Schemas} Schemas */

/** @param {Schemas["Actor"]} actor */
const actorName = ({ pk, name, role }) => {
	if (pk === session.user?.id) return texts.you;
	if (!name) return role === "admin" ? texts.staff : texts.somebody;
	if (role === "doctor") return people(texts.doctorNamed(name));
	return role === "admin" ? html`${people(name)} (${texts.staff})` : people(name);
};

/** A page that was left or reloaded while it renewed its session does so once more: no second person is behind it. @param {Schemas["AccessEvent"]} event */
export const isRenewedTwice = ({ action, reason }) => action === "reuse_token" && reason === "within_grace";

/** What is the same several times in a row is one entry. @param {Schemas["AccessEvent"]} one @param {Schemas["AccessEvent"]} other */
const isSame = (one, other) =>
	one.actor.pk === other.actor.pk && one.action === other.action && one.record === other.record && one.outcome === other.outcome && one.reason === other.reason && one.before === other.before;

/**
 * @param {Schemas["AccessEvent"][]} events
 * @param {(record: string | null) => unknown} recordName
 */
export const accessList = (events, recordName) => {
	/** @type {{ event: Schemas["AccessEvent"], count: number }[]} */
	const groups = [];
	for (const event of events) {
		const last = groups.at(-1);
		if (last && isSame(last.event, event)) last.count += 1;
		else groups.push({ event, count: 1 });
	}
	return html`
		<ul class="log">
			${groups.map(({ event, count }) => {
				const { actor, action, outcome, at, reason, before, after, source_ip, user_agent } = event;
				return html`
					<li>
						<span>
							${isRenewedTwice(event) ? texts.access.renewedTwice : texts.actions[action](actorName(actor), actor.pk === session.user?.id, recordName(event.record))}${count > 1 ? html` <span class="muted">(${count}×)</span>` : nothing}
							${event.emergency ? html` <mark>${texts.access.emergency}</mark>` : nothing}
							${outcome === "success" ? nothing : html` <mark>${texts.outcomes[outcome]}</mark>`}
							${before || after ? html`<small>${people(before ?? "–")} → ${people(after ?? "–")}</small>` : nothing}
							${reason && !isRenewedTwice(event) ? html`<small>${texts.reason}: ${people(reason)}</small>` : nothing}
						</span>
						<small title=${[source_ip, user_agent].filter(Boolean).join(" · ") || nothing}>${time(at)}</small>
					</li>`;
			})}
		</ul>`;
};
