import { type Flag, type Flags, type Given, nameOf, readFlags } from './flags.ts';
import { CONNECTION } from './settings.ts';

/** What two servers are told apart by, where a command has to do with two. */
export type Side = 'from' | 'to';

const { wire: _addressesSayIt, ...OF_A_SERVER } = CONNECTION;
const SIDES: Readonly<Record<Side, string>> = { from: 'SRC', to: 'DST' };

const keyOf = (side: Side, name: string): string => `${side}${name.charAt(0).toUpperCase()}${name.slice(1)}`;

/** `--from-endpoint`, `--to-endpoint` and so on: what is not given is as for both. */
export const SIDE_FLAGS: Flags = Object.fromEntries(
  (['from', 'to'] as const).flatMap((side) =>
    Object.entries(OF_A_SERVER).map(([name, flag]: [string, Flag]) => {
      const long = nameOf(flag).slice(2);
      const variable = `COS_SLICE_${side}_${long}`.toUpperCase().replaceAll('-', '_');
      const own: Flag = {
        ...flag,
        usage: flag.usage.replace('--', `--${side}-`),
        doc: `of ${SIDES[side]}: --${long}`,
        ...(flag.usage.includes('<') && { variable }),
      };
      return [keyOf(side, name), own];
    }),
  ),
);

/** What is given for one side, by the names that the flags for both have. @throws UsageError */
export function givenFor(side: Side, given: Readonly<Record<string, Given>>): Readonly<Record<string, Given>> {
  const own = Object.fromEntries(
    Object.entries(readFlags(SIDE_FLAGS, given)).filter(([, value]) => value !== undefined && value !== false),
  );
  const named = Object.keys(OF_A_SERVER).flatMap((name) => {
    const value = own[keyOf(side, name)];
    return typeof value === 'string' || typeof value === 'boolean' ? [[name, value] as const] : [];
  });
  // Which of the ways to sign one side has must not be in the way of what is for both.
  const isSigned = named.some(([name]) => name === 'url' || name === 'credentialsUrl' || name === 'secretKey');
  const { url, credentialsUrl, secretKey, ...rest } = given;
  return { ...rest, ...(!isSigned && { url, credentialsUrl, secretKey }), ...Object.fromEntries(named) };
}
