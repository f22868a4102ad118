'use strict';
// Random numbers that a seed repeats (mulberry32).

class Random {
  constructor(seed) { this.state = seed >>> 0; }

  // Uniform in [0, 1).
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  // An integer in [0, limit).
  below(limit) { return Math.floor(this.next() * limit); }
  between(low, high) { return low + this.next() * (high - low); }
  chance(share) { return this.next() < share; }
  pick(values) { return values[this.below(values.length)]; }

  shuffle(values) {
    const out = [...values];
    for (let i = out.length - 1; i > 0; --i) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  // A stream of its own, so that one part of a run does not shift the others.
  fork() { return new Random(Math.floor(this.next() * 4294967296)); }
}

module.exports = { Random };
