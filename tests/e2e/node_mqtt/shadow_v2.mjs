// The AWS IoT device SDK for JavaScript, version 2, unmodified but for endpoint and CA: its shadow
// client (version 2) over MQTT 5, then its older one over MQTT 3.1.1.
//   node shadow_v2.mjs HOST:PORT CA CERTIFICATE KEY THING
import {iot, iotshadow, mqtt, mqtt5} from 'aws-iot-device-sdk-v2';

const [address, caPath, certPath, keyPath, thing] = process.argv.slice(2);
const port = Number(address.split(':').pop());

function fail(what) {
  console.error(what);
  process.exit(1);
}

function equal(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) fail(`${what}: expected ${b}, found ${a}`);
  console.log(`ok: ${what}`);
}

async function refused(promise, code, what) {
  try {
    await promise;
  } catch (error) {
    return equal(error.modeledError?.code, code, what);
  }
  fail(`${what}: it was not refused`);
}

setTimeout(() => fail('not done within 60 s'), 60_000).unref();

async function overMqtt5() {
  const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(
    'localhost', certPath, keyPath);
  builder.withCertificateAuthorityFromPath(undefined, caPath);
  builder.withPort(port);
  builder.withConnectProperties({clientId: `${thing}-five`, keepAliveIntervalSeconds: 60});
  const client = new mqtt5.Mqtt5Client(builder.build());
  const connected = new Promise((resolve, reject) => {
    client.on('connectionSuccess', resolve);
    client.on('connectionFailure', (event) => reject(event.error));
  });
  client.start();
  await connected;
  const shadows = iotshadow.IotShadowClientv2.newFromMqtt5(client, {
    maxRequestResponseSubscriptions: 8, maxStreamingSubscriptions: 2, operationTimeoutInSeconds: 20,
  });
  const deltas = [];
  let wake = () => {};
  const stream = shadows.createNamedShadowDeltaUpdatedStream({thingName: thing, shadowName: 'five'});
  const listens = new Promise((resolve) => stream.on('subscriptionStatus', resolve));
  stream.on('incomingPublish', (event) => {
    deltas.push(event.message);
    wake();
  });
  stream.open();
  await listens;

  const name = {thingName: thing, shadowName: 'five'};
  await refused(shadows.getNamedShadow(name), 404, 'get of a named shadow that is not there');
  let reply = await shadows.updateNamedShadow({...name, state: {desired: {power: 'on'}}});
  equal([reply.version, reply.state.desired], [1, {power: 'on'}], 'update of a named shadow');
  if (deltas.length === 0) await new Promise((resolve) => { wake = resolve; });
  equal(deltas[0].state, {power: 'on'}, 'its delta');
  await refused(shadows.updateNamedShadow({...name, state: {desired: {power: 'off'}}, version: 9}),
    409, 'an update of another version');
  reply = await shadows.updateNamedShadow({...name, state: {reported: {power: 'on'}}, version: 1});
  equal(reply.version, 2, 'an update of this version');
  reply = await shadows.getNamedShadow(name);
  equal([reply.version, reply.state], [2, {desired: {power: 'on'}, reported: {power: 'on'}}], 'get');
  reply = await shadows.deleteNamedShadow(name);
  equal(reply.version, 2, 'delete');
  await refused(shadows.getNamedShadow(name), 404, 'get of a deleted shadow');
  stream.close();
  shadows.close();
  const stopped = new Promise((resolve) => client.on('stopped', resolve));
  client.stop();
  await stopped;
}

async function overMqtt311() {
  const builder = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(
    certPath, keyPath);
  builder.with_certificate_authority_from_path(undefined, caPath);
  builder.with_endpoint('localhost');
  builder.with_port(port);
  builder.with_client_id(`${thing}-three`);
  builder.with_clean_session(false);
  const connection = new mqtt.MqttClient().new_connection(builder.build());
  await connection.connect();
  const shadows = new iotshadow.IotShadowClient(connection);
  const accepted = new Promise((resolve, reject) => {
    const at = mqtt.QoS.AtLeastOnce;
    (async () => {
      await shadows.subscribeToUpdateShadowAccepted({thingName: thing}, at,
        (error, response) => (error ? reject(error) : resolve(response)));
      await shadows.subscribeToUpdateShadowRejected({thingName: thing}, at,
        (error, response) => reject(error ?? response));
      await shadows.publishUpdateShadow({thingName: thing, clientToken: 'mine',
        state: {reported: {level: 3}}}, at);
    })();
  });
  const response = await accepted;
  equal([response.clientToken, response.state.reported], ['mine', {level: 3}],
    'update of the classic shadow over 3.1.1');
  await connection.disconnect();
}

await overMqtt5();
await overMqtt311();
process.exit(0);
