import type { Target } from '../engine/target.ts';
import { addresses } from './addresses.ts';
import { forms } from './forms.ts';
import { jsonReplies } from './json-replies.ts';
import { objects } from './objects.ts';
import { records } from './records.ts';
import { s3Store } from './s3-store.ts';
import { serverInMemory, serverOnDisk, serverOverSockets } from './server/index.ts';
import { signatures } from './signatures.ts';
import { signingAnswers } from './signing-answers.ts';
import { uploads } from './uploads.ts';
import { xmlReplies } from './xml-replies.ts';

/** All that reads what strangers send. */
export const targets: readonly Target[] = [
  ...[addresses, signatures, forms, serverInMemory, serverOnDisk, serverOverSockets, s3Store],
  ...[jsonReplies, xmlReplies, uploads, objects, signingAnswers, records],
];
