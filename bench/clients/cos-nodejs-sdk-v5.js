// @ts-check
/** @param {import('./main.js').ClientJob} job */
export async function prepare({ port, file, sliceSizeBytes, concurrency }) {
  const { default: Cos } = await import('cos-nodejs-sdk-v5');
  const cos = new Cos({
    SecretId: 'bench-id',
    SecretKey: 'bench-key',
    Protocol: 'http:',
    Domain: `127.0.0.1:${port}`,
    ChunkParallelLimit: typeof concurrency === 'number' ? concurrency : concurrency.max,
    ChunkSize: sliceSizeBytes,
  });
  return () =>
    cos.sliceUploadFile({ Bucket: 'bench-1250000000', Region: 'ap-x', Key: `v5/${process.pid}.bin`, FilePath: file });
}
