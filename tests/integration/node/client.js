// A foreign OPC UA client: looks at the plant as an engineer would and prints what it saw as one JSON object.
"use strict";

const {
  AttributeIds, BrowseDirection, MessageSecurityMode, OPCUAClient, SecurityPolicy, TimestampsToReturn, UserTokenType,
  DataType,
} = require("node-opcua-client");

const [, , url, password] = process.argv;
const LINE = "urn:conche:chocolate-line";

async function connected(options, user, work) {
  const client = OPCUAClient.create({
    endpointMustExist: false, connectionStrategy: { maxRetry: 2, initialDelay: 200 }, ...options,
  });
  await client.connect(url);
  try {
    const session = await client.createSession(user);
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  } finally {
    await client.disconnect();
  }
}

async function browse(session, nodeId) {
  const found = await session.browse({
    nodeId, browseDirection: BrowseDirection.Forward, referenceTypeId: "HierarchicalReferences",
    includeSubtypes: true, resultMask: 63,
  });
  return found.references.map((reference) => reference.browseName.name);
}

async function count(session, nodeId, milliseconds) {
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 200, requestedLifetimeCount: 100, requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
  });
  const values = [];
  const item = await subscription.monitor(
    { nodeId, attributeId: AttributeIds.Value }, { samplingInterval: 0, queueSize: 100, discardOldest: true },
    TimestampsToReturn.Both,
  );
  item.on("changed", (data) => values.push(Number(data.value.value[1] ?? data.value.value)));
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  await subscription.terminate();
  return values;
}

async function write(session, nodeId, value) {
  const status = await session.write({
    nodeId, attributeId: AttributeIds.Value, value: { value: { dataType: DataType.Double, value } },
  });
  return status.name;
}

async function look(session) {
  const index = (await session.readNamespaceArray()).indexOf(LINE);
  const id = (name) => `ns=${index};s=${name}`;
  const temperature = id("Line1.Tempering.Process.Zone2Temperature");
  const [value, description] = await session.read([
    { nodeId: temperature, attributeId: AttributeIds.Value },
    { nodeId: temperature, attributeId: AttributeIds.Description },
  ]);
  const now = new Date();
  const history = await session.readHistoryValue(temperature, new Date(now - 3600_000), now);
  return {
    properties: await browse(session, temperature),
    value: value.value.value,
    status: value.statusCode.name,
    sourceTimestamp: value.sourceTimestamp,
    description: description.value.value.text,
    historyStatus: history.statusCode.name,
    history: history.historyData ? history.historyData.dataValues.length : 0,
    heartbeats: await count(session, id("Simulation.Heartbeat"), 3000),
    anonymousWrite: await write(session, id("Simulation.Speed"), 30),
  };
}

async function operate(session) {
  const index = (await session.readNamespaceArray()).indexOf(LINE);
  const nodeId = `ns=${index};s=Simulation.Speed`;
  const usual = await session.read({ nodeId, attributeId: AttributeIds.Value });
  return {
    operatorWrite: await write(session, nodeId, usual.value.value),
    outOfRange: await write(session, nodeId, -1),
  };
}

async function main() {
  const seen = await connected({ securityMode: MessageSecurityMode.None }, undefined, look);
  const operator = { type: UserTokenType.UserName, userName: "operator", password };
  const secure = { securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256 };
  const done = await connected(secure, operator, operate);
  console.log(JSON.stringify({ ...seen, ...done }));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
