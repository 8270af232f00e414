/** What was said so far: the finals of one or more sessions on one clock, as text and WebVTT. */

const LINE_CHARS = 42;
const LINES = 2;
const LONGEST_CUE_S = 7;
const SHORTEST_CUE_S = 1;
const PAUSE_S = 1.5;

export class Transcript {
  #finals = [];
  #laterS = 0;

  get isEmpty() {
    return this.#finals.length === 0;
  }

  /** The finals in the order in which they came, on one clock. */
  get finals() {
    return this.#finals;
  }

  /** What is added to the times of the present session. */
  get laterS() {
    return this.#laterS;
  }

  /** Let the sessions that follow begin where the one before them ended. */
  newSession() {
    this.#laterS = this.#finals.reduce((latest, { end }) => Math.max(latest, end), this.#laterS);
  }

  /** Add a final; returns it with its times on the transcript's clock. */
  add(final) {
    const placed = {
      channel: final.channel ?? 0,
      start: final.start + this.#laterS,
      end: final.end + this.#laterS,
      text: final.written ?? final.text,
      words: (final.written_words ?? final.words)?.map((word) => moved(word, this.#laterS)),
    };
    this.#finals.push(placed);
    return placed;
  }

  /** Forget everything, and return it; the clock goes on. */
  clear() {
    return this.#finals.splice(0);
  }

  /** Put back what `clear` returned. */
  putBack(finals) {
    this.#finals.unshift(...finals);
  }

  /** Every utterance on its own line; with several channels, which one it was. */
  text() {
    const several = this.#hasChannels();
    return this.#finals
      .map(({ channel, text }) => (several ? `${channel + 1}: ${text}\n` : `${text}\n`))
      .join("");
  }

  /** WebVTT: cues of at most two lines, in order. */
  vtt() {
    const several = this.#hasChannels();
    const cues = this.#finals.flatMap(cut).sort((a, b) => a.start - b.start);
    const written = cues.map((cue, index) => {
      const last = cue.start + Math.max(SHORTEST_CUE_S, cue.end - cue.start);
      const next = several ? undefined : cues[index + 1]?.start;
      const end = next === undefined ? last : Math.min(last, Math.max(next, cue.start + 0.001));
      const voice = several ? `<v Channel ${cue.channel + 1}>` : "";
      const lines = wrap(cue.text).map(escape).join("\n");
      return `${clock(cue.start)} --> ${clock(end)}\n${voice}${lines}\n\n`;
    });
    return `WEBVTT\n\n${written.join("")}`;
  }

  #hasChannels() {
    return this.#finals.some((final) => final.channel > 0);
  }
}

/** Seconds as minutes:seconds, with hours where there are any. */
export function shortClock(seconds) {
  const [hours, minutes, rest] = clock(seconds).split(".")[0].split(":");
  return hours === "00" ? `${Number(minutes)}:${rest}` : `${Number(hours)}:${minutes}:${rest}`;
}

function moved(word, laterS) {
  return { ...word, start: word.start + laterS, end: word.end + laterS };
}

/** The words of a final with their times; without times they share its own by their length. */
function timed(final) {
  if (final.words?.length) {
    return final.words;
  }
  const texts = final.text.split(" ").filter(Boolean);
  const chars = texts.reduce((sum, text) => sum + text.length, 0);
  let at = final.start;
  return texts.map((text) => {
    const start = at;
    at += ((final.end - final.start) * text.length) / chars;
    return { text, start, end: at };
  });
}

/** The cues of a final, cut where lines are full, a pause is long, or seven seconds are over. */
function cut(final) {
  const cues = [];
  for (const word of timed(final)) {
    const cue = cues.at(-1);
    const longer = cue && `${cue.text} ${word.text}`;
    const fits =
      cue &&
      wrap(longer).length <= LINES &&
      word.end - cue.start <= LONGEST_CUE_S &&
      word.start - cue.end < PAUSE_S;
    if (fits) {
      cue.text = longer;
      cue.end = word.end;
    } else {
      cues.push({ channel: final.channel, text: word.text, start: word.start, end: word.end });
    }
  }
  return cues;
}

/** Lines of whole words, a longer word on a line of its own. */
function wrap(text) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && longer.length <= LINE_CHARS) {
      lines[lines.length - 1] = longer;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

function clock(seconds) {
  const millis = Math.max(0, Math.round(seconds * 1000));
  const pad = (value, digits = 2) => String(value).padStart(digits, "0");
  const parts = [millis / 3_600_000, (millis / 60_000) % 60, (millis / 1000) % 60];
  return `${parts.map((part) => pad(Math.floor(part))).join(":")}.${pad(millis % 1000, 3)}`;
}

function escape(line) {
  return line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
