import type { Wire } from '../operations.ts';
import { decode } from './decode.ts';
import { encode, locate } from './encode.ts';

/** The COS JSON API. */
export const jsonApi: Wire = { locate, encode, decode };
