import { isCosSliceError, type ReceiveContext, type StreamedResponse, type WireRequest } from '@cos-slice/core';
import { PAGE_OPTIONS, refusedOption } from './fetch-transport.ts';
import { headersOf, networkError, noteAnswer, signedUrl } from './form.ts';

/** Receives with `fetch`. Apart from sending: pages load what they use. */
export async function receive(request: WireRequest<Blob>, { signal }: ReceiveContext): Promise<StreamedResponse> {
  const failure = async (error: unknown): Promise<unknown> => {
    signal.throwIfAborted();
    return isCosSliceError(error) ? error : (refusedOption(error) ?? (await networkError(request, error)));
  };
  // Unlike uploads, downloads may be redirected: the signature is for one object and stays in the first address.
  const options = { ...PAGE_OPTIONS, method: request.method, headers: headersOf(request), signal };
  const response = await fetch(signedUrl(request), options).catch(async (error) => {
    throw await failure(error);
  });
  noteAnswer(request);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const reader = response.body?.getReader();
    try {
      for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) yield chunk.value;
    } catch (error) {
      throw await failure(error);
    } finally {
      reader?.cancel().catch(() => {});
    }
  }
  const { status, headers } = response;
  return { status, header: (name) => headers.get(name) ?? undefined, body: chunks() };
}
