'use strict';
// A device program of devices/, in whichever language, as an object. It is spoken to in lines of JSON (devices/protocol.js).

const { spawn } = require('node:child_process');
const readline = require('node:readline');
const { waitFor } = require('../../e2e/lib/hub');

// More than any SDK tries by itself: who is silent for longer hangs, and the test is to say so.
const PATIENCE_SECONDS = 180;

class Device {
  // Starts `command` and gives it its settings. Nothing is connected yet.
  constructor(command, settings) {
    this.events = [];
    this.answers = new Map();
    this.next = 1;
    this.child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.said = [];
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => this.child.on('exit', resolve));
    this.child.on('exit', (code) => this.#end(code));
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => this.#hear(line));
    readline.createInterface({ input: this.child.stderr }).on('line', (line) => this.said.push(line));
    this.#print(settings);
  }

  #print(line) { this.child.stdin.write(`${JSON.stringify(line)}\n`); }

  #hear(line) {
    if (!line.startsWith('{')) { this.said.push(line); return; } // An SDK that prints.
    const heard = JSON.parse(line);
    if (heard.event) { this.events.push(heard); return; }
    const { resolve, reject } = this.answers.get(heard.id); // Also of one that was given up: rejecting again does nothing.
    this.answers.delete(heard.id);
    if (heard.error !== undefined) reject(new Error(heard.error));
    else resolve(heard.ok);
  }

  #end(code) {
    this.exitCode = code;
    for (const { reject } of this.answers.values()) reject(new Error(`the device program ended (${code}):\n${this.said.slice(-20).join('\n')}`));
    this.answers.clear();
  }

  // One command; resolves to its answer, rejects with what the SDK raised, or when there is no answer for so long.
  async do(what, more = {}) {
    const id = this.next;
    this.next += 1;
    const silence = `no answer to "${what}" for ${PATIENCE_SECONDS} s`;
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        this.answers.set(id, { resolve, reject });
        timer = setTimeout(() => reject(new Error(`${silence}:\n${this.said.slice(-20).join('\n')}`)), PATIENCE_SECONDS * 1000);
        if (this.exitCode !== undefined) this.#end(this.exitCode);
        else this.#print({ id, do: what, ...more });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  // Events of one kind so far.
  of(event) { return this.events.filter((each) => each.event === event); }

  // Waits for an event of `kind` that `fits`, among those after the first `from`.
  async hears(kind, fits = () => true, { seconds = 30, from = 0 } = {}) {
    return waitFor(`event ${kind}`, () => this.events.slice(from).find((each) => each.event === kind && fits(each)), seconds, 20);
  }

  async stop() {
    if (this.exitCode === undefined) {
      this.child.stdin.end();
      const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
      await this.ended;
      clearTimeout(timer);
    }
  }
}

module.exports = { Device };
