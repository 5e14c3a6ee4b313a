// @ts-check
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Upload } from 'tus-js-client';

/** @param {import('./main.js').SmallJob} job */
export async function prepare({ port }) {
  return {
    /** @param {string} file */
    async one(file) {
      const { size } = await stat(file);
      await new Promise((resolve, reject) => {
        const upload = new Upload(createReadStream(file), {
          endpoint: `http://127.0.0.1:${port}/files`,
          uploadSize: size,
          onError: reject,
          onSuccess: resolve,
        });
        upload.start();
      });
    },
  };
}
