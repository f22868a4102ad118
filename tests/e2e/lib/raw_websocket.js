'use strict';
// A WebSocket whose request and frames are written byte for byte by the test.

const crypto = require('node:crypto');
const tls = require('node:tls');
const { ca, host, restPort, waitFor } = require('./hub');

// A client's frame around `payload`.
function frame(payload, { opcode = 2, final = true, masked = true } = {}) {
  const mask = crypto.randomBytes(4);
  const length = payload.length < 126 ? Buffer.from([payload.length])
    : Buffer.from([126, payload.length >> 8, payload.length & 0xff]);
  length[0] |= masked ? 0x80 : 0;
  const body = masked ? Buffer.concat([mask, Buffer.from(payload.map((byte, i) => byte ^ mask[i % 4]))]) : payload;
  return Buffer.concat([Buffer.from([(final ? 0x80 : 0) | opcode]), length, body]);
}

// Asks for an upgrade and resolves when the answer's head is there. `frames` collects { opcode, payload }.
async function openRawWebSocket({ path = '/$iothub/websocket', protocol = 'mqtt', headers = [], port = restPort } = {}) {
  const socket = tls.connect({ host, port, ca });
  const peer = { head: undefined, frames: [], isClosed: false, close: () => socket.destroy() };
  peer.send = (...args) => socket.write(frame(...args));
  let received = Buffer.alloc(0);
  const takeFrame = () => {
    if (received.length < 2) return false;
    const isLong = received[1] === 126;
    const begin = isLong ? 4 : 2;
    if (received.length < begin) return false;
    const end = begin + (isLong ? received.readUInt16BE(2) : received[1]);
    if (received.length < end) return false;
    peer.frames.push({ opcode: received[0] & 15, payload: received.subarray(begin, end) });
    received = received.subarray(end);
    return true;
  };
  socket.on('error', () => {});
  socket.on('close', () => { peer.isClosed = true; });
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (peer.head === undefined && end >= 0) {
      peer.head = received.subarray(0, end).toString();
      received = received.subarray(end + 4);
    }
    while (peer.head !== undefined && takeFrame());
  });
  socket.write([`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}`, `Sec-WebSocket-Protocol: ${protocol}`, ...headers, '', ''].join('\r\n'));
  await waitFor('the answer to the upgrade', () => peer.head !== undefined || peer.isClosed);
  return peer;
}

module.exports = { openRawWebSocket };
