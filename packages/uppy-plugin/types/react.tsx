// As users.ts, with React's Dashboard. (The headless components of @uppy/react 6 do not pass library checks themselves.)
import CosSlice from '@cos-slice/uppy-plugin';
import Uppy from '@uppy/core';
import Dashboard from '@uppy/react/dashboard';

const uppy = new Uppy<{ album: string }>().use(CosSlice, { endpoint: '', appId: '', bucket: '', signUrl: '/sign' });
console.log(<Dashboard uppy={uppy} />);
