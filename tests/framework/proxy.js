'use strict';
// A TCP proxy in user space: it can hold what flows towards the client and let it go at once (reliability 3.3, fault 25b), cut
// every connection, and lead the next ones elsewhere.

const net = require('node:net');

class Proxy {
  constructor(host, port, upstreamHost, upstreamPort) {
    this.pairs = new Set();
    this.held = false;
    this.accepted = 0; // Connections so far.
    this.ended = 0; // Of these.
    this.leadTo(upstreamHost, upstreamPort);
    this.server = net.createServer((client) => this.#accept(client));
    this.listening = new Promise((resolve, reject) => {
      this.server.on('error', reject);
      this.server.listen(port, host, resolve);
    });
  }

  // Where the next connections go.
  leadTo(host, port) {
    this.upstream = { host, port };
  }

  #accept(client) {
    this.accepted += 1;
    const upstream = net.connect(this.upstream);
    const pair = { client, upstream };
    this.pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
        if (this.pairs.delete(pair)) this.ended += 1;
      });
    }
    client.pipe(upstream);
    upstream.on('data', (bytes) => {
      if (!client.write(bytes)) upstream.pause();
    });
    client.on('drain', () => { if (!this.held) upstream.resume(); });
    if (this.held) upstream.pause();
  }

  // Bytes from the upstream stay where they are, in buffers of the kernel, until release().
  hold() {
    this.held = true;
    for (const { upstream } of this.pairs) upstream.pause();
  }

  release() {
    this.held = false;
    for (const { upstream } of this.pairs) upstream.resume();
  }

  // Ends every connection, as a network does that goes away: without a word of MQTT or TLS.
  cut() {
    for (const { client, upstream } of this.pairs) {
      client.destroy();
      upstream.destroy();
    }
  }

  close() {
    this.server.close();
    this.cut();
  }
}

module.exports = { Proxy };
