// Starts an agreement from Node, looks at it, and voids it again.
// Usage: node agreement.mjs agreement.json [another reference]
import { readFile } from 'node:fs/promises';
import { Client, Connection } from '@temporalio/client';

const [file, reference] = process.argv.slice(2);
const written = JSON.parse(await readFile(file, 'utf8'));
const agreement = { ...written, reference: reference ?? written.reference };
const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS });
const client = new Client({ connection, namespace: process.env.TEMPORAL_NAMESPACE });

const handle = await client.workflow.start('AgreementWorkflow', {
  taskQueue: 'countersign',
  workflowId: `agreement-${agreement.reference.toLowerCase()}`,
  workflowIdReusePolicy: 'REJECT_DUPLICATE', // a reference is used once
  workflowIdConflictPolicy: 'USE_EXISTING', // starting it twice is still one agreement
  args: [agreement],
});
console.log('started', handle.workflowId);

console.log('stage', (await handle.query('status')).stage);

await handle.executeUpdate('void', { args: [{ reason: 'Only an example' }] });
console.log('ended', (await handle.result()).outcome);
await connection.close();
