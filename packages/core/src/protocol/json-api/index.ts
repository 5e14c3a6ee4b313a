import type { Wire } from '../wire.ts';
import { decode } from './decode.ts';
import { jsonApiRequests } from './requests.ts';

/** The COS JSON API. */
export const jsonApi: Wire = { ...jsonApiRequests, decode };
