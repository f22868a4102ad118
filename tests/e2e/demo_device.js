'use strict';
// A door for the demonstration: an unmodified azure-iot-device client. Registers itself, answers `lockDoor`, prints what happens.
//   node demo_device.js DEVICE_ID        (with the variables of .local/dev.env and NODE_EXTRA_CA_CERTS set)

const { Registry } = require('azure-iothub');
const { openDoorDevice } = require('./lib/door_device');
const { connectionString, deviceConnectionString } = require('./lib/hub');

async function main(deviceId) {
  const log = (text) => console.log(`[${deviceId}] ${text}`);
  const registry = Registry.fromConnectionString(connectionString);
  let identity;
  try {
    identity = await registry.create({ deviceId });
  } catch (error) {
    identity = await registry.get(deviceId);
  }
  identity = identity.responseBody || identity;
  const device = await openDoorDevice(deviceConnectionString(deviceId, identity.authentication.symmetricKey.primaryKey), { log });
  log('connected, waiting for lockDoor and desired properties');
  process.on('SIGTERM', () => device.close().finally(() => process.exit(0)));
}

main(process.argv[2] || 'sdk-door-1').catch((error) => {
  console.error(`demo_device: ${error.message}`);
  process.exit(1);
});
