import { relative } from 'node:path';
import { TASK } from './task.js';

/** Mistakes after which it is said how far it has come. */
const EVERY = 50;

/** Says at once what no test has found, and at the end how much was found. */
class Report {
  found = 0;
  missed = 0;
  looping = 0;
  hanging = 0;

  onMutantTested({ fileName, location, status, statusReason, mutatorName, replacement = '' }) {
    const isHanging = status === 'Timeout' && !isLoop(statusReason);
    const isMissed = status === 'Survived' || status === 'NoCoverage';
    // The others were left out.
    if (!isMissed && status !== 'Killed' && status !== 'Timeout') return;
    if (isMissed) this.missed += 1;
    else this.found += 1;
    if (isHanging) this.hanging += 1;
    else if (status === 'Timeout') this.looping += 1;
    if ((this.found + this.missed) % EVERY === 0) this.tell();
    if (!isMissed && !isHanging) return;
    const place = `${relative(process.cwd(), fileName)}:${location.start.line}:${location.start.column}`;
    const what = replacement.replace(/\s+/g, ' ').slice(0, 120);
    console.log(`  ${isHanging ? 'HANGS' : 'MISSED'} ${place} ${mutatorName}: ${what}`);
  }

  onMutationTestReportReady() {
    this.tell();
  }

  tell() {
    const { found, missed, looping, hanging } = this;
    const score = ((100 * found) / (found + missed)).toFixed(1);
    const stopped = `${looping} went round without end, ${hanging} waited without end`;
    console.log(`${TASK.room} ${TASK.only}: ${found} of ${found + missed} found, ${score}% (${stopped})`);
  }
}

/** It went round so often that it was stopped, however fast the machine is. */
function isLoop(reason) {
  return reason?.startsWith('Hit limit reached') === true;
}

export const strykerPlugins = [{ kind: 'Reporter', name: 'report', injectableClass: Report }];
