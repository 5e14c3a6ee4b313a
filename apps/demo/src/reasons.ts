import { type ErrorCode, isCosSliceError } from '@cos-slice/browser';
import type { Language } from './language.ts';

const reasons: Readonly<Record<Language, Readonly<Record<ErrorCode, string>>>> = {
  en: {
    'invalid-options': 'this page is set up wrongly: restart the demo',
    'source-unreadable': 'the file cannot be read: add it again',
    'source-changed': 'the file was changed meanwhile: add it again',
    'source-not-replayable': 'the file cannot be read twice: add it again',
    network: 'no connection: see whether the demo is running, then retry',
    timeout: 'the server took too long: retry',
    'bad-reply': 'the server does not make sense: restart the demo, then retry',
    'signing-failed': 'there was no signature: see whether the demo is running, then retry',
    unauthorized: 'the server refused: reload this page, then retry',
    'signature-expired': 'the signature has expired: check the clock, then retry',
    'bucket-not-found': 'there is no such bucket: restart the demo, then retry',
    'not-found': 'the server has lost track of the upload: retry',
    exists: 'there is a file of this name already: rename yours',
    conflict: 'another upload has this name: wait for it, or rename the file',
    integrity: 'the data was damaged on its way: retry',
    'session-lost': 'the server forgot the upload again and again: retry',
    'bad-request': 'the server did not take it: rename the file, then retry',
    unavailable: 'the server is busy or failing: retry in a while',
    locked: 'another tab is uploading it already: wait for that',
    'hashing-failed': 'the SHA-1 could not be computed: reload this page, then retry',
  },
  zh: {
    'invalid-options': '页面配置有误，请重启演示',
    'source-unreadable': '文件无法读取，请重新添加',
    'source-changed': '文件在上传期间被改动，请重新添加',
    'source-not-replayable': '文件无法再次读取，请重新添加',
    network: '连接不上服务器，请确认演示正在运行，然后重试',
    timeout: '服务器响应超时，请重试',
    'bad-reply': '服务器的应答无法识别，请重启演示后重试',
    'signing-failed': '未能取得签名，请确认演示正在运行，然后重试',
    unauthorized: '服务器拒绝访问，请刷新本页后重试',
    'signature-expired': '签名已过期，请检查系统时间后重试',
    'bucket-not-found': '存储桶不存在，请重启演示后重试',
    'not-found': '服务器上找不到这次上传，请重试',
    exists: '已有同名文件，请改名后再添加',
    conflict: '同名的另一个文件正在上传，请等它完成，或改名后再添加',
    integrity: '数据在传输途中损坏，请重试',
    'session-lost': '服务器多次丢失上传进度，请重试',
    'bad-request': '服务器不接受该请求，请将文件改名后重试',
    unavailable: '服务器繁忙或出现故障，请稍后重试',
    locked: '另一个标签页正在上传此文件，请等它完成',
    'hashing-failed': '无法计算 SHA-1，请刷新本页后重试',
  },
};

/** Why an upload has failed and what to do about it, in a few words. */
export function reasonOf(error: Error | undefined, language: Language): string {
  return (isCosSliceError(error) && reasons[language][error.code]) || (error?.message ?? '');
}
