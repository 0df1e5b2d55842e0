// Runs the workflows until Ctrl-C. Usage: node worker.mjs task-queue
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';

const worker = await Worker.create({
  connection: await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS }),
  namespace: process.env.TEMPORAL_NAMESPACE,
  taskQueue: process.argv[2],
  workflowsPath: fileURLToPath(new URL('./workflows.mjs', import.meta.url)),
});
console.log('worker ready');
await worker.run();
