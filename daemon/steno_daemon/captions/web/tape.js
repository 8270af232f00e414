/** The audio that may have to be sent again, by its position in samples. */

const LARGEST_PIECE = 4800;

export class Tape {
  #pieces = []; // Int16Arrays without gaps between them
  #start = 0;
  #end = 0;

  /** Position of the first sample that is kept. */
  get start() {
    return this.#start;
  }

  /** Position behind the last sample. */
  get end() {
    return this.#end;
  }

  /** Put samples at the end. */
  append(samples) {
    this.#pieces.push(samples);
    this.#end += samples.length;
  }

  /** Forget what lies before a position. */
  drop(position) {
    while (this.#pieces.length > 0 && this.#start + this.#pieces[0].length <= position) {
      this.#start += this.#pieces.shift().length;
    }
    if (this.#pieces.length > 0 && this.#start < position) {
      this.#pieces[0] = this.#pieces[0].subarray(position - this.#start);
      this.#start = position;
    }
  }

  /** Forget all but the last samples; returns how many were forgotten. */
  keepLast(count) {
    const before = this.#start;
    this.drop(this.#end - count);
    return this.#start - before;
  }

  /**
   * The next samples from a position on, null where there are none yet.
   *
   * What was forgotten comes as silence, so that the clock of the stream stays right.
   */
  from(position) {
    if (position < this.#start) {
      return new Int16Array(Math.min(this.#start - position, LARGEST_PIECE));
    }
    let start = this.#start;
    for (const piece of this.#pieces) {
      if (position < start + piece.length) {
        return piece.subarray(position - start);
      }
      start += piece.length;
    }
    return null;
  }
}
