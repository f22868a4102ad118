'use strict';
// One connection of an attacker: bytes out, and every packet that comes back, checked to be one that a server may send.

const net = require('node:net');
const tls = require('node:tls');
const { parse } = require('../e2e/lib/raw_mqtt');

// First bytes of what a server may say; PUBLISH has flags of its own.
const SERVER_PACKETS = new Set([0x20, 0x40, 0x90, 0xb0, 0xd0, 0xe0]);
const FROM_SERVER = (packet) => SERVER_PACKETS.has(packet.first) || packet.first >> 4 === 3;

// 127.60.1.1 and so on: 9 million addresses, none used twice in a run.
function addressOf(source) {
  return `127.${60 + Math.floor(source / 62_500) % 150}.${1 + Math.floor(source / 250) % 250}.${1 + source % 250}`;
}

class Peer {
  // Connects; `source` picks the address of this end on loopback, so that neither ports nor limits per address are in the way. `raw`:
  // what comes is no MQTT, and not looked at.
  constructor({ host, port, source = 0, secure = false, raw = false }) {
    const where = { host, port, localAddress: addressOf(source) };
    this.packets = [];
    this.isOpen = false;
    this.isClosed = false;
    this.rest = Buffer.alloc(0);
    this.waiting = new Set();
    this.bytesRead = 0;
    this.isRaw = raw;
    this.socket = secure ? tls.connect({ ...where, rejectUnauthorized: false }) : net.connect(where);
    this.socket.on(secure ? 'secureConnect' : 'connect', () => { this.isOpen = true; this.#wake(); });
    this.socket.on('data', (chunk) => this.#read(chunk));
    this.socket.on('error', (error) => { this.error = error; });
    this.socket.on('end', () => { this.hasEnded = true; this.#wake(); });
    this.socket.on('close', () => { this.isClosed = true; this.#wake(); });
  }

  #read(chunk) {
    this.bytesRead += chunk.length;
    if (this.isRaw) return;
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    for (let next = parse(this.rest); next; next = parse(this.rest)) {
      const packet = { first: this.rest[0], type: next.type, body: next.body };
      if (!FROM_SERVER(packet)) this.illegal = this.rest.subarray(0, 32).toString('hex');
      this.rest = this.rest.subarray(next.size);
      this.packets.push(packet);
    }
    this.#wake();
  }

  #wake() { for (const look of [...this.waiting]) look(); }

  write(bytes) { if (!this.socket.destroyed) this.socket.write(bytes); }

  // Waits until `condition()`, looking at every event; false after `seconds`.
  until(condition, seconds) {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (result) => { this.waiting.delete(look); clearTimeout(timer); resolve(result); };
      const look = () => { if (condition()) finish(true); };
      const timer = setTimeout(() => finish(false), seconds * 1000);
      this.waiting.add(look);
    });
  }

  opened(seconds = 20) { return this.until(() => this.isOpen || this.isClosed, seconds); }
  // The other end has closed, or reset.
  closed(seconds) { return this.until(() => this.isClosed || this.hasEnded, seconds); }
  count(type) { return this.packets.filter((packet) => packet.type === type).length; }
  get connack() { return this.packets.find((packet) => packet.type === 2)?.body[1]; }

  // Goes away: says so and waits for the other end to do the same. False if it does not.
  async leave(seconds = 10) {
    if (!this.socket.destroyed) this.socket.end();
    const went = await this.until(() => this.isClosed, seconds);
    this.socket.destroy();
    return went;
  }

  drop() { this.socket.destroy(); }
}

module.exports = { Peer };
