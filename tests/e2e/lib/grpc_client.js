'use strict';
// A gRPC service with nothing but its address: the contract comes from server reflection, as for grpcurl.

const assert = require('node:assert');
const grpc = require('@grpc/grpc-js');
const { GrpcReflection } = require('grpc-js-reflection-client');

// The stub of `service` at `address`. `call(method, message)` resolves to the answer; the deadline is 20 s.
// `call.stream(method, message)` is the stream of answers of a method that has one.
async function openService(address, service) {
  const reflection = new GrpcReflection(address, grpc.ChannelCredentials.createInsecure(), undefined, 'v1alpha');
  const services = await reflection.listServices();
  assert.ok(services.includes(service), `${service} is not among ${services}`);
  const descriptor = await reflection.getDescriptorBySymbol(service);
  const packageObject = descriptor.getPackageObject({ keepCase: false, enums: String, longs: Number, defaults: true });
  const constructor = service.split('.').reduce((at, name) => at[name], packageObject);
  const stub = new constructor(address, grpc.credentials.createInsecure());
  const call = (method, message) => new Promise((resolve, reject) => {
    stub[method](message, { deadline: Date.now() + 20000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
  call.stream = (method, message) => stub[method](message);
  return call;
}

module.exports = { openService };
