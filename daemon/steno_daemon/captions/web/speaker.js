/** The microphone and the session it speaks to, as one thing that starts and stops. */

import { socketAddress } from "./address.js";
import { Microphone } from "./microphone.js";
import { Session, State } from "./session.js";

const SILENT_PEAK = 1 / 32768;
const SILENT_FRAMES = 50; // 5 s of digital silence: a switch, not a quiet room

/** What the speaker is doing, besides the states of its session. */
export const Phase = Object.freeze({ IDLE: "idle", ASKING: "asking", ...State });

export class Speaker {
  #tell;
  #phase = Phase.IDLE;
  #microphone = null;
  #session = null;
  #next = null; // takes the audio while the session before it has its last words
  #sound = { device: "", even: true };
  #domain = "";
  #silentFrames = 0;
  #stopping = false;
  #turn = 0; // how often the microphone was asked for

  /**
   * tell(news): {event} of the daemon; {phase, …} when that changes; {level} 0 … 1 ten times a
   * second; {silent} when the microphone gives nothing at all, or something again; {microphone} an
   * error; {lostS} audio that no session could take.
   */
  constructor(tell) {
    this.#tell = tell;
  }

  get phase() {
    return this.#phase;
  }

  /** Seconds of audio that wait for the daemon. */
  get waitingS() {
    return this.#session?.waitingS ?? 0;
  }

  /** The microphone's id, "" while there is none. */
  get device() {
    return this.#microphone?.device ?? "";
  }

  /** Ask for the microphone, {device, even}, then for a session in a domain. */
  async start(sound, domain) {
    this.#sound = sound;
    this.#domain = domain;
    this.#stopping = false;
    this.#become(Phase.ASKING);
    if (await this.#listen()) {
      this.#session = this.#newSession(0);
      this.#session.open();
    }
  }

  /** Let the daemon say the last words; a second call ends at once. */
  stop() {
    const again = this.#stopping;
    this.#stopping = true;
    this.#hush();
    this.#next = null;
    if (this.#session === null) {
      this.#become(Phase.IDLE);
    } else if (again) {
      this.#session.abandon();
    } else {
      this.#session.stop();
    }
  }

  /** Leave for good: the page goes away. */
  leave() {
    this.#stopping = true;
    this.#hush();
    this.#session?.abandon();
  }

  /** Say what an unknown word is; returns whether the daemon heard it. */
  confirm(event, text) {
    return this.#session?.confirm(event, text) ?? false;
  }

  /** Try the connection again now. */
  hurry() {
    this.#session?.hurry();
  }

  /** Go on in another domain: the session so far has its last words, then another follows. */
  changeDomain(domain) {
    if (this.#session !== null && domain !== this.#domain && !this.#stopping) {
      this.#domain = domain;
      this.#swap();
    }
  }

  /** Go on with another microphone. */
  async changeSound(sound) {
    if (this.#microphone === null) {
      return;
    }
    const rate = this.#microphone.rate;
    this.#sound = sound;
    this.#hush();
    if ((await this.#listen()) && this.#microphone.rate !== rate) {
      this.#swap();
    }
  }

  /** Open the microphone; returns whether that went well and is still wanted. */
  async #listen() {
    this.#turn += 1;
    const turn = this.#turn;
    let microphone;
    try {
      microphone = await Microphone.open({
        ...this.#sound,
        onFrame: (samples, peak) => this.#take(samples, peak),
        onTrouble: (kind) => this.#trouble(kind),
      });
    } catch (error) {
      if (turn === this.#turn) {
        this.#tell({ microphone: error });
        this.stop();
      }
      return false;
    }
    if (this.#stopping || turn !== this.#turn) {
      microphone.close(); // the user thought better of it while the browser asked
      return false;
    }
    this.#microphone = microphone;
    return true;
  }

  #take(samples, peak) {
    (this.#next ?? this.#session)?.append(samples);
    this.#tell({ level: peak });
    const wasSilent = this.#silentFrames >= SILENT_FRAMES;
    this.#silentFrames = peak > SILENT_PEAK ? 0 : this.#silentFrames + 1;
    const isSilent = this.#silentFrames >= SILENT_FRAMES;
    if (isSilent !== wasSilent) {
      this.#tell({ silent: isSilent });
    }
  }

  #trouble(kind) {
    if (kind === "ended") {
      // It was unplugged: the browser may know another one.
      void this.changeSound({ ...this.#sound, device: "" });
    } else {
      this.#tell({ silent: kind === "muted" });
    }
  }

  #hush() {
    this.#microphone?.close();
    this.#microphone = null;
    this.#silentFrames = 0;
    this.#tell({ level: 0 });
  }

  #newSession(firstS) {
    const session = new Session({
      address: () => socketAddress(""),
      start: {
        encoding: "pcm_s16le",
        rate: this.#microphone.rate,
        language_model: this.#domain,
        word_times: true,
      },
      firstS,
      tell: (news) => session === this.#session && this.#hear(news),
    });
    return session;
  }

  #swap() {
    this.#next = this.#newSession((this.#next ?? this.#session).endS);
    this.#session.stop();
  }

  #hear(news) {
    if (news.state === undefined) {
      this.#tell(news);
    } else if (news.state !== State.CLOSED) {
      this.#become(news.state, news);
    } else if (this.#next !== null && !news.error) {
      this.#session = this.#next;
      this.#next = null;
      this.#session.open();
    } else {
      this.#end(news);
    }
  }

  #end({ reason, error }) {
    this.#session = this.#next = null;
    this.#hush();
    this.#become(Phase.IDLE, { reason, error });
  }

  #become(phase, more = {}) {
    this.#phase = phase;
    this.#tell({ phase, ...more });
  }
}
