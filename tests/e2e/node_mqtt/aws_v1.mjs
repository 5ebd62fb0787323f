// aws_v1.mjs HOST PORT CA CERT KEY: the AWS IoT device SDK v1 as a plain MQTT client over TLS.
import assert from 'node:assert/strict';
import {once} from 'node:events';
import aws from 'aws-iot-device-sdk';

const [host, port, caPath, certPath, keyPath] = process.argv.slice(2);
const device = aws.device({host, port: Number(port), caPath, certPath, keyPath, clientId: 'aws-v1', debug: false});
device.on('error', (error) => { console.error(error); process.exit(1); });
await once(device, 'connect');
const got = once(device, 'message');
await new Promise((resolve, reject) => device.subscribe('aws/v1', {qos: 1}, (error, granted) =>
  error ? reject(error) : resolve(assert.equal(granted[0].qos, 1))));
await new Promise((resolve, reject) => device.publish('aws/v1', 'hello', {qos: 1}, (error) => error ? reject(error) : resolve()));
const [topic, payload] = await got;
assert.deepEqual([topic, payload.toString()], ['aws/v1', 'hello']);
await new Promise((resolve) => device.end(false, resolve));
console.log('aws v1');
process.exit(0);
