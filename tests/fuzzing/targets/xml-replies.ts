import { cosXmlWire } from '../../../packages/core/src/protocol/cos-xml/index.ts';
import { s3Wire } from '../../../packages/core/src/protocol/s3/index.ts';
import { readXml, type XmlElement } from '../../../packages/core/src/protocol/xml/reader.ts';
import { sessionsOf } from '../../../packages/core/src/protocol/xml/sessions.ts';
import { parseXml } from '../../../packages/server/src/store/s3/xml.ts';
import { expect, type Target } from '../engine/target.ts';
import { checkReply, OBJECT_OPERATIONS, responseOf, UPLOAD_OPERATIONS } from './replies.ts';

const WIRES = [
  s3Wire({ endpoint: 'http://s3.test:7480', bucket: 'films' }),
  s3Wire({ endpoint: 'http://s3.test:7480', bucket: 'films', profile: 'aws' }),
  s3Wire({ endpoint: 'http://s3.test:7480', bucket: 'films', profile: 'oss' }),
  cosXmlWire({ region: 'sh', bucket: 'films', appId: '10055004' }),
];

const xml = (body: string, head = 'HTTP/1.1 200 OK\n'): string =>
  `${head}\n<?xml version="1.0" encoding="UTF-8"?>\n${body}`;
const refused = (status: number, code: string, more = ''): string =>
  xml(
    `<Error><Code>${code}</Code><Message>no &lt;no&gt;</Message><RequestId>r1</RequestId>${more}</Error>`,
    `HTTP/1.1 ${status} No\n`,
  );

/** Replies of S3 and of the XML API of COS. The server's own reader of XML, which was written apart, must agree. */
export const xmlReplies: Target = {
  name: 'xml-replies',
  about: 'replies of S3 and the XML API of COS: each is an answer, or an error that says what to do; two readers agree',
  seeds: [
    xml(
      '<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>films</Bucket><Key>a</Key><UploadId>s1</UploadId></InitiateMultipartUploadResult>',
    ),
    xml(
      '<ListPartsResult><UploadId>s1</UploadId><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker><Part><PartNumber>1</PartNumber><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;a&quot;</ETag><Size>65536</Size></Part><Part><PartNumber>2</PartNumber><ETag>"b"</ETag><Size>34464</Size></Part></ListPartsResult>',
    ),
    xml(
      '<ListBucketResult><Name>films</Name><Prefix>dir/</Prefix><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextMarker>dir/a+b</NextMarker><Contents><Key>dir/a%20b</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>3</Size></Contents><CommonPrefixes><Prefix>dir/sub/</Prefix></CommonPrefixes></ListBucketResult>',
    ),
    xml(
      '<ListBucketResult><KeyCount>1</KeyCount><NextContinuationToken>t1</NextContinuationToken><IsTruncated>true</IsTruncated><Contents><Key>dir/</Key><Size>0</Size></Contents></ListBucketResult>',
    ),
    xml(
      '<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker><Upload><Key>a</Key><UploadId>u</UploadId><Initiated>2024-01-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>',
    ),
    xml(
      '<CompleteMultipartUploadResult><Location>http://h/a</Location><ETag>"e-2"</ETag></CompleteMultipartUploadResult>',
    ),
    xml('<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>'),
    xml('<a:A xmlns:a="x"><!-- no --><B><![CDATA[<>&]]></B>&#65;&#x42;&amp;</a:A>'),
    'HTTP/1.1 200 OK\nETag: "abababababababababababababababab"\nContent-Length: 3\nLast-Modified: Wed, 31 Aug 2016 20:46:40 GMT\nx-amz-meta-cos-slice-upload: m1\nx-cos-meta-cos-slice-upload: m1\nx-amz-meta-attributes: a%20b\nCache-Control: no-cache\n\n',
    ...['NoSuchUpload', 'NoSuchKey', 'InvalidPart', 'PreconditionFailed', 'SlowDown', 'ExpiredToken'].map((code) =>
      refused(404, code),
    ),
    refused(403, 'AccessDenied', '<Region>eu</Region><ServerTime>2024-01-01T00:00:00Z</ServerTime>'),
    'HTTP/1.1 404 Not Found\nx-cos-request-id: r1\n\n',
    'HTTP/1.1 301 Moved\nx-amz-bucket-region: eu\nDate: Wed, 31 Aug 2016 20:46:40 GMT\n\n',
  ],
  words: [
    '<Part>',
    '</Part>',
    '<PartNumber>',
    '<Size>',
    '<Code>',
    '<![CDATA[',
    '<IsTruncated>true</IsTruncated>',
    '<Key>',
    '<Contents>',
    'ETag: ',
  ],
  growsTo: 64 * 1024,
  run(input) {
    const response = responseOf(input);
    // One reader reads for all of them: what is as long as that is here for what it costs.
    for (const wire of response.body.length > 8192 ? [] : WIRES) {
      const at = wire.locate({ endpoint: '', appId: '', bucket: 'films', path: 'dir/a' });
      for (const operation of UPLOAD_OPERATIONS) checkReply(wire.decode(operation, response, at));
      for (const { at: path, ...operation } of OBJECT_OPERATIONS) {
        const { objects } = wire;
        if (objects) checkReply(objects.decode(operation, response, at.slice(0, -5) + path));
      }
      const page = sessionsOf(wire as never).decode({ op: 'sessions', prefix: '' }, response, at);
      checkReply(page);
    }
    const [ours, theirs] = [readXml(response.body), parseXml(response.body)];
    // The server's reader takes more: what is not well-formed is none of its matters. Of what is, both have to see the same.
    if (ours && !response.body.startsWith('\ufeff')) {
      const [one, other] = [tell(ours), theirs && tell(theirs)];
      expect(one === other, `two readers of XML differ: ${one} and ${other}`);
    }
  },
}; // prettier-ignore

function tell({ name, text, children }: XmlElement): string {
  return `${name}(${JSON.stringify(children.length > 0 ? '' : text.trim())}${children.map(tell).join('')})`;
}
