// A phone in Node: reads a device, sets a property, and watches it change. Uses only @grpc/grpc-js
// and the .proto files. Usage: node phone.mjs PROTO GATEWAY CA_FILE TOKEN DEVICE PROPERTY VALUE
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [proto, gateway, caFile, token, device, property, value] = process.argv.slice(2);
const definition = loader.loadSync('homeport/control/v1/control.proto', {
  includeDirs: [proto], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true,
});
const { ControlService } = grpc.loadPackageDefinition(definition).homeport.control.v1;
const bearer = grpc.credentials.createFromMetadataGenerator((_, callback) => {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  callback(null, metadata);
});
const control = new ControlService(gateway, grpc.credentials.combineChannelCredentials(
  grpc.credentials.createSsl(readFileSync(caFile)), bearer));
const name = `tenants/-/devices/${device}`;
const within = (seconds) => ({ deadline: Date.now() + seconds * 1000 });
const getProperties = promisify(control.GetProperties).bind(control);
const setProperties = promisify(control.SetProperties).bind(control);

const state = await getProperties({ name }, within(5));
console.log(`online=${state.online} version=${state.shadow_version}`);

const seen = new Promise((resolve, reject) => {
  const events = control.Watch({ names: [name] }, within(30));
  events.on('error', reject);
  events.on('data', (event) => {
    if (event.kind === 'KIND_SNAPSHOT') {
      console.log(event.kind);
      const wanted = { property: { name: property }, value: { int_value: value } };
      setProperties({ name, properties: [wanted] }, within(10))
        .then((answer) => console.log(answer.outcome), reject);
    }
    if (event.properties.some((p) => p.property.name === property && p.value.int_value === value)) {
      resolve(event.shadow_version);
      events.removeListener('error', reject);
      events.on('error', () => {});
      events.cancel();
    }
  });
});
console.log(`seen ${property} = ${value} at version ${await seen}`);
control.close();
