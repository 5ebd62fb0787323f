// mqtt_js.mjs CA URL...: MQTT.js in both versions over each URL: every QoS, retained messages, wills, properties.
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import mqtt from 'mqtt';

const [caFile, ...urls] = process.argv.slice(2);
const ca = readFileSync(caFile);

async function connect(url, protocolVersion, more = {}) {
  const client = mqtt.connect(url, {ca, protocolVersion, protocolId: protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
    reconnectPeriod: 0, path: '/mqtt', ...more});
  const failed = once(client, 'error').then(([error]) => { throw error; });
  const [connack] = await Promise.race([once(client, 'connect'), failed]);
  failed.catch(() => {});
  client.received = [];
  client.on('message', (topic, payload, packet) => client.received.push({topic, text: payload.toString(), packet}));
  return {client, connack};
}

async function messages(client, count) {
  const deadline = Date.now() + 10_000;
  while (client.received.length < count) {
    const left = deadline - Date.now();
    assert(left > 0, `${client.received.length} messages of ${count}`);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), left);
    await once(client, 'message', {signal: late.signal}).catch(() => {});
    clearTimeout(timer);
  }
  assert.equal(client.received.length, count);
  return client.received.splice(0);
}

async function everyQos(url, version, topic) {
  const {client} = await connect(url, version);
  const granted = await client.subscribeAsync(`${topic}/#`, {qos: 2});
  assert.equal(granted[0].qos, 2);
  for (const qos of [0, 1, 2]) await client.publishAsync(`${topic}/a`, `qos ${qos}`, {qos});
  const got = await messages(client, 3);
  assert.deepEqual(got.map((m) => m.text), ['qos 0', 'qos 1', 'qos 2']);
  assert.deepEqual(got.map((m) => m.packet.qos), [0, 1, 2]);
  await client.unsubscribeAsync(`${topic}/#`);
  await client.endAsync();
}

async function retained(url, version, topic) {
  const {client} = await connect(url, version);
  await client.publishAsync(`${topic}/kept`, 'kept', {qos: 1, retain: true});
  await client.subscribeAsync(`${topic}/kept`, {qos: 1});
  const [message] = await messages(client, 1);
  assert.equal(message.packet.retain, true);
  await client.publishAsync(`${topic}/kept`, '', {qos: 1, retain: true});
  await messages(client, 1);
  await client.endAsync();
}

async function will(url, version, topic) {
  const {client} = await connect(url, version);
  await client.subscribeAsync(`${topic}/will`, {qos: 1});
  const {client: mortal} = await connect(url, version, {will: {topic: `${topic}/will`, payload: Buffer.from('gone'), qos: 1}});
  mortal.stream.destroy();
  const [message] = await messages(client, 1);
  assert.equal(message.text, 'gone');
  await client.endAsync();
}

async function properties(url, topic) {
  const {client, connack} = await connect(url, 5, {clientId: '', properties: {receiveMaximum: 3, topicAliasMaximum: 5}});
  assert(connack.properties.assignedClientIdentifier);
  await client.subscribeAsync(`${topic}/p`, {qos: 1, properties: {subscriptionIdentifier: 7}});
  const sent = {payloadFormatIndicator: true, contentType: 'text/plain', responseTopic: `${topic}/r`,
    correlationData: Buffer.from([0, 1, 255]), userProperties: {a: ['1', '2'], b: '3'}, messageExpiryInterval: 60};
  await client.publishAsync(`${topic}/p`, 'hi', {qos: 1, properties: sent});
  const [message] = await messages(client, 1);
  const got = message.packet.properties;
  for (const key of ['payloadFormatIndicator', 'contentType', 'responseTopic']) assert.equal(got[key], sent[key]);
  assert.deepEqual([...got.correlationData], [0, 1, 255]);
  assert.deepEqual({...got.userProperties}, sent.userProperties);
  assert.equal(got.subscriptionIdentifier, 7);
  await client.endAsync();
}

async function takeOver(url, version) {
  const clientId = `js-${version}`;
  const {client: first} = await connect(url, version, {clientId});
  const closed = once(first, 'close');
  const {client: second} = await connect(url, version, {clientId});
  await closed;
  await second.endAsync();
}

for (const url of urls) {
  const name = url.split(':')[0];
  for (const version of [3, 4, 5]) {
    const topic = `js/${name}/${version}`;
    await everyQos(url, version, topic);
    await retained(url, version, topic);
    await will(url, version, topic);
    await takeOver(url, version);
    console.log(`${name} version ${version}`);
  }
  await properties(url, `js/${name}/5`);
}
