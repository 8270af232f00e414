/**
 * The captions of a running session, for as long as this page is open.
 *
 * Connects by WebSocket, and by server-sent events where something on the way lets no WebSocket
 * through; comes back after every break with the number of the last event it had, so that no final
 * is lost or shown twice. `live` stands for the newest session, and for the next one after it.
 */

import { httpAddress, socketAddress } from "./address.js";

const BACKOFF_MS = [250, 500, 1_000, 2_000, 4_000];
const QUIET_MS = 20_000; // without an event, after which the daemon is asked whether it is there
const ASK_MS = 10_000;
const OTHER_WAY_OFTEN = 3; // every so many attempts go by server-sent events,
const OTHER_WAY_RARELY = 12; // fewer where a WebSocket has got through before
const TOO_SLOW = 1013; // the close code of a daemon that has forgotten what comes next
const DURABLE = new Set(["speech_started", "final", "endpoint", "closed"]);
const LIVE = "live";
const SHUTDOWN = "shutdown";

/** What a viewer can be in; `closed` is the end. */
export const Viewing = Object.freeze({
  CONNECTING: "connecting",
  WAITING: "waiting",
  WATCHING: "watching",
  BROKEN: "broken",
  CLOSED: "closed",
});

export class Watcher {
  #wanted;
  #last;
  #tell;
  #line = null; // the connection: {close()}
  #news = new News();
  #current = ""; // the session that `live` stands for now
  #left = ""; // the one before, which may be taken up again
  #attempts = 0; // since an event came
  #sockets = true; // whether to try a WebSocket next
  #proven = false; // whether one got through before
  #over = false;
  #timer = null;
  #quietTimer = null;

  /**
   * session: its id, or "live".
   * last: how many of the finals that were said before are wanted; null for all.
   * tell(news): called with {event} for what the daemon says, with {state, …} for what became of
   * the connection; `status` is the HTTP status where the daemon refused.
   */
  constructor({ session, last = null, tell }) {
    this.#wanted = session;
    this.#last = last;
    this.#tell = tell;
  }

  /** Connect. */
  open() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#line?.close();
    const open = this.#sockets ? openSocket : openEvents;
    this.#line = open(this.#path, this.#asks(), {
      opened: () => this.#current || this.#tell({ state: Viewing.WAITING }),
      hear: (event) => this.#hear(event),
      broke: (forgotten) => void this.#broke(forgotten),
    });
    this.#listen();
  }

  /** Try again now. */
  hurry() {
    if (this.#timer !== null) {
      this.open();
    }
  }

  /** End. */
  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#quietTimer);
    this.#line?.close();
  }

  /** What to ask for: what comes after the last event, or else some of what was before. */
  #asks() {
    const asked = this.#current ? this.#news.asks() : {};
    return this.#last === null || asked.after !== undefined ? asked : { last: String(this.#last) };
  }

  get #path() {
    return `watch/${encodeURIComponent(this.#current || this.#wanted)}`;
  }

  #hear(event) {
    if (this.#over) {
      return;
    }
    this.#listen();
    this.#attempts = 0;
    this.#proven ||= this.#sockets;
    if (event.type === "watching") {
      this.#begin(event);
    } else if (this.#news.take(event)) {
      this.#tell({ event });
      if (event.type === "closed") {
        this.#ended(event);
      }
    }
  }

  #begin(event) {
    if (event.session === this.#current || event.session === this.#left) {
      this.#news.mayBeCountedAnew(); // by a daemon that took the session up
    } else {
      this.#news = new News();
    }
    this.#left = "";
    this.#current = event.session;
    this.#tell({ state: Viewing.WATCHING });
    this.#tell({ event });
  }

  #ended(event) {
    if (event.reason === SHUTDOWN) {
      return; // the next daemon may take the session up; of `live`, another session may follow here
    }
    if (this.#wanted !== LIVE) {
      this.close();
      this.#tell({ state: Viewing.CLOSED, reason: event.reason });
      return;
    }
    const named = this.#line.path !== `watch/${LIVE}`;
    this.#left = this.#current;
    this.#current = "";
    this.#tell({ state: Viewing.WAITING });
    if (named) {
      this.open(); // after a break we asked for the session itself; now for the one that follows
    }
  }

  async #broke(forgotten) {
    clearTimeout(this.#quietTimer);
    this.#line?.close();
    this.#line = null;
    if (forgotten) {
      this.#news.askForAll();
    }
    this.#attempts += 1;
    const status = this.#attempts > 1 && !forgotten ? await this.#refusal() : null;
    if (this.#over || this.#timer !== null || this.#line !== null) {
      return; // meanwhile ended, or tried again
    }
    if (status === 404 && this.#wanted === LIVE) {
      this.#current = ""; // the session was forgotten while we were away
      this.#news = new News();
    } else if (status === 404 || status === 401 || status === 403) {
      this.close();
      this.#tell({ state: Viewing.CLOSED, status });
      return;
    }
    const round = this.#proven ? OTHER_WAY_RARELY : OTHER_WAY_OFTEN;
    this.#sockets = this.#attempts % round !== round - 1;
    const pause = BACKOFF_MS[Math.min(this.#attempts, BACKOFF_MS.length) - 1];
    this.#timer = setTimeout(() => this.open(), pause * (0.8 + 0.4 * Math.random()));
    this.#tell({ state: Viewing.BROKEN, attempts: this.#attempts, status });
  }

  /** The HTTP status that the daemon refuses with, which a WebSocket hides; null if it does not. */
  async #refusal() {
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), ASK_MS);
    try {
      const headers = { Accept: "text/event-stream" };
      const answer = await fetch(httpAddress(this.#path), { headers, signal: giveUp.signal });
      return answer.ok ? null : answer.status;
    } catch {
      return null; // no daemon there
    } finally {
      clearTimeout(timer);
      giveUp.abort();
    }
  }

  /** After a long silence find out whether nobody speaks or the network is gone. */
  #listen() {
    clearTimeout(this.#quietTimer);
    this.#quietTimer = setTimeout(async () => {
      const line = this.#line;
      const there = await isThere();
      if (this.#over || line !== this.#line) {
        return;
      }
      if (there) {
        this.#listen();
      } else {
        void this.#broke(false);
      }
    }, QUIET_MS);
  }
}

