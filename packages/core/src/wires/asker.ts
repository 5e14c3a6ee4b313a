import { CosSliceError } from '../errors.ts';
import type { Clock, RequestSigner, RequestToSign } from '../ports.ts';

export interface Asker {
  /** @returns the answer, as it came, and the number of the question that brought it. @throws what the signer throws */
  ask(request: RequestToSign, signal: AbortSignal): Promise<readonly [answer: unknown, question: number]>;
}

/** What is wanted within this time goes together. */
const TOGETHER_MS = 5;

/** A question that others may still join. */
interface Question {
  readonly requests: RequestToSign[];
  readonly answers: Promise<readonly unknown[]>;
  readonly number: number;
  readonly controller: AbortController;
  waiting: number;
}

/** Puts what is wanted at the same time into one question of at most `most` requests. It is given up when nobody waits for it. */
export function createAsker(
  signer: RequestSigner,
  { clock, most }: { readonly clock: Clock; readonly most: number },
): Asker {
  let open: Question | undefined;
  let questions = 0;

  const begin = (): Question => {
    const requests: RequestToSign[] = [];
    const controller = new AbortController();
    const { signal } = controller;
    const answers = async (): Promise<readonly unknown[]> => {
      await clock.sleep(TOGETHER_MS, signal);
      if (open === question) open = undefined;
      const given: unknown = await signer.signRequests(requests, signal);
      if (Array.isArray(given) && given.length === requests.length) return given;
      throw new CosSliceError('signing-failed', 'the signer must return an answer for each request');
    };
    questions += 1;
    const question: Question = { requests, controller, number: questions, waiting: 0, answers: answers() };
    return question;
  };

  return {
    async ask(request, signal) {
      open ??= begin();
      const question = open;
      const at = question.requests.push(request) - 1;
      if (question.requests.length === most) open = undefined;
      question.waiting += 1;
      const leave = (): void => {
        question.waiting -= 1;
        if (question.waiting > 0) return;
        if (open === question) open = undefined;
        question.controller.abort(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      return [(await question.answers)[at], question.number];
    },
  };
}
