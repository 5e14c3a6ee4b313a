// @ts-check
import { cosXml, createFileResumeStore, s3, uploadFile } from '@cos-slice/node';

/** @param {import('./main.js').ClientJob} job `variant` is a wire and an integrity: `cos none`, `s3 md5` */
export async function prepare({ port, file, sliceSizeBytes, concurrency, variant = 's3 none', stateDir, keys }) {
  const [wire, integrity] = variant.split(' ');
  const endpoint = `http://127.0.0.1:${port}`;
  const place =
    wire === 'cos'
      ? cosXml({ region: 'ap-x', bucket: 'bench', appId: '1250000000', endpoint })
      : s3({ endpoint, bucket: 'bench-bucket', profile: 'ceph' });
  const { secretId = 'bench-id', secretKey = 'bench-key' } = keys ?? {};
  return async () => {
    await uploadFile(file, {
      wire: place,
      path: `bench/${process.pid}.bin`,
      signer: { secretId, secretKey },
      sliceSize: sliceSizeBytes,
      concurrency,
      integrity: integrity === 'md5' ? 'md5' : 'none',
      overwrite: true,
      resume: createFileResumeStore({ dir: stateDir }),
    }).done;
  };
}
