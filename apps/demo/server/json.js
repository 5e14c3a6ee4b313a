const MAX_BODY_BYTES = 64 * 1024;

/** @param {number} status @param {string} message */
export function refusal(status, message) {
  return Object.assign(new Error(message), { status });
}

/**
 * Reads a JSON body. Only `application/json` is taken: other pages cannot send that here without a preflight, which nobody
 * answers.
 *
 * @param {import('node:http').IncomingMessage} req
 * @returns {Promise<any>}
 */
export async function readBody(req) {
  if (!req.headers['content-type']?.startsWith('application/json')) throw refusal(415, 'send application/json');
  let text = '';
  for await (const chunk of req.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES) throw refusal(413, 'the body is too long');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw refusal(400, 'the body is not JSON');
  }
}

/** @param {import('node:http').ServerResponse} res @param {number} status @param {object} value */
export function sendJson(res, status, value) {
  res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  res.end(JSON.stringify(value));
}
