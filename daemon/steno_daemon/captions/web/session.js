/**
 * A stream of speech to the daemon that outlives its connection.
 *
 * Audio is kept until the daemon acknowledges it. When the connection breaks, the session is
 * resumed and the audio sent again from where the daemon says; where it cannot be resumed, another
 * session takes what no final covers yet. Times are those of the whole stream.
 */

import { Tape } from "./tape.js";

const TICK_MS = 250;
const PING_MS = 5_000;
const SILENT_MS = 20_000; // without any message, after which a connection counts as dead
const BUFFER_BYTES = 128 * 1024;
const KEEP_S = 30; // of audio while there is no session to resume
const BACKOFF_MS = [250, 500, 1_000, 2_000, 4_000];
const LEAVING = 1000; // tells the daemon that nobody comes back
const COMING_BACK = 4000; // any other code keeps the session
const ELSEWHERE_MAX = 100; // answers of daemons that do not have the session, but another may
const FAILURES_MAX = 5; // of the recogniser, after which another session is no help

/** What a session can be in; `closed` is the end. */
export const State = Object.freeze({
  CONNECTING: "connecting",
  LISTENING: "listening",
  BROKEN: "broken",
  REFUSED: "refused",
  STOPPING: "stopping",
  CLOSED: "closed",
});

export class Session {
  #address;
  #start;
  #tell;
  #socket = null;
  #state = State.CONNECTING;
  #tape = new Tape();
  #sent = 0; // position up to which this connection has the audio
  #origin = 0; // position at which the daemon's present session began
  #settled = 0; // position up to which finals cover the audio
  #firstS; // time of position 0
  #token = null;
  #resumeS = 0;
  #seq = -1;
  #error = null; // the last one that was fatal
  #attempts = 0;
  #failures = 0;
  #elsewhere = 0;
  #resuming = false; // until `resumed`, what comes is not of our session
  #stopping = false;
  #stopSent = false;
  #opened = false;
  #heardAt = 0;
  #pingedAt = 0;
  #retryTimer = null;
  #ticker = null;

  /**
   * address(): where to connect, asked each time.
   * start: the fields of `start`.
   * tell(news): called with {event} for what the daemon says, with {state, …} for what became of
   * the connection, and with {lostS} when more audio had to wait than is kept.
   */
  constructor({ address, start, tell, firstS = 0 }) {
    this.#address = address;
    this.#start = start;
    this.#tell = tell;
    this.#firstS = firstS;
  }

  get state() {
    return this.#state;
  }

  /** Seconds of audio that wait to be sent. */
  get waitingS() {
    return (this.#tape.end - Math.max(this.#sent, this.#tape.start)) / this.#start.rate;
  }

  /** Where the next sample falls, in seconds. */
  get endS() {
    return this.#firstS + this.#tape.end / this.#start.rate;
  }

  /** Say what an unknown word is; returns whether the daemon heard it. */
  confirm({ id }, text) {
    if (this.#state !== State.LISTENING || this.#socket?.readyState !== WebSocket.OPEN) {
      return false;
    }
    this.#send({ type: "confirm_word", id, text });
    return true;
  }

  /** Connect; audio may have come before. */
  open() {
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
    this.#connect();
  }

  /** Take the next samples of the microphone. */
  append(samples) {
    if (this.#stopping || this.#state === State.CLOSED) {
      return;
    }
    this.#tape.append(samples);
    const keepS = Math.max(KEEP_S, this.#token === null ? 0 : this.#resumeS + KEEP_S);
    const lost = this.#tape.keepLast(keepS * this.#start.rate);
    if (lost > 0 && this.#state !== State.LISTENING) {
      this.#tell({ lostS: lost / this.#start.rate });
    }
    this.#pump();
  }

  /** End the stream; the words of what was said still come, then `closed`. */
  stop() {
    if (this.#state === State.REFUSED || (!this.#opened && this.#state !== State.LISTENING)) {
      this.abandon();
    } else if (!this.#stopping) {
      this.#stopping = true;
      this.#become(this.#state === State.LISTENING ? State.STOPPING : this.#state);
      this.#pump();
    }
  }

  /** End at once. */
  abandon() {
    if (this.#state !== State.CLOSED) {
      if (this.#socket?.readyState === WebSocket.OPEN && !this.#stopSent) {
        this.#send({ type: "stop" }); // or the daemon keeps a place for us
      }
      this.#finish("abandoned");
    }
  }

  /** Try again now: the network is back, or the user is impatient. */
  hurry() {
    if (this.#retryTimer !== null) {
      this.#connect();
    }
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#letGo();
    if (this.#state === State.REFUSED) {
      this.#become(State.CONNECTING);
    }
    const socket = new WebSocket(this.#address());
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#greet();
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => this.#broke();
    this.#socket = socket;
    this.#heardAt = performance.now();
  }

  #letGo(code = COMING_BACK) {
    if (this.#socket !== null) {
      this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close(code);
      this.#socket = null;
    }
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #greet() {
    this.#heardAt = this.#pingedAt = performance.now();
    this.#stopSent = false;
    this.#error = null;
    this.#resuming = this.#token !== null;
    if (this.#resuming) {
      this.#send({ type: "resume", token: this.#token, seq: this.#seq });
      return;
    }
    this.#origin = Math.max(this.#tape.start, this.#settled);
    this.#seq = -1;
    this.#send({ type: "start", ...this.#start });
  }

  #hear(event) {
    this.#heardAt = performance.now();
    if (this.#resuming) {
      this.#hearResumed(event);
      return;
    }
    if (event.seq <= this.#seq) {
      return; // said already, on the connection that broke
    }
    this.#seq = event.seq;
    this.#obey(event);
    if (event.type !== "pong") {
      this.#tell({ event: this.#inTime(event) });
    }
    if (event.type === "closed") {
      this.#ended(event.reason);
    }
  }

  #hearResumed(event) {
    if (event.type === "resumed") {
      this.#resuming = false;
      this.#elsewhere = 0;
      this.#goOn(this.#origin + event.samples);
    } else if (event.type === "error" && event.fatal) {
      this.#error = event;
    } else if (event.type === "closed") {
      this.#ended(event.reason);
    }
  }

