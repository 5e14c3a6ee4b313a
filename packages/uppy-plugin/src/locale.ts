import type { ErrorCode } from '@cos-slice/browser';

/** What the plugin says. `%{percent}` is a whole number. */
export type CosSliceStrings = Readonly<
  Record<'dataMissing' | 'remoteFile' | 'uninstalled' | StatusKey | FailureKey, string>
>;

/** What an upload is doing while nothing of it is on its way. */
export type StatusKey = 'statusHashing' | 'statusWaitingForNetwork' | 'statusRetrying' | 'statusFinishing';

/** Why an upload has failed, and what to do about it. */
export type FailureKey = `failed-${ErrorCode}`;

/** English, the default. */
export const enUS: { readonly strings: CosSliceStrings } = {
  strings: {
    dataMissing: 'The file is not here any more, only its name: select it again, and its upload continues.',
    remoteFile: 'Files from remote sources cannot be uploaded here: save it to this device and add it from there.',
    uninstalled: 'The upload was stopped before it was done: start it again.',

    statusHashing: 'Computing the checksum (%{percent}%)',
    statusWaitingForNetwork: 'Waiting for the network',
    statusRetrying: 'Trying again',
    statusFinishing: 'Finishing',

    'failed-invalid-options': 'This page is set up wrongly for this file: tell those who run it.',
    'failed-source-unreadable': 'The file cannot be read: add it again.',
    'failed-source-changed': 'The file was changed meanwhile: add it again.',
    'failed-source-not-replayable': 'The file cannot be read twice: add it again.',
    'failed-network': 'There is no connection to the server: check the network, then retry.',
    'failed-timeout': 'The server took too long to answer: retry.',
    'failed-bad-reply': 'The answer of the server was not understood: retry later.',
    'failed-signing-failed': 'Permission for the upload could not be obtained: retry, or sign in again.',
    'failed-unauthorized': 'The server did not permit the upload: reload this page, then retry.',
    'failed-signature-expired':
      'The permission for the upload has expired: check the clock of this device, then retry.',
    'failed-bucket-not-found': 'The place that files go to does not exist: tell those who run this page.',
    'failed-not-found': 'The server has lost track of the upload: retry.',
    'failed-exists': 'A file of this name is there already: rename yours.',
    'failed-wrong-kind': 'A folder is where the file should go: rename yours.',
    'failed-not-empty': 'The folder on the server is not empty: ask whoever runs this page.',
    'failed-object-changed': 'The file on the server has changed: retry.',
    'failed-target-unwritable': 'The file could not be saved: make room on the disk, then retry.',
    'failed-conflict': 'Another upload has this name: wait for it, or rename the file.',
    'failed-integrity': 'The data was damaged on its way: retry.',
    'failed-session-lost': 'The server forgot the upload again and again: retry later.',
    'failed-bad-request': 'The server did not take the file: rename it, then retry.',
    'failed-unavailable': 'The server is busy or failing: retry in a while.',
    'failed-locked': 'The file is being uploaded elsewhere, perhaps in another tab: wait for that.',
    'failed-hashing-failed': 'The checksum of the file could not be computed: reload this page, then retry.',
  },
};

/** 简体中文 */
export const zhCN: { readonly strings: CosSliceStrings } = {
  strings: {
    dataMissing: '文件内容已不在页面中，只剩文件名：请重新选择该文件，上传会从中断处继续。',
    remoteFile: '无法上传来自远程来源的文件：请先保存到本设备，再从本设备添加。',
    uninstalled: '上传在完成之前被停止：请重新开始上传。',

    statusHashing: '正在计算校验值（%{percent}%）',
    statusWaitingForNetwork: '正在等待网络恢复',
    statusRetrying: '正在重试',
    statusFinishing: '正在收尾',

    'failed-invalid-options': '本页面的设置不适用于该文件，请告知网站管理者。',
    'failed-source-unreadable': '文件无法读取，请重新添加。',
    'failed-source-changed': '文件在上传期间被改动，请重新添加。',
    'failed-source-not-replayable': '文件无法再次读取，请重新添加。',
    'failed-network': '连接不上服务器，请检查网络后重试。',
    'failed-timeout': '服务器响应超时，请重试。',
    'failed-bad-reply': '服务器的应答无法识别，请稍后重试。',
    'failed-signing-failed': '未能取得上传许可，请重试，或重新登录。',
    'failed-unauthorized': '服务器不允许此次上传，请刷新页面后重试。',
    'failed-signature-expired': '上传许可已过期，请检查本设备的时间后重试。',
    'failed-bucket-not-found': '存放文件的存储桶不存在，请告知网站管理者。',
    'failed-not-found': '服务器上找不到这次上传，请重试。',
    'failed-exists': '已有同名文件，请改名后再上传。',
    'failed-wrong-kind': '目标位置是一个文件夹，请改名后再上传。',
    'failed-not-empty': '服务器上的文件夹不是空的，请联系本页面的管理员。',
    'failed-object-changed': '服务器上的文件已发生变化，请重试。',
    'failed-target-unwritable': '文件无法保存，请清理磁盘空间后重试。',
    'failed-conflict': '同名的另一个文件正在上传，请等它完成，或改名后再上传。',
    'failed-integrity': '数据在传输途中损坏，请重试。',
    'failed-session-lost': '服务器多次丢失上传进度，请稍后重试。',
    'failed-bad-request': '服务器不接受该文件，请改名后重试。',
    'failed-unavailable': '服务器繁忙或出现故障，请稍后重试。',
    'failed-locked': '该文件正在别处上传，可能是另一个标签页，请等它完成。',
    'failed-hashing-failed': '无法计算文件的校验值，请刷新页面后重试。',
  },
};
