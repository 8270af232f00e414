/** What the page tells people, in plain sentences. */

const MICROPHONE = {
  denied:
    "The browser does not let this page hear the microphone. " +
    "Allow it beside the address, then start again.",
  none: "No microphone was found. Connect one, then start again.",
  busy: "Another program holds the microphone. Close it, then start again.",
  insecure:
    "Browsers give the microphone only to pages from https:// or from localhost. " +
    "Open this page there; the daemon's options “certificate” and “key” switch https on.",
  away: "The daemon does not answer, and this page needs it to begin. Try again later.",
};

const CLOSED = {
  idle: "The daemon heard nothing for a long time and ended the session.",
  failed: "The recogniser failed, several times in a row.",
  refused: "The daemon refused the session.",
  limit: "The session came to a limit.",
  withdrawn: "Your token was taken back.",
};

const STATUS = {
  401: "The daemon wants a token, and this one is wrong.",
  403: "This token may not watch sessions.",
  404: "There is no such session; it may have ended long ago.",
};

/** Why the microphone gives nothing. */
export function ofMicrophone(error) {
  return MICROPHONE[error.kind] ?? `The microphone does not work: ${error.message}`;
}

/** Why a session ended, "" if it ended as it should. */
export function ofEnd(reason, error) {
  if (reason === "stopped" || reason === "abandoned") {
    return "";
  }
  const why = CLOSED[reason] ?? `The session ended: ${reason}.`;
  return error ? `${why} ${sentence(error)}` : why;
}

/** Why the daemon lets nobody watch. */
export function ofStatus(status) {
  return STATUS[status] ?? `The daemon answered with the HTTP status ${status}.`;
}

/** An error of the daemon as a sentence. */
export function sentence({ message, expected, found }) {
  const details = [expected && `expected ${expected}`, found && `found ${found}`];
  const text = [message, details.filter(Boolean).join(", ")].filter(Boolean).join(": ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** Seconds as a person says them. */
export function duration(seconds) {
  if (seconds < 90) {
    return `${Math.max(1, Math.round(seconds))} s`;
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
