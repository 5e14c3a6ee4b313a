import { CosSliceError, type OptionIssue } from '../../errors.ts';
import type { WireRequest } from '../../ports.ts';
import type { AnyOperationName } from '../operations.ts';
import { adapted, type Wire } from '../wire.ts';
import { jsonApi } from './index.ts';

/** How a deployment beside Tencent's wants the JSON API to be spoken. */
export interface JsonApiDialect {
  /** How requests without content carry their fields. Default `multipart`. */
  readonly forms?: 'multipart' | 'urlencoded';
  /** Fields of the deployment's own, sent with what makes an object (init and single upload): `{ ttl: '24' }`. */
  readonly creating?: Readonly<Record<string, string>>;
}

/** Those of the protocol: a deployment's own must not be taken for them. */
const RESERVED =
  /^(op|filesize|slice_size|sha|uploadparts|biz_attr|insertOnly|session|offset|filecontent|fileContent|datamd5|sign)$/;
const FORMS: readonly unknown[] = [undefined, 'multipart', 'urlencoded'];

/**
 * The JSON API as another deployment speaks it, for the option `wire`.
 *
 * @throws CosSliceError `invalid-options`
 * @example
 * const wire = jsonApiDialect({ forms: 'urlencoded', creating: { ttl: '24' } });
 */
export function jsonApiDialect(dialect: JsonApiDialect): Wire {
  const { forms, creating = {} } = dialect;
  const issues: OptionIssue[] = [];
  if (!FORMS.includes(forms)) issues.push({ option: 'forms', message: "must be 'multipart' or 'urlencoded'" });
  for (const [name, value] of Object.entries(creating)) {
    const option = `creating.${name}`;
    if (RESERVED.test(name)) issues.push({ option, message: "is the protocol's own: choose another name" });
    else if (!/^[\w-]+$/.test(name)) issues.push({ option, message: 'must have a name of letters, digits, _ and -' });
    if (typeof value !== 'string') issues.push({ option, message: 'must be a text' });
  }
  if (issues.length > 0) {
    const text = issues.map(({ option, message }) => `${option} ${message}`).join('; ');
    throw new CosSliceError('invalid-options', `jsonApiDialect: ${text}`, { issues });
  }
  const own = Object.entries(creating);
  const adapt = <C>(request: WireRequest<C>, op: AnyOperationName): WireRequest<C> => {
    const { fields, ...rest } = request;
    if (!fields) return request;
    const all = op === 'init' || op === 'single' ? [...fields, ...own] : fields;
    if (forms !== 'urlencoded' || request.content) return { ...request, fields: all };
    return { ...rest, headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, text: formText(all) };
  };
  return adapted(jsonApi, adapt);
}

/** Names and values as `application/x-www-form-urlencoded`, and as a query. */
export function formText(fields: readonly (readonly [name: string, value: string])[]): string {
  return fields.map((field) => field.map(encodeURIComponent).join('=')).join('&');
}
