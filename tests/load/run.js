// @ts-check
import { runProgram } from '../support/program.js';

await runProgram('load', ['main']);
