import { CosSliceError, isCosSliceError } from '@cos-slice/core';
import { isOutOfFiles } from './waiting.ts';

const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL']);
/** Of the failures of several addresses, what says most about the host. */
const TELLING = ['ECONNREFUSED', 'ETIMEDOUT', 'EACCES'];
const TLS_ALERT = 0x15;

export interface Circumstances {
  /** The connection was a kept one, and nothing of a reply came. */
  readonly stale?: boolean;
  /** Host of the proxy that requests go through, without its user and password. */
  readonly via?: string | undefined;
}

/** Names what went wrong on the way to `url`. Messages carry its host only: path and query may be secret. */
export function toTransportError(error: unknown, url: URL, { stale, via }: Circumstances = {}): CosSliceError {
  if (isCosSliceError(error)) return error;
  const { host } = url;
  const code = codeOf(error);
  const network = (message: string, details: { unreachable?: boolean; stale?: boolean } = {}): CosSliceError =>
    new CosSliceError('network', message, { cause: error, remedy: 'backoff', ...details });

  const unreached = unreachedBy(code, via ?? host, via === undefined ? 'the endpoint' : 'the settings of the proxy');
  if (unreached) return network(via === undefined ? unreached : `the proxy: ${unreached}`, { unreachable: true });
  if (code === 'ETIMEDOUT' || code === 'UND_ERR_CONNECT_TIMEOUT') return connectTimeout(via ?? host, error);
  if (isOutOfFiles(error)) {
    return network(`too many files and connections are open (${code}): upload fewer at once, or raise ulimit -n`);
  }
  // In the words of undici for a tunnel, and for a request of plain HTTP.
  const refusal = /^Proxy (?:response|Authentication Required) \((\d+)\)/.exec(messageOf(error))?.[1];
  if (refusal !== undefined) {
    const what = `the proxy${via === undefined ? '' : ` ${via}`} does not lead to ${host} (HTTP ${refusal}): check its user and password, and NO_PROXY`;
    const remedy = refusal.startsWith('5') ? 'backoff' : 'none';
    return new CosSliceError('network', what, { cause: error, remedy, httpStatus: Number(refusal) });
  }
  if (isTlsCode(code)) {
    return new CosSliceError(
      'network',
      `no secure connection to ${host} (${code}): check its certificate, NODE_EXTRA_CA_CERTS, and https against http`,
      { cause: error },
    );
  }
  if (isNoHttp(code)) {
    const speaksTls = (error as { rawPacket?: Uint8Array }).rawPacket?.[0] === TLS_ALERT;
    const what = speaksTls
      ? `${host} speaks TLS: use an endpoint with https://`
      : `${host} does not answer with HTTP: check the endpoint's port`;
    return new CosSliceError('bad-reply', what, { cause: error, remedy: speaksTls ? 'none' : 'backoff' });
  }
  if (code === 'ERR_INVALID_CHAR' || code === 'ERR_UNESCAPED_CHARACTERS') {
    return new CosSliceError('bad-request', `the request to ${host} cannot be sent: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const why = code || messageOf(error);
  // Servers of TLS hang up on plain HTTP, often without a word.
  const hint = url.protocol === 'http:' && isBroken(error) ? ', with https:// if it wants TLS' : '';
  return network(`the connection to ${host} broke before the reply was complete (${why}): try again${hint}`, {
    ...(stale && { stale }),
  });
}

function unreachedBy(code: string, host: string, what: string): string | undefined {
  const name = host.replace(/:\d+$/, '');
  if (code === 'ECONNREFUSED') return `nothing listens at ${host} (${code}): check ${what} and that the server runs`;
  if (code === 'ENOTFOUND') return `there is no host named ${name} (${code}): check ${what} and the DNS`;
  if (code === 'EAI_AGAIN') return `the name ${name} cannot be resolved now (${code}): check the network and the DNS`;
  return UNREACHABLE.has(code) ? `${host} cannot be reached (${code}): check the network` : undefined;
}

/** What a connection that is not made in time fails with. */
export function connectTimeout(host: string, cause?: unknown): CosSliceError {
  const what = `${host} did not accept a connection in time: check the endpoint and firewalls`;
  return new CosSliceError('timeout', what, { cause, remedy: 'backoff', phase: 'connect' });
}

/** The other side has gone. */
export function isBroken(error: unknown): boolean {
  return /^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/.test(codeOf(error));
}

/** Of several addresses, some did not answer in the time that each of them had. */
export function isTooFar(error: unknown): boolean {
  return errorsIn(error).some(({ code }) => code === 'ETIMEDOUT');
}

function isTlsCode(code: string): boolean {
  return /^ERR_(TLS|SSL)_|^EPROTO$|CERT|^UNABLE_TO_|^HOSTNAME_MISMATCH$|^INVALID_(CA|PURPOSE)$/.test(code);
}

/** A reply that ends early is a parser error too, but the network's fault. */
function isNoHttp(code: string): boolean {
  return code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE';
}

/** Of an error that stands for one failure for each address, the code that tells most. */
function codeOf(error: unknown): string {
  const codes = errorsIn(error).map(({ code }) => code);
  const code = TELLING.find((each) => codes.includes(each)) ?? (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

function errorsIn(error: unknown): readonly { readonly code?: unknown }[] {
  const { errors } = (error ?? {}) as { errors?: unknown };
  return Array.isArray(errors) ? errors : [];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
