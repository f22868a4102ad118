'use strict';
// The clients of the matrix, and in what they differ where the hub cannot change it (device-mqtt.md 2.9, 6.3, 9.1–9.5).
//
//   generic         knows nothing of IoT Hub: it is given user name and password, and publishes and subscribes to what it is told
//   stopsAfter5     CONNACK 5 on a later connection ends its attempts: the application has to connect again
//   answersTwice    can be made to answer a call twice; the others refuse the second answer themselves
//   renews          seconds of a token's life, and before its end, in which it connects anew by itself; none: when the hub closes
//   clean           a clean session: the subscriptions end with the connection
//   needs           what tests/sdk/run installs for it, from a package registry that may be out of reach

const path = require('node:path');

const devices = path.join(__dirname, '..', 'devices');
const installed = process.env.FLEETCAST_SDK_DIR;
const python = path.join(installed, 'python', 'bin', 'python');
const classpath = `${path.join(installed, 'java', 'lib')}/*:${path.join(installed, 'java', 'classes')}`;

const ALL = [
  { name: 'azure-iot-device 1.18.4 (Node)', command: [process.execPath, path.join(devices, 'node.js')],
    renews: { seconds: 6, margin: 3 } },
  { name: 'azure-iot-device 2.14.0 (Python)', needs: 'python', command: [python, path.join(devices, 'azure_device.py')], stopsAfter5: true,
    answersTwice: true, renews: { seconds: 124, margin: 120 } },
  { name: 'iot-device-client 2.5.0 (Java)', needs: 'java', command: ['java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', classpath, 'Device'] },
  { name: 'paho-mqtt 1.6.1', needs: 'python', command: [python, path.join(devices, 'paho_mqtt.py')], generic: true },
  { name: 'paho-mqtt 2.1.0', needs: 'python', command: ['env', `PYTHONPATH=${path.join(installed, 'paho2')}`, python, path.join(devices, 'paho_mqtt.py')],
    generic: true },
  { name: 'mqtt.js 5.14.1', command: [process.execPath, path.join(devices, 'mqttjs.js')], generic: true },
  { name: 'mqtt.js 5.14.1, clean session', command: [process.execPath, path.join(devices, 'mqttjs.js')], generic: true, clean: true },
];

const missing = (process.env.FLEETCAST_SDK_MISSING ?? '').split(' ');
const isMissing = ({ needs }) => missing.includes(needs);

// SDKS run; MISSING could not be installed here, and are said to be skipped.
module.exports = { SDKS: ALL.filter((sdk) => !isMissing(sdk)), MISSING: ALL.filter(isMissing) };
