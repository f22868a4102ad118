'use strict';
// A device that speaks MQTT 5 with an unmodified client (mqtt.js).

const mqtt = require('mqtt');
const { ca, host, mqttsPort, parts, sasToken, waitFor } = require('./hub');

const usernameOf = (deviceId) => `${parts.HostName}/${deviceId}/?api-version=2021-04-12`;
const tokenOf = (deviceId, key, expiry) => sasToken({ resource: `${parts.HostName}/devices/${deviceId}`, key, policy: '', expiry });

// Resolves when the hub has answered: `connack`, or `error` with the reason code in `error.code`. Collects what comes:
// `messages` ({ topic, payload, properties }), `auths`, and the hub's `disconnect`. `options` as for mqtt.connect.
async function connectOnce(deviceId, key, options = {}) {
  const client = mqtt.connect({ host, port: mqttsPort, protocol: 'mqtts', ca, protocolVersion: 5, clientId: deviceId,
    username: usernameOf(deviceId), password: tokenOf(deviceId, key), keepalive: 60, reconnectPeriod: 0, clean: false, ...options });
  const device = { client, messages: [], auths: [], connack: undefined, disconnect: undefined, error: undefined, isClosed: false,
    close: () => client.end(true) };
  client.on('connect', (packet) => { device.connack = packet; });
  client.on('error', (error) => { device.error = error; });
  client.on('close', () => { device.isClosed = true; });
  client.on('disconnect', (packet) => { device.disconnect = packet; });
  client.handleAuth = () => {}; // mqtt.js 4 fails on an AUTH that says success, unless nobody calls it back.
  client.on('packetreceive', (packet) => { if (packet.cmd === 'auth') device.auths.push(packet); });
  client.on('message', (topic, payload, packet) => {
    device.messages.push({ topic, payload: payload.toString(), properties: packet.properties });
  });
  await waitFor('an answer to CONNECT', () => device.connack || device.error || device.isClosed);
  return device;
}

// The same, tried again while the hub says that it is not available, or does not know the device yet, and when it sends the
// device away at once: so it does when the device is changed (or made) just while it connects.
async function connectDevice(deviceId, key, options) {
  return waitFor('the device connects', async () => {
    const device = await connectOnce(deviceId, key, options);
    if (device.connack && await roundTrip(device)) return device;
    device.close();
    return undefined;
  });
}

// True when the hub answers on this connection, false when it has ended it.
async function roundTrip(device) {
  let isAnswered = false;
  device.client.unsubscribe('nothing', (error) => { isAnswered = !error; });
  await waitFor('an answer, or the end', () => isAnswered || device.isClosed || device.disconnect);
  return isAnswered;
}

// The SUBACK's codes, in the order of `filters`.
function subscribe(device, filters, qos = 0) {
  return new Promise((resolve, reject) => {
    device.client.subscribe(filters, { qos }, (error, granted) => (error ? reject(error) : resolve(granted.map((each) => each.qos))));
  });
}

// The PUBACK's reason code at QoS 1; 0 at QoS 0.
function publish(device, topic, payload, { qos = 1, properties } = {}) {
  return new Promise((resolve) => {
    device.client.publish(topic, payload, { qos, properties }, (error, packet) => resolve(error ? error.code : (packet && packet.reasonCode) || 0));
  });
}

module.exports = { connectOnce, connectDevice, subscribe, publish, tokenOf, usernameOf };
