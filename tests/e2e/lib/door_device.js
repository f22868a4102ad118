'use strict';
// The device of the tutorials: answers `lockDoor`, listens to its desired properties. Unmodified SDK.

const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

// Connects a device and resolves when it listens. `calls` and `patches` collect what reached it.
async function openDoorDevice(connectionString, { answer = { locked: true }, log = () => {} } = {}) {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  const device = { client, calls: [], patches: [], twin: undefined, close: () => client.close() };
  await client.open();
  client.onDeviceMethod('lockDoor', (request, response) => {
    log(`lockDoor(${JSON.stringify(request.payload)})`);
    device.calls.push(request.payload);
    response.send(200, answer, (error) => {
      if (error) log(`could not answer: ${error.message}`);
    });
  });
  device.twin = await client.getTwin();
  device.twin.on('properties.desired', (patch) => {
    log(`desired properties: ${JSON.stringify(patch)}`);
    device.patches.push(patch);
  });
  return device;
}

module.exports = { openDoorDevice };
