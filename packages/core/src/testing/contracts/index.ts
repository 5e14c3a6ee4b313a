export { type ContractCase, patternBytes } from './contract.ts';
export { type HasherSubject, hasherContract, type MakeHasher } from './hasher.ts';
export { receivingContract } from './receiving.ts';
export { type MakeResumeStore, resumeStoreContract } from './resume-store.ts';
export { type MakeSource, type SourceSubject, sourceContract } from './source.ts';
export { type MakeTransport, type TransportSubject, transportContract } from './transport.ts';