  #obey(event) {
    switch (event.type) {
      case "ready":
        this.#token = event.token ?? null;
        this.#resumeS = event.resume_s ?? 0;
        this.#opened = true;
        this.#goOn(this.#origin);
        break;
      case "acknowledged":
        this.#settle(this.#origin + event.samples);
        this.#tape.drop(this.#settled);
        break;
      case "final":
        this.#settle(this.#origin + Math.round(event.end * this.#start.rate));
        break;
      case "error":
        if (event.fatal || event.code === "unknown_language_model") {
          this.#error = event;
        }
        if (!event.fatal && this.#error === event) {
          this.#finish("failed", event); // the session would wait for another start
        }
        break;
    }
  }

  /** Send on from a position: the daemon listens. */
  #goOn(position) {
    this.#attempts = 0;
    this.#sent = position;
    this.#become(this.#stopping ? State.STOPPING : State.LISTENING);
    this.#pump();
  }

  #settle(position) {
    this.#settled = Math.max(this.#settled, Math.min(position, this.#tape.end));
  }

  /** The event with its times counted from the start of the whole stream. */
  #inTime(event) {
    const later = this.#firstS + this.#origin / this.#start.rate;
    const moved = { ...event };
    for (const name of ["time", "start", "end"]) {
      if (typeof event[name] === "number") {
        moved[name] = event[name] + later;
      }
    }
    moved.words = event.words?.map((word) => ({
      ...word,
      start: word.start + later,
      end: word.end + later,
    }));
    return moved;
  }

  /** The daemon closed the session. */
  #ended(reason) {
    const error = this.#error;
    const elsewhere = this.#resuming && this.#mayBeElsewhere(error);
    if (!elsewhere && (!this.#resuming || error?.code !== "overloaded")) {
      this.#token = null;
    }
    const again = !this.#stopping && this.#mayTryAgain(reason, error);
    if (!again) {
      this.#finish(reason, error);
    } else if (elsewhere) {
      this.#retry(1000 * error.retry_after_s, State.BROKEN);
    } else if (error?.code === "overloaded") {
      this.#retry(1000 * (error.retry_after_s ?? 5), State.REFUSED);
    } else {
      this.#retry(this.#pause(), State.BROKEN);
    }
  }

  /** Whether another daemon of the same address may have the session: the next try may reach it. */
  #mayBeElsewhere(error) {
    if (error?.code !== "not_resumable" || error.retry_after_s === undefined) {
      return false;
    }
    this.#elsewhere += 1;
    return this.#elsewhere < ELSEWHERE_MAX;
  }

  #mayTryAgain(reason, error) {
    if (reason === "refused" || error?.code === "not_resumable") {
      return error?.code === "overloaded" || error?.code === "not_resumable";
    }
    if (reason === "failed") {
      this.#failures += 1;
      return this.#failures < FAILURES_MAX;
    }
    return reason === "shutdown";
  }

  /** The connection ended, or never was. */
  #broke() {
    if (this.#state !== State.CLOSED) {
      this.#retry(this.#pause(), State.BROKEN);
    }
  }

  #pause() {
    const pause = BACKOFF_MS[Math.min(this.#attempts, BACKOFF_MS.length - 1)];
    return pause * (0.8 + 0.4 * Math.random()); // not all viewers of a hall at once
  }

  #retry(afterMs, state) {
    this.#letGo();
    this.#attempts += 1;
    this.#become(state, { retryMs: afterMs, attempts: this.#attempts, opened: this.#opened });
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), afterMs);
  }

  #become(state, more = {}) {
    this.#state = state;
    this.#tell({ state, ...more });
  }

  #finish(reason, error = null) {
    clearInterval(this.#ticker);
    clearTimeout(this.#retryTimer);
    this.#letGo(LEAVING);
    this.#become(State.CLOSED, { reason, error });
  }

  #pump() {
    if (this.#state !== State.LISTENING && this.#state !== State.STOPPING) {
      return;
    }
    while (this.#socket.readyState === WebSocket.OPEN && this.#hasRoom()) {
      const piece = this.#tape.from(this.#sent);
      if (piece === null) {
        break;
      }
      this.#socket.send(piece);
      this.#sent += piece.length;
    }
    if (this.#stopping && !this.#stopSent && this.#sent >= this.#tape.end) {
      this.#stopSent = true;
      this.#send({ type: "stop" });
    }
  }

  #hasRoom() {
    return this.#socket.bufferedAmount < BUFFER_BYTES;
  }

  #tick() {
    const now = performance.now();
    if (this.#socket === null) {
      return;
    }
    if (now - this.#heardAt > SILENT_MS) {
      this.#broke(); // a network that vanished closes nothing
      return;
    }
    if (this.#socket.readyState === WebSocket.OPEN && now - this.#pingedAt > PING_MS) {
      this.#pingedAt = now;
      this.#send({ type: "ping", id: 0 });
    }
    this.#pump();
  }
}
