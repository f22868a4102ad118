'use strict';
// A device on mqtt.js, which knows nothing of IoT Hub: user name, password and topics as docs/… say. Driven as node.js.

const crypto = require('node:crypto');
const mqtt = require('mqtt');
const { serve } = require('./protocol');

const FILTERS = ['$iothub/methods/POST/#', '$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#'];

serve(({ host, hub, device_id: deviceId, password, ca, clean = false }, emit) => {
  const requests = new Map();
  const held = [];
  let client;

  function respond(rid, payload) { client.publish(`$iothub/methods/res/200/?$rid=${rid}`, JSON.stringify(payload), { qos: 1 }); }

  function onMethod(name, rid, payload) {
    emit('method', { name, payload, rid });
    if (name === 'hold') held.push((answer) => respond(rid, answer));
    else if (name === 'size') respond(rid, { bytes: payload.length });
    else if (name === 'big') respond(rid, 'y'.repeat(payload));
    else respond(rid, [payload]);
  }

  function onMessage(topic, payload) {
    const text = payload.toString();
    const method = /^\$iothub\/methods\/POST\/([^/]+)\/\?\$rid=(.+)$/.exec(topic);
    if (method) return onMethod(decodeURIComponent(method[1]), method[2], JSON.parse(text));
    const response = /^\$iothub\/twin\/res\/(\d+)\/\?\$rid=([^&]+)/.exec(topic);
    if (!response) return emit('patch', { patch: JSON.parse(text) });
    const { resolve, reject } = requests.get(response[2]);
    requests.delete(response[2]);
    return Number(response[1]) < 300 ? resolve(text && JSON.parse(text)) : reject(new Error(`${response[1]} ${text}`));
  }

  function request(topic, payload) {
    const rid = crypto.randomUUID();
    return new Promise((resolve, reject) => {
      requests.set(rid, { resolve, reject });
      client.publish(`${topic}?$rid=${rid}`, payload);
    });
  }

  return {
    open() {
      client = mqtt.connect({ protocol: 'mqtts', host, port: 8883, ca, protocolVersion: 4, clientId: deviceId, clean, password,
        username: `${hub}/${deviceId}/?api-version=2021-04-12`, reconnectPeriod: 100, resubscribe: clean });
      client.on('connect', (packet) => emit('connected', { session: packet.sessionPresent }));
      client.on('close', () => emit('disconnected'));
      client.on('message', onMessage);
      return new Promise((resolve, reject) => {
        client.once('connect', () => client.subscribeAsync(FILTERS).then(() => resolve(undefined), reject));
        client.on('error', (error) => { emit('failed', { reason: error.message, code: error.code }); reject(error); });
      });
    },
    twin() { return request('$iothub/twin/GET/', ''); },
    async report({ patch }) { await request('$iothub/twin/PATCH/properties/reported/', JSON.stringify(patch)); },
    async send({ payload }) { await client.publishAsync(`devices/${deviceId}/messages/events/`, payload, { qos: 1 }); },
    answer({ payload }) { held.shift()(payload); },
    async publish({ topic, payload, qos, retain }) { await client.publishAsync(topic, payload, { qos, retain }); },
    async subscribe({ filter, qos }) { return (await client.subscribeAsync(filter, { qos })).map((granted) => granted.qos); },
    close() { return client.endAsync(); },
  };
});
