'use strict';
// A device that speaks just enough MQTT 3.1.1 over TLS to decide when it sends what, and to see each packet that comes.

const tls = require('node:tls');
const { ca, host, mqttsPort, parts, sasToken, waitFor } = require('./hub');

function text(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function number(value) {
  return Buffer.from([value >> 8, value & 0xff]);
}

function packet(firstByte, ...fields) {
  const body = Buffer.concat(fields);
  const length = [];
  let rest = body.length;
  do {
    length.push((rest % 128) | (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from([firstByte, ...length]), body]);
}

// The first packet in `bytes` and how long it is, or undefined when it is not complete.
function parse(bytes) {
  let length = 0;
  for (let i = 1; i < bytes.length && i <= 4; i += 1) {
    length += (bytes[i] & 127) * 128 ** (i - 1);
    if (bytes[i] >= 128) continue;
    const size = i + 1 + length;
    return bytes.length < size ? undefined : { size, type: bytes[0] >> 4, body: bytes.subarray(i + 1, size) };
  }
  return undefined;
}

// CONNECT as a device or `device/module`, with a token made with `key` or with `password` (null = none).
function connectPacket(deviceId, key, { isPersistent = false, password } = {}) {
  const resource = `${parts.HostName}/devices/${deviceId.replace('/', '/modules/')}`;
  const secret = password === undefined ? sasToken({ resource, key, policy: '' }) : password;
  const flags = (isPersistent ? 0 : 2) | (secret === null ? 0x80 : 0xc0);
  return packet(0x10, text('MQTT'), Buffer.from([4, flags, 0, 60]), text(deviceId),
    text(`${parts.HostName}/${deviceId}/?api-version=2021-04-12`), ...(secret === null ? [] : [text(secret)]));
}

// One attempt to connect as a device or `device/module`; `connack` is the answer, undefined when the hub just closed.
// `publishes` and `pubacks` collect what comes: { topic, payload } and packet ids. `isPersistent`: CleanSession=0, no
// SUBSCRIBE. `certificate`: { cert, key } for the handshake; `password` replaces the token, null = none.
async function connectOnce(deviceId, key, { isPersistent = false, certificate = {}, password } = {}) {
  const socket = tls.connect({ host, port: mqttsPort, ca, ...certificate });
  const device = { publishes: [], pubacks: [], connack: undefined, suback: false, isClosed: false, close: () => socket.destroy() };
  let received = Buffer.alloc(0);
  socket.on('error', (error) => { device.error = error; });
  socket.on('close', () => { device.isClosed = true; });
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    for (let next = parse(received); next; next = parse(received)) {
      received = received.subarray(next.size);
      if (next.type === 2) [device.isSessionPresent, device.connack] = [next.body[0] === 1, next.body[1]];
      if (next.type === 9) device.suback = true;
      if (next.type === 4) device.pubacks.push(next.body.readUInt16BE(0));
      if (next.type !== 3) continue;
      const end = 2 + next.body.readUInt16BE(0);
      device.publishes.push({ topic: next.body.subarray(2, end).toString(), payload: next.body.subarray(end).toString() });
    }
  });
  device.publish = (topic, payload, packetId) => socket.write(packet(0x32, text(topic), number(packetId), Buffer.from(payload)));

  socket.write(connectPacket(deviceId, key, { isPersistent, password }));
  await waitFor('CONNACK', () => device.connack !== undefined || device.isClosed);
  device.subscribe = (filter, qos = 0) => socket.write(packet(0x82, number(2), text(filter), Buffer.from([qos])));
  if (device.connack !== 0 || isPersistent) return device;
  socket.write(packet(0x82, number(1), text('$iothub/methods/POST/#'), Buffer.from([0])));
  await waitFor('SUBACK', () => device.suback || device.isClosed);
  return device;
}

// Connects and listens to methods; tries again, as every SDK does, while the hub says that it is not available (CONNACK 3).
async function connectRawDevice(deviceId, key) {
  return waitFor('the device listens', async () => {
    const device = await connectOnce(deviceId, key);
    if (device.suback) return device;
    device.close();
    return undefined;
  });
}

module.exports = { connectOnce, connectPacket, connectRawDevice, number, packet, parse, text };
