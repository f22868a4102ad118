'use strict';
// A device on azure-iot-device (Node) over MQTT, driven by the lines of lib/device.js.

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { serve, METHODS } = require('./protocol');

serve(({ connection_string: connectionString, ca, token }, emit) => {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  const held = [];
  let twin;

  client.on('connect', () => emit('connected'));
  client.on('disconnect', (reason) => emit('disconnected', { reason: String(reason && reason.message) }));
  client.on('error', (error) => emit('failed', { reason: error.message }));

  function hear(request, response) {
    emit('method', { name: request.methodName, payload: request.payload });
    const send = (payload) => response.send(200, payload, (error) => { if (error) emit('failed', { reason: error.message }); });
    if (request.methodName === 'hold') held.push(send);
    else if (request.methodName === 'size') send({ bytes: request.payload.length });
    else if (request.methodName === 'big') send('y'.repeat(request.payload));
    else send([request.payload]);
  }

  return {
    async open() {
      await client.setOptions({ ca, ...(token && { tokenRenewal: { tokenValidTimeInSeconds: token.seconds, tokenRenewalMarginInSeconds: token.margin } }) });
      await client.open();
      for (const name of METHODS) client.onDeviceMethod(name, hear);
      client.on('message', (message) => client.complete(message));
      return undefined;
    },
    async twin() {
      if (!twin) {
        twin = await client.getTwin();
        twin.on('properties.desired', (patch) => emit('patch', { patch }));
      } else {
        await new Promise((resolve, reject) => twin.get((error) => (error ? reject(error) : resolve())));
      }
      return { desired: twin.properties.desired, reported: { ...twin.properties.reported, update: undefined } };
    },
    report({ patch }) {
      return new Promise((resolve, reject) => twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve())));
    },
    send({ payload }) { return client.sendEvent(new Message(payload)).then(() => undefined); },
    answer({ payload }) { held.shift()(payload); },
    close() { return client.close(); },
  };
});
