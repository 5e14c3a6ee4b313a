import { CosSliceError, isCosSliceError } from '@cos-slice/core';

const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL']);

/** Names what went wrong on the way to `url`. Messages carry its host only: path and query may be secret. */
export function toTransportError(error: unknown, url: URL): CosSliceError {
  if (isCosSliceError(error)) return error;
  const { host, hostname } = url;
  const code = codeOf(error);
  const network = (message: string, unreachable = false): CosSliceError =>
    new CosSliceError('network', message, { cause: error, remedy: 'backoff', ...(unreachable && { unreachable }) });

  if (code === 'ECONNREFUSED') {
    return network(`nothing listens at ${host} (${code}): check the endpoint and that the server runs`, true);
  }
  if (code === 'ENOTFOUND') {
    return network(`there is no host named ${hostname} (${code}): check the endpoint and the DNS`, true);
  }
  if (code === 'EAI_AGAIN') {
    return network(`the name ${hostname} cannot be resolved now (${code}): check the network and the DNS`, true);
  }
  if (UNREACHABLE.has(code)) return network(`${host} cannot be reached (${code}): check the network`, true);
  if (isTlsCode(code)) {
    return new CosSliceError(
      'network',
      `no secure connection to ${host} (${code}): check its certificate, NODE_EXTRA_CA_CERTS, and https against http`,
      { cause: error },
    );
  }
  if (isNoHttp(code)) {
    return new CosSliceError('bad-reply', `${host} does not answer with HTTP: check the endpoint's port`, {
      cause: error,
      remedy: 'backoff',
    });
  }
  if (code === 'ERR_INVALID_CHAR' || code === 'ERR_UNESCAPED_CHARACTERS') {
    return new CosSliceError('bad-request', `the request to ${host} cannot be sent: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return network(
    `the connection to ${host} broke before the reply was complete (${code || messageOf(error)}): try again`,
  );
}

/** What a connection that is not made in time fails with. */
export function connectTimeout({ host }: URL): CosSliceError {
  const what = `${host} did not accept a connection in time: check the endpoint and firewalls`;
  return new CosSliceError('timeout', what, { remedy: 'backoff', phase: 'connect' });
}

function isTlsCode(code: string): boolean {
  return /^ERR_(TLS|SSL)_|^EPROTO$|CERT|^UNABLE_TO_|^HOSTNAME_MISMATCH$|^INVALID_(CA|PURPOSE)$/.test(code);
}

/** A reply that ends early is a parser error too, but the network's fault. */
function isNoHttp(code: string): boolean {
  return code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE';
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