/** Knows which events of one session were told already. */
class News {
  #after = -1;
  #asked = -1;
  #all = false;
  #finals = new Map(); // the last segment of each channel that is final

  /** What to ask the daemon for: what comes after the last event. */
  asks() {
    this.#asked = this.#all ? -1 : this.#after;
    this.#all = false;
    return this.#asked >= 0 ? { after: String(this.#asked) } : {};
  }

  /** The daemon has forgotten what comes next: ask for what it has. */
  askForAll() {
    this.#all = true;
  }

  /** What was told already may come again under other numbers. */
  mayBeCountedAnew() {
    this.#asked = this.#after;
  }

  /** Whether an event is new; a partial has the number of the lasting event before it. */
  take(event) {
    if (!DURABLE.has(event.type)) {
      return event.seq >= this.#after;
    }
    if (event.type === "closed" && event.reason === SHUTDOWN) {
      return true; // where the next daemon takes the session up, this number is another event's
    }
    if (event.seq <= this.#after) {
      if (event.seq > this.#asked) {
        return false;
      }
      this.#asked = -1; // older than what was asked for: a daemon that counts from the beginning
    }
    this.#after = event.seq;
    return event.type !== "final" || this.#isFinal(event);
  }

  #isFinal({ channel = 0, segment }) {
    const isNew = segment > (this.#finals.get(channel) ?? -1);
    if (isNew) {
      this.#finals.set(channel, segment);
    }
    return isNew;
  }
}

async function isThere() {
  try {
    const signal = AbortSignal.timeout(ASK_MS);
    return (await fetch(httpAddress("healthz"), { signal, cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

function openSocket(path, asks, { opened, hear, broke }) {
  const socket = new WebSocket(socketAddress(path, asks));
  socket.onopen = opened;
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = ({ code }) => broke(code === TOO_SLOW);
  return {
    path,
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

function openEvents(path, asks, { opened, hear, broke }) {
  const source = new EventSource(httpAddress(path, asks));
  source.onopen = opened;
  source.onmessage = ({ data }) => hear(JSON.parse(data));
  source.onerror = () => broke(false); // our own pauses and numbers instead of the browser's
  source.addEventListener("missed", () => broke(true));
  return {
    path,
    close() {
      source.onopen = source.onmessage = source.onerror = null;
      source.close();
    },
  };
}
