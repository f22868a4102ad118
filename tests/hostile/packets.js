'use strict';
// What the SDKs send (device-mqtt.md 9), as bytes, for one identity.

const { number, packet, text } = require('../e2e/lib/raw_mqtt');

const METHODS = '$iothub/methods/POST/#';
const TWIN = '$iothub/twin/res/#';
const DESIRED = '$iothub/twin/PATCH/properties/desired/#';
const PINGREQ = Buffer.from([0xc0, 0]);
const DISCONNECT = Buffer.from([0xe0, 0]);

// `identity`: { id, host, password }.
function connect(identity, { keepAlive = 180, level = 4, name = 'MQTT', flags = 0xc0, clientId = identity.id,
  username = `${identity.host}/${identity.id}/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4`,
  password = identity.password } = {}) {
  return packet(0x10, text(name), Buffer.from([level, flags]), number(keepAlive), text(clientId), text(username), text(password));
}

const subscribe = (id, ...filters) => packet(0x82, number(id), ...filters.flatMap(([filter, qos]) => [text(filter), Buffer.from([qos])]));
const unsubscribe = (id, ...filters) => packet(0xa2, number(id), ...filters.map(text));

function publish(topic, payload, { qos = 0, id = 1, flags = qos << 1 } = {}) {
  return packet(0x30 | flags, text(topic), ...(qos > 0 ? [number(id)] : []), Buffer.from(payload));
}

// Every CONNECT of 9.1 to 9.5.
function connects(identity) {
  const will = Buffer.concat([text(`devices/${identity.id}/messages/events/`), text('gone')]);
  const head = [text('MQTT'), Buffer.from([4, 0xc4]), number(60), text(identity.id), will];
  return [
    connect(identity),
    connect(identity, { keepAlive: 60, username: `${identity.host}/${identity.id}/?api-version=2019-10-01&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0` }),
    connect(identity, { keepAlive: 240, username: `${identity.host}/${identity.id}/?api-version=2020-09-30` }),
    connect(identity, { keepAlive: 300, flags: 0xc2 }),
    packet(0x10, ...head, text(`${identity.host}/${identity.id}/?api-version=2021-04-12`), text(identity.password)),
  ];
}

// What follows a CONNECT.
function session(identity) {
  const events = `devices/${identity.id}/messages/events/`;
  return [
    subscribe(1, [METHODS, 0]), subscribe(2, [TWIN, 0]), subscribe(3, [DESIRED, 1]),
    subscribe(4, [`devices/${identity.id}/messages/devicebound/#`, 1], [TWIN, 0], [METHODS, 0]),
    unsubscribe(5, DESIRED), unsubscribe(6, METHODS, TWIN),
    publish('$iothub/twin/GET/?$rid=3f2a', ' '), publish('$iothub/twin/GET/?$rid=7', '', { qos: 1, id: 7 }),
    publish('$iothub/twin/PATCH/properties/reported/?$rid=8', '{"fw":"1.1"}'),
    publish('$iothub/twin/PATCH/properties/reported/?$rid=9&$version=4', '{"fw": {"a": [1, 2.5e3, null]}}', { qos: 1, id: 9 }),
    publish('$iothub/methods/res/200/?$rid=1', '{"locked":true}'), publish('$iothub/methods/res/501/?$rid=a2', '', { qos: 1, id: 10 }),
    publish(events, 'telemetry', { qos: 1, id: 11 }),
    publish(`${events}%24.mid=4711&%24.ct=application%2Fjson&level=high&%24.cdid=other`, '{"t":21}', { qos: 1, id: 12 }),
    publish(events, 'retained', { flags: 1 }),
    packet(0x40, number(77)), PINGREQ, DISCONNECT,
  ];
}

module.exports = { DESIRED, DISCONNECT, METHODS, PINGREQ, TWIN, connect, connects, publish, session, subscribe, unsubscribe };
