// Run the official TypeScript SDK through an envelope's life: node documenso_sdk.mjs URL TOKEN FILE.
// Every response passes the SDK's own schemas; a call that must fail is reported by its status.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Documenso } from "@documenso/sdk-typescript";

const [serverURL, apiKey, file] = process.argv.slice(2);
const client = new Documenso({ apiKey, serverURL: `${serverURL}/api/v2` });
const { envelopes, envelope } = client;
const control = (path, body) =>
  fetch(`${serverURL}/_sandbox/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
const failure = async (call) => {
  const error = await call().then(() => assert.fail("the call worked"), (caught) => caught);
  assert.ok(error.statusCode, String(error));
  return error;
};
const until = async (condition) => {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(String(condition));
};

const place = { page: 1, positionX: 10, positionY: 40, width: 30, height: 5 };
const person = { email: "Ada@example.com", name: "Ada", role: "SIGNER", fields: [{ type: "SIGNATURE", ...place }] };
const upload = (fileName) => ({ fileName, content: new Blob([readFileSync(file)], { type: "application/pdf" }) });
const create = async (changes = {}) => {
  const payload = { title: "Contract", type: "DOCUMENT", externalId: "A-1", recipients: [person], ...changes };
  const files = [upload("contract.pdf")];
  return (await envelopes.create({ payload, files })).id;
};

const id = await create({ meta: { subject: "Please sign", envelopeExpirationPeriod: { unit: "week", amount: 2 } } });
const draft = await envelopes.get({ envelopeId: id });
assert.equal(draft.status, "DRAFT");
assert.equal(draft.recipients[0].email, "ada@example.com");
assert.deepEqual(draft.documentMeta.envelopeExpirationPeriod, { unit: "week", amount: 2 });
const sent = await envelopes.distribute({ envelopeId: id, meta: { message: "Soon, please" } });
assert.ok(sent.recipients[0].signingUrl.startsWith(serverURL));
await envelopes.redistribute({ envelopeId: id, recipients: [sent.recipients[0].id] });
const found = await envelope.envelopeFind({ query: "A-1", type: "DOCUMENT", perPage: 100, hasExpiredRecipients: "false" });
assert.deepEqual(found.data.map((row) => row.id), [id]);
await control(`documents/${id}/complete`, {});
await until(async () => (await envelopes.get({ envelopeId: id })).status === "COMPLETED");
const many = await envelope.envelopeGetMany({ ids: { type: "envelopeId", ids: [id] } });
assert.equal(many.data[0].fields[0].inserted, true);

const log = await envelope.envelopeAuditLogFind({ envelopeId: id, perPage: 100 });
const kinds = log.data.map((entry) => entry.type);
for (const kind of ["DOCUMENT_CREATED", "DOCUMENT_SENT", "DOCUMENT_RECIPIENT_COMPLETED", "DOCUMENT_COMPLETED"]) {
  assert.ok(kinds.includes(kind), kind);
}
const [item] = draft.envelopeItems;
for (const call of [
  () => envelopes.items.download({ envelopeItemId: item.id }),
  () => envelope.envelopeCertificateDownloadPdf({ envelopeId: id }),
  () => envelope.envelopeAuditLogDownloadPdf({ envelopeId: id }),
]) {
  const error = await failure(call); // the SDK expects JSON
  assert.equal(error.statusCode, 200);
  assert.ok(error.body.startsWith("%PDF"));
}

const other = await create({ externalId: "A-2" });
const [bob] = (
  await envelopes.recipients.createMany({ envelopeId: other, data: [{ email: "bob@example.com", name: "Bob", role: "SIGNER" }] })
).data;
const fields = [{ type: "SIGNATURE", recipientId: bob.id, ...place }];
const [field] = (await envelopes.fields.createMany({ envelopeId: other, data: fields })).data;
await envelopes.fields.updateMany({ envelopeId: other, data: [{ type: "SIGNATURE", id: field.id, positionX: 20 }] });
assert.equal((await envelopes.fields.get({ fieldId: field.id })).positionX, "20");
const [changed] = (await envelopes.recipients.updateMany({ envelopeId: other, data: [{ id: bob.id, name: "Robert" }] })).data;
assert.equal(changed.name, "Robert");
await envelopes.distribute({ envelopeId: other });
const refused = await client.envelopeRecipients.envelopeRecipientRejectOnBehalfOf({
  recipientId: bob.id,
  requestBody: { envelopeId: other, reason: "By phone" },
});
assert.equal(refused.rejectionReason, "By phone");
assert.equal((await envelopes.recipients.get({ recipientId: bob.id })).fields.length, 1);
await until(async () => (await envelopes.get({ envelopeId: other })).status === "REJECTED");

const third = await create({ externalId: "A-3" });
await envelopes.distribute({ envelopeId: third });
assert.equal((await envelope.envelopeCancel({ envelopeId: third, reason: "Changed our minds" })).success, true);
assert.equal((await failure(() => envelope.envelopeCancel({ envelopeId: third }))).statusCode, 400);
assert.equal((await envelope.envelopeFind({ status: "CANCELLED" })).count, 1);
await envelopes.delete({ envelopeId: third });
assert.equal((await envelope.envelopeFind({ query: "A-3" })).count, 0);

const template = await envelopes.get({ envelopeId: await create({ type: "TEMPLATE", externalId: undefined }) });
const used = await envelopes.use({
  payload: {
    envelopeId: template.id,
    recipients: [{ id: template.recipients[0].id, email: "eve@example.com", name: "Eve" }],
    customDocumentData: [{ identifier: "new.pdf", envelopeItemId: template.envelopeItems[0].id }],
    distributeDocument: true,
  },
  files: [upload("new.pdf")],
});
assert.equal(used.recipients[0].email, "eve@example.com");

assert.equal((await failure(() => envelopes.get({ envelopeId: "envelope_none" }))).statusCode, 404);
assert.equal((await failure(() => envelopes.distribute({ envelopeId: "envelope_none" }))).statusCode, 500);
assert.equal((await failure(() => new Documenso({ apiKey: "api_wrong", serverURL: `${serverURL}/api/v2` }).envelope.envelopeFind({}))).statusCode, 401);
console.log("done");
