// aws_v2.mjs HOST PORT CA: the AWS IoT device SDK v2 as a plain MQTT client over TLS, versions 3.1.1 and 5.
import assert from 'node:assert/strict';
import {once} from 'node:events';
import sdk from 'aws-iot-device-sdk-v2';

const {iot, mqtt, mqtt5} = sdk;
const [host, port, ca] = process.argv.slice(2);

async function version311() {
  const config = iot.AwsIotMqttConnectionConfigBuilder.new_default_builder();
  config.with_certificate_authority_from_path(undefined, ca).with_clean_session(true).with_client_id('aws-v2')
    .with_endpoint(host).with_port(Number(port));
  const connection = new mqtt.MqttClient().new_connection(config.build());
  await connection.connect();
  let heard;
  const message = new Promise((resolve) => { heard = resolve; });
  await connection.subscribe('aws/v2/311', mqtt.QoS.AtLeastOnce, (topic, payload) =>
    heard(Buffer.from(payload).toString()));
  await connection.publish('aws/v2/311', 'hello', mqtt.QoS.AtLeastOnce);
  assert.equal(await message, 'hello');
  await connection.disconnect();
  console.log('aws v2, version 3.1.1');
}

async function version5() {
  const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithCustomAuth(host,
    {authorizerName: 'any', username: 'somebody', password: Buffer.from('secret')});
  builder.withCertificateAuthorityFromPath(undefined, ca).withPort(Number(port))
    .withConnectProperties({clientId: 'aws-v2-5', keepAliveIntervalSeconds: 1200});
  const client = new mqtt5.Mqtt5Client(builder.build());
  const connected = once(client, 'connectionSuccess');
  client.on('connectionFailure', (event) => { console.error(event.error.toString()); process.exit(1); });
  client.start();
  await connected;
  const heard = once(client, 'messageReceived');
  const suback = await client.subscribe({subscriptions: [{topicFilter: 'aws/v2/5', qos: mqtt5.QoS.AtLeastOnce}]});
  assert.deepEqual(suback.reasonCodes, [mqtt5.SubackReasonCode.GrantedQoS1]);
  const puback = await client.publish({topicName: 'aws/v2/5', qos: mqtt5.QoS.AtLeastOnce, payload: 'hello',
    userProperties: [{name: 'a', value: '1'}]});
  assert.equal(puback.reasonCode, mqtt5.PubackReasonCode.Success);
  const [{message}] = await heard;
  assert.equal(Buffer.from(message.payload).toString(), 'hello');
  assert.deepEqual(message.userProperties, [{name: 'a', value: '1'}]);
  const stopped = once(client, 'stopped');
  client.stop();
  await stopped;
  client.close();
  console.log('aws v2, version 5');
}

await version311();
await version5();
process.exit(0);
