/** What the page says and offers while its microphone is in a phase. */

import { Phase } from "./speaker.js";

/**
 * The status, the button and the empty screen of a phase.
 *
 * waits: how much audio waits to be sent; again: when the next try is; busy: how the daemon is.
 * Each is "" where there is nothing to say.
 */
export function describe(phase, { waits, again, busy }) {
  switch (phase) {
    case Phase.ASKING:
      return waiting("Waiting for the microphone", "", "Cancel", [
        "May we listen?",
        "The browser asks you for the microphone.",
      ]);
    case Phase.CONNECTING:
      return waiting("Connecting", "", "Cancel", [
        "One moment",
        "The daemon is asked for a place.",
      ]);
    case Phase.LISTENING:
      return {
        kind: "live",
        text: "Listening",
        more: waits ? `· ${waits} to catch up` : busy && `· ${busy}`,
        button: ["Stop", "stop"],
        welcome: ["Listening", "Say something."],
      };
    case Phase.BROKEN:
      return waiting("Connection lost, trying again", waits && `· ${waits} kept`, "Stop", [
        "The connection is lost",
        "What you say is kept and sent when it is back.",
      ]);
    case Phase.REFUSED:
      return waiting("The daemon is full, trying again", again, "Cancel", [
        "The daemon is full",
        "You get in as soon as there is room.",
      ]);
    case Phase.STOPPING:
      return waiting("Last words", "", "Stop now", [
        "One moment",
        "The last words are on their way.",
      ]);
    default:
      return {
        kind: "idle",
        text: "Ready",
        more: "",
        button: ["Start microphone", "start"],
        welcome: [
          "Captions, while you speak",
          "Start the microphone and talk. The words appear here.",
        ],
      };
  }
}

function waiting(text, more, label, welcome) {
  return { kind: "waiting", text, more, button: [label, "stop"], welcome };
}
