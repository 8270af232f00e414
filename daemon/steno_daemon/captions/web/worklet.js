/** Runs beside the audio: mixes the microphone to one channel of 16-bit samples, in even frames. */

class Framer extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.size = options.processorOptions.frameSamples;
    this.frame = new Int16Array(this.size);
    this.filled = 0;
    this.peak = 0;
  }

  process([channels]) {
    const count = channels.length;
    for (let i = 0; count > 0 && i < channels[0].length; i += 1) {
      let sum = 0;
      for (const channel of channels) {
        sum += channel[i];
      }
      this.add(sum / count);
    }
    return true;
  }

  add(value) {
    const clipped = Math.max(-1, Math.min(1, value));
    this.peak = Math.max(this.peak, Math.abs(clipped));
    this.frame[this.filled] = Math.round(clipped * 32767);
    this.filled += 1;
    if (this.filled === this.size) {
      this.port.postMessage({ samples: this.frame, peak: this.peak }, [this.frame.buffer]);
      this.frame = new Int16Array(this.size);
      this.filled = 0;
      this.peak = 0;
    }
  }
}

registerProcessor("framer", Framer);
