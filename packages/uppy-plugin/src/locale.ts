export type CosSliceStrings = Record<'dataMissing' | 'remoteFile' | 'uninstalled', string>;

/** English, the default. */
export const enUS: { readonly strings: CosSliceStrings } = {
  strings: {
    dataMissing: 'The file is not here any more, only its name: select it again, and its upload continues.',
    remoteFile: 'Files from remote sources cannot be uploaded here: save it to this device and add it from there.',
    uninstalled: 'The upload was stopped before it was done: start it again.',
  },
};

/** 简体中文 */
export const zhCN: { readonly strings: CosSliceStrings } = {
  strings: {
    dataMissing: '文件内容已不在页面中,只剩文件名:请重新选择该文件,上传会从中断处继续。',
    remoteFile: '无法上传来自远程来源的文件:请先保存到本设备,再从本设备添加。',
    uninstalled: '上传在完成之前被停止:请重新开始上传。',
  },
};
