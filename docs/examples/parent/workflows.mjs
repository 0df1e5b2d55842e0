// A workflow in TypeScript's SDK that runs an agreement as a step.
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
} from '@temporalio/workflow';

export async function order(agreement, taskQueue = 'countersign') {
  const result = await runAgreement(agreement, taskQueue);
  return `order ${result.outcome}`;
}

async function runAgreement(agreement, taskQueue) {
  const workflowId = `agreement-${agreement.reference.toLowerCase()}`;
  try {
    return await executeChild('AgreementWorkflow', {
      args: [agreement],
      taskQueue,
      workflowId, // webhooks find the agreement by it
      workflowIdReusePolicy: 'REJECT_DUPLICATE', // a reference is used once
      parentClosePolicy: 'ABANDON', // the parent's next run meets it
      cancellationType: 'WAIT_CANCELLATION_COMPLETED', // until the provider has voided the document
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  // An earlier run of this workflow has started the agreement: wait for its result.
  const { await_agreement: awaitAgreement } = proxyActivities({
    taskQueue,
    startToCloseTimeout: '60s',
    retry: { backoffCoefficient: 1.2, maximumInterval: '1h' },
  });
  try {
    return await awaitAgreement(agreement);
  } catch (error) {
    if (!isCancellation(error)) throw error;
    return await CancellationScope.nonCancellable(async () => {
      await getExternalWorkflowHandle(workflowId).cancel();
      return await awaitAgreement(agreement).catch(() => {
        throw error; // it is voided
      });
    });
  }
}
