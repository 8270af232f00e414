/**
 * What the page shows now: this browser's microphone, or a session of the daemon.
 *
 * Keeps the transcript, says how things are, and what to do where they go wrong.
 */

import { httpAddress } from "./address.js";
import { Board } from "./board.js";
import { Choices } from "./choices.js";
import { save, stamp, toClipboard } from "./export.js";
import { duration, ofEnd, ofMicrophone, ofStatus } from "./messages.js";
import { describe } from "./phases.js";
import { LIVE, MICROPHONE } from "./sources.js";
import { Phase, Speaker } from "./speaker.js";
import { Transcript } from "./transcript.js";
import { UnknownWords } from "./unknown.js";
import { View } from "./view.js";
import { Viewing, Watcher } from "./watch.js";

const TICK_MS = 1_000;
const WAITS_S = 1; // audio that waits, from which on it is worth a word
const byId = (id) => document.getElementById(id);

export class Desk {
  #askForToken;
  #board = new Board();
  #choices = new Choices();
  #view = new View({
    scroller: byId("captions"),
    page: byId("page"),
    log: byId("log"),
    live: byId("live"),
    newer: byId("newer"),
  });
  #speaker = new Speaker((news) => this.#spoke(news));
  #unknown = new UnknownWords({
    confirm: (event, text) => this.#speaker.confirm(event, text),
    tell: (text) => this.#board.toast(text),
  });
  #watcher = null;
  #source = "";
  #watched = ""; // the session whose captions are on the screen
  #spoken = new Transcript(); // of this microphone; survives a look at another session
  #transcript = this.#spoken;
  #retryAt = 0;
  #lostS = 0;
  #busy = "";
  #wakeLock = null;

  /** askForToken(): called where the daemon wants another one. */
  constructor({ askForToken }) {
    this.#askForToken = askForToken;
    setInterval(() => this.#tick(), TICK_MS);
    document.addEventListener("visibilitychange", () => this.#keepScreenOn());
  }

  /** Whether words could be lost if the page went away. */
  get isSpeaking() {
    return this.#speaker.phase !== Phase.IDLE;
  }

  /** Show a source: the microphone, the newest live session, or one by its id. */
  show(source) {
    this.#watcher?.close();
    this.#watcher = null;
    this.#source = source;
    this.#watched = "";
    this.#board.clearNotice();
    if (source === MICROPHONE) {
      this.#showMicrophone();
      return;
    }
    if (this.isSpeaking) {
      this.#speaker.stop();
    }
    this.#transcript = new Transcript();
    this.#view.clear();
    this.#view.setChannels(1);
    this.#board.button(null);
    this.#board.level(null);
    this.#watcher = new Watcher({ session: source, tell: (news) => this.#watching(news) });
    this.#viewing({ state: Viewing.CONNECTING });
    this.#watcher.open();
  }

  /** Try again what the daemon refused: there is another token. */
  again() {
    this.#board.clearNotice();
    this.#choices.listDomains();
    if (this.#source !== MICROPHONE) {
      this.show(this.#source);
    }
  }

  /** Start or stop the microphone. */
  toggle() {
    if (this.isSpeaking) {
      this.#speaker.stop();
      return;
    }
    this.#board.clearNotice();
    this.#lostS = 0;
    this.#busy = "";
    this.#spoken.newSession();
    void this.#speaker.start(this.#choices.sound, this.#choices.domain);
  }

  changeDomain() {
    this.#choices.keepDomain();
    this.#speaker.changeDomain(this.#choices.domain);
  }

  changeSound() {
    this.#choices.keepSound();
    void this.#speaker.changeSound(this.#choices.sound);
  }

  /** The network is back. */
  hurry() {
    this.#speaker.hurry();
    this.#watcher?.hurry();
  }

  /** The page goes away: give the daemon its places back. */
  leave() {
    this.#speaker.leave();
    this.#watcher?.close();
  }

  toEnd() {
    this.#view.toEnd();
  }

  async copy() {
    if (this.#hasText()) {
      const copied = await toClipboard(this.#transcript.text());
      this.#board.toast(copied ? "Copied" : "The browser did not let us copy");
    }
  }

  saveText() {
    if (this.#hasText()) {
      save(`steno-${stamp()}.txt`, "text/plain", this.#transcript.text());
    }
  }

  saveVtt() {
    if (this.#hasText()) {
      save(`steno-${stamp()}.vtt`, "text/vtt", this.#transcript.vtt());
    }
  }

  clear() {
    if (this.#hasText()) {
      const transcript = this.#transcript;
      const before = transcript.clear();
      this.#view.clear();
      const putBack = () => {
        transcript.putBack(before);
        if (transcript === this.#transcript) {
          this.#redraw();
        }
      };
      this.#board.notice("clear", "The captions were cleared.", {
        kind: "waiting",
        label: "Put them back",
        act: putBack,
      });
    }
  }

  #hasText() {
    if (this.#transcript.isEmpty) {
      this.#board.toast("There is no text yet");
    }
    return !this.#transcript.isEmpty;
  }

  #showMicrophone() {
    this.#transcript = this.#spoken;
    this.#view.setChannels(1);
    this.#redraw();
    this.#choices.free();
    this.#phase({ phase: this.#speaker.phase });
  }

  #redraw() {
    this.#view.clear();
    for (const final of this.#transcript.finals) {
      this.#view.final(final);
    }
  }

  // The microphone.

  /** Hear from the speaker; also when another source is on the screen. */
  #spoke(news) {
    const isShown = this.#source === MICROPHONE;
    if (news.event !== undefined) {
      this.#caption(news.event, this.#spoken, isShown);
    } else if (news.microphone !== undefined) {
      this.#board.notice("microphone", ofMicrophone(news.microphone));
    } else if (news.lostS !== undefined) {
      this.#lostS += news.lostS;
    } else if (isShown && news.level !== undefined) {
      this.#board.level(this.#speaker.phase === Phase.IDLE ? null : news.level);
    } else if (isShown && news.silent !== undefined) {
      this.#silence(news.silent);
    } else if (isShown && news.phase !== undefined) {
      this.#phase(news);
    }
  }

  #silence(isSilent) {
    if (isSilent) {
      const text = "The microphone gives no sound at all. Is it switched off or muted?";
      this.#board.notice("silence", text, { kind: "waiting" });
    } else {
      this.#board.clearNotice("silence");
    }
  }

  #phase(news) {
    this.#retryAt = performance.now() + (news.retryMs ?? 0);
    this.#sayPhase();
    this.#keepScreenOn();
    const text = news.phase === Phase.IDLE && news.reason ? ofEnd(news.reason, news.error) : "";
    if (text) {
      this.#board.notice("end", text, { label: "Start again", act: () => this.toggle() });
    }
    if (news.phase === Phase.IDLE) {
      this.#board.level(null);
      this.#view.clearLive();
    } else if (news.phase === Phase.BROKEN && !news.opened && news.attempts > 1) {
      void this.#diagnose();
    } else if (news.phase === Phase.LISTENING) {
      this.#listening();
    }
  }

  #listening() {
    this.#board.clearNotice("daemon");
    void this.#choices.listDevices(this.#speaker.device); // their names are told only now
    if (this.#lostS > 0) {
      const lost = duration(this.#lostS);
      this.#board.notice("lost", `The connection was away too long: ${lost} of speech were lost.`);
      this.#lostS = 0;
    }
  }

  /** Say what the speaker is doing; every second again, because it counts. */
  #sayPhase() {
    const { waitingS } = this.#speaker;
    const again = Math.ceil((this.#retryAt - performance.now()) / 1000);
    const { kind, text, more, button, welcome } = describe(this.#speaker.phase, {
      waits: waitingS > WAITS_S ? duration(waitingS) : "",
      again: again > 0 ? `in ${again} s` : "",
      busy: this.#busy,
    });
    this.#board.status(kind, text, more);
    this.#board.button(...button);
    this.#board.welcome(...welcome);
  }

  /** Find out why no session begins; a WebSocket does not tell. */
  async #diagnose() {
    let status = 0;
    try {
      ({ status } = await fetch(httpAddress("sessions"), { cache: "no-store" }));
    } catch {
      // No daemon there.
    }
    if (this.#speaker.phase !== Phase.BROKEN) {
      return;
    }
    if (status === 401) {
      this.#speaker.stop();
      this.#askForToken();
    } else if (status === 0) {
      const text = `The daemon at ${location.host} does not answer. Trying again until it does.`;
      this.#board.notice("daemon", text, { kind: "waiting" });
    } else {
      const text =
        "The daemon is there and takes no session from this page: the token may not be for " +
        "speaking (the scope “recognise”), or too many are connected. Trying again.";
      this.#board.notice("daemon", text, { kind: "waiting" });
    }
  }

  // A session of somebody else.

  #watching(news) {
    if (news.state !== undefined) {
      this.#viewing(news);
    } else if (news.event.type === "watching") {
      this.#beginWatching(news.event);
    } else {
      this.#caption(news.event, this.#transcript, true);
    }
  }

  #beginWatching({ session, label, language_model: domain, channels }) {
    const name = label || `Session ${session.slice(0, 6)}`;
    this.#choices.showDomain(domain);
    this.#board.status("watching", this.#source === LIVE ? `Live: ${name}` : name);
    this.#view.setChannels(channels);
    if (session !== this.#watched) {
      if (this.#watched) {
        this.#view.clearLive();
        this.#view.divider(name);
        this.#transcript.newSession();
      }
      this.#watched = session;
    }
  }

  #viewing({ state, status, reason }) {
    const says = {
      [Viewing.CONNECTING]: ["waiting", "Connecting"],
      [Viewing.WAITING]: ["idle", "Waiting for a session"],
      [Viewing.BROKEN]: ["waiting", "Connection lost, trying again"],
      [Viewing.CLOSED]: ["idle", reason ? "The session has ended" : "Not connected"],
    }[state];
    if (says) {
      this.#board.status(...says);
    }
    if (state === Viewing.WAITING || state === Viewing.CONNECTING) {
      const text = "Captions appear as soon as somebody speaks.";
      this.#board.welcome("Waiting for a session", text);
    } else if (state === Viewing.WATCHING) {
      this.#board.clearNotice("daemon");
      this.#board.welcome("Nobody has spoken yet", "Captions appear as soon as somebody does.");
    } else if (state === Viewing.CLOSED) {
      this.#view.clearLive();
      this.#board.welcome(says[1], reason ? "Nothing was said." : "");
    }
    if (status === 401) {
      this.#askForToken();
    } else if (status) {
      this.#board.notice("daemon", ofStatus(status));
    }
    this.#keepScreenOn();
  }

  // Both.

  /** Put an event into a transcript, and onto the screen. */
  #caption(event, transcript, isShown) {
    if (event.type === "final") {
      const final = transcript.add(event);
      if (isShown) {
        this.#view.final(final);
      }
    } else if (!isShown) {
      return;
    } else if (event.type === "partial") {
      this.#view.partial({ ...event, start: event.start + transcript.laterS });
    } else if (event.type === "unknown_word") {
      if (this.#source === MICROPHONE) {
        this.#view.unknown(event, (mark) => this.#unknown.watch(mark, event));
      }
    } else if (event.type === "vocabulary") {
      this.#unknown.answered(event);
    } else if (event.type === "endpoint") {
      this.#view.endpoint(event);
    } else if (event.type === "ready") {
      this.#choices.fillDomains(event.models);
      this.#view.clearLive(); // another session may take up what the one before did not finish
    } else if (event.type === "load") {
      const late = event.lag_ms >= 1000 ? `, ${duration(event.lag_ms / 1000)} late` : "";
      this.#busy = event.degraded > 0 ? `the daemon is busy${late}` : "";
      this.#tick();
    } else if (event.type === "closed") {
      this.#view.clearLive();
    }
  }

  #tick() {
    if (this.#source === MICROPHONE && this.isSpeaking) {
      this.#sayPhase();
    }
  }

  /** Keep a projector or a telephone from going dark while captions run. */
  async #keepScreenOn() {
    const wanted =
      document.visibilityState === "visible" && (this.isSpeaking || this.#watcher !== null);
    try {
      if (wanted && (this.#wakeLock === null || this.#wakeLock.released)) {
        this.#wakeLock = (await navigator.wakeLock?.request("screen")) ?? null;
      } else if (!wanted) {
        await this.#wakeLock?.release();
        this.#wakeLock = null;
      }
    } catch {
      // A battery that is low, or a browser that lacks it: the screen may go dark.
    }
  }
}
