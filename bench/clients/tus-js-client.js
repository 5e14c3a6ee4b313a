// @ts-check
import { createReadStream } from 'node:fs';
import { Upload } from 'tus-js-client';

/** @param {import('./main.js').ClientJob} job */
export async function prepare({ port, file, sizeBytes }) {
  // Its defaults: one request that streams the whole file, which is the fastest it has.
  return () =>
    new Promise((resolve, reject) => {
      const upload = new Upload(createReadStream(file), {
        endpoint: `http://127.0.0.1:${port}/files`,
        uploadSize: sizeBytes,
        onError: reject,
        onSuccess: resolve,
      });
      upload.start();
    });
}
