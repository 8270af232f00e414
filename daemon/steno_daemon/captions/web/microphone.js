/** The microphone of this browser as frames of 16-bit samples. */

const FRAME_MS = 100;
const WANTED_RATE = 16_000; // what the recogniser hears; a third of the traffic of 48 kHz
const LARGEST_RATE = 48_000;
const WORKLET = new URL("worklet.js", import.meta.url);

const FAULTS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** Why there is no sound: `kind` is insecure, denied, none, busy, away or broken. */
export class MicrophoneError extends Error {
  constructor(kind, cause) {
    super(cause ? `${cause.name}: ${cause.message}` : kind);
    this.kind = kind;
  }
}

/** An open microphone; `rate` is that of its frames. */
export class Microphone {
  #context;
  #stream;
  #node = null;
  #closed = false;

  /**
   * Ask for a microphone and begin to listen.
   *
   * device: its id, "" for the browser's choice; even: whether the browser evens out loudness.
   * onFrame(samples, peak): about every 100 ms.
   * onTrouble(kind): `ended` when it was unplugged or taken away, `muted`, `unmuted`.
   */
  static async open({ device, even, onFrame, onTrouble }) {
    if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
      throw new MicrophoneError("insecure");
    }
    const stream = await grant(device, even);
    const microphone = new Microphone(stream);
    try {
      await microphone.#begin(onFrame, onTrouble);
    } catch (error) {
      microphone.close();
      throw error instanceof MicrophoneError ? error : new MicrophoneError("broken", error);
    }
    return microphone;
  }

  constructor(stream) {
    this.#stream = stream;
  }

  get rate() {
    return this.#context.sampleRate;
  }

  /** What the browser calls the device. */
  get label() {
    return this.#stream.getAudioTracks()[0]?.label ?? "";
  }

  /** The id of the device in use. */
  get device() {
    return this.#stream.getAudioTracks()[0]?.getSettings().deviceId ?? "";
  }

  /** Let go of the device; the browser's sign that it listens goes out. */
  close() {
    this.#closed = true;
    this.#node?.port.close();
    this.#node?.disconnect();
    for (const track of this.#stream.getTracks()) {
      track.stop();
    }
    this.#context?.close().catch(() => {}); // it may be closed already
  }

  async #begin(onFrame, onTrouble) {
    const [track] = this.#stream.getAudioTracks();
    track.addEventListener("ended", () => this.#closed || onTrouble("ended"));
    track.addEventListener("mute", () => this.#closed || onTrouble("muted"));
    track.addEventListener("unmute", () => this.#closed || onTrouble("unmuted"));
    const source = this.#connectable();
    try {
      await this.#context.audioWorklet.addModule(WORKLET);
    } catch (error) {
      throw new MicrophoneError("away", error);
    }
    this.#node = new AudioWorkletNode(this.#context, "framer", {
      numberOfInputs: 1,
      numberOfOutputs: 1, // silent; some browsers only run what leads to the speakers
      processorOptions: { frameSamples: Math.round((this.rate * FRAME_MS) / 1000) },
    });
    this.#node.port.onmessage = ({ data }) => this.#closed || onFrame(data.samples, data.peak);
    source.connect(this.#node).connect(this.#context.destination);
    await this.#context.resume();
    this.#context.addEventListener("statechange", () => this.#keepRunning());
  }

  /** A source node at the rate of the recogniser, or where a browser cannot, at the device's. */
  #connectable() {
    const rates = [WANTED_RATE, undefined, LARGEST_RATE];
    for (const [index, sampleRate] of rates.entries()) {
      try {
        this.#context = new AudioContext({ sampleRate, latencyHint: "interactive" });
        if (this.#context.sampleRate <= LARGEST_RATE) {
          return this.#context.createMediaStreamSource(this.#stream);
        }
      } catch (error) {
        if (index === rates.length - 1) {
          throw error;
        }
      }
      this.#context?.close().catch(() => {});
    }
    throw new MicrophoneError("broken");
  }

  /** A telephone call or another page may have suspended the context. */
  #keepRunning() {
    if (!this.#closed && this.#context.state !== "running" && this.#context.state !== "closed") {
      this.#context.resume().catch(() => {}); // tried again at the next change
    }
  }
}

/** The microphones by id and name; names are empty until the user allowed one. */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter((device) => device.kind === "audioinput" && device.deviceId !== "")
    .map((device) => ({ id: device.deviceId, label: device.label }));
}

async function grant(device, even) {
  // The recogniser was trained on rooms as they are; only a voice from far away has to be raised.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: even };
  try {
    const wanted = device ? { ...audio, deviceId: { exact: device } } : audio;
    return await navigator.mediaDevices.getUserMedia({ audio: wanted });
  } catch (error) {
    if (device && error.name === "OverconstrainedError") {
      return grant("", even);
    }
    throw new MicrophoneError(FAULTS[error.name] ?? "broken", error);
  }
}
