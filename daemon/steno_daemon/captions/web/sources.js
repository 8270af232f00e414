/** What the page can show: this browser's microphone, or a session that runs. */

import { httpAddress } from "./address.js";
import { duration } from "./messages.js";

export const MICROPHONE = "mic";
export const LIVE = "live";
const EVERY_MS = 8_000;

/** Fills a select with the sessions of the daemon, and keeps it true. */
export class Sources {
  #select;
  #group;
  #refused;
  #timer = null;

  /** refused(status): the daemon tells nobody without the right token. */
  constructor(select, refused) {
    this.#select = select;
    this.#refused = refused;
    select.append(option(MICROPHONE, "This microphone"), option(LIVE, "Newest live session"));
    this.#group = document.createElement("optgroup");
    this.#group.label = "Sessions";
    document.addEventListener("visibilitychange", () => this.refresh());
    select.addEventListener("pointerdown", () => this.refresh());
  }

  get chosen() {
    return this.#select.value;
  }

  /** Choose a source by name, one that is not listed too. */
  choose(name) {
    if (![...this.#select.options].some(({ value }) => value === name)) {
      this.#group.append(option(name, `Session ${short(name)}`));
      this.#select.append(this.#group);
    }
    this.#select.value = name;
  }

  /** Ask the daemon now, and again every few seconds while somebody looks. */
  async refresh() {
    clearTimeout(this.#timer);
    if (document.visibilityState !== "visible") {
      return;
    }
    this.#timer = setTimeout(() => this.refresh(), EVERY_MS);
    try {
      const answer = await fetch(httpAddress("sessions"), { cache: "no-store" });
      if (answer.ok) {
        this.#list(await answer.json());
      } else if (answer.status === 401 || answer.status === 403) {
        clearTimeout(this.#timer);
        this.#refused(answer.status);
      }
    } catch {
      // No daemon there now; whoever shows captions says so.
    }
  }

  /** List sessions, the chosen one also after it ended. */
  #list(sessions) {
    const { value } = this.#select;
    const kept = [...this.#group.children].find((entry) => entry.value === value);
    const entries = sessions.map((session) => option(session.session, describe(session)));
    if (kept && !sessions.some(({ session }) => session === value)) {
      entries.push(kept);
    }
    const same =
      entries.length === this.#group.childElementCount &&
      entries.every((entry, i) => entry.textContent === this.#group.children[i].textContent);
    if (same) {
      return; // an open list would close
    }
    this.#group.replaceChildren(...entries);
    if (entries.length > 0) {
      this.#select.append(this.#group);
    } else {
      this.#group.remove();
    }
    this.#select.value = value;
  }
}

function describe({ session, label, live, started_s_ago: startedSAgo }) {
  const since = live ? `since ${duration(startedSAgo)}` : "ended";
  return `${label || `Session ${short(session)}`}, ${since}`;
}

function short(session) {
  return session.slice(0, 6);
}

function option(value, text) {
  const entry = document.createElement("option");
  entry.value = value;
  entry.textContent = text;
  return entry;
}
