// @ts-check
import ts from 'typescript';

/**
 * Counts how often each branch of a source is taken: every block, case, arm of a conditional, right side of a logical operator,
 * body of an arrow function and default value is preceded by a count of its own.
 *
 * V8's own block coverage would need no source, but costs half a millisecond each time it is asked, which is as much as thirty
 * inputs take, and forgets what the garbage collector takes with it.
 *
 * @param {string} text TypeScript or JavaScript
 * @param {string} count the expression that counts, called with the number of a branch
 * @param {() => number} nextBranch
 * @returns {{ text: string, words: string[] }} the source with its counts, and what it compares texts with
 */
export function instrument(text, count, nextBranch) {
  const file = ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest, true);
  /** @type {{ at: number, text: string, isEnd: boolean }[]} */
  const insertions = [];
  /** @type {Set<string>} */
  const words = new Set();
  const call = () => `${count}(${nextBranch()})`;
  const insert = (/** @type {number} */ at, /** @type {string} */ piece, isEnd = false) =>
    insertions.push({ at, text: piece, isEnd });
  /** @param {ts.Expression} node */
  const wrap = (node) => {
    insert(node.getStart(file), `(${call()}, `);
    insert(node.getEnd(), ')', true);
  };
  /** @param {ts.Statement | undefined} node */
  const embrace = (node) => {
    if (!node || ts.isBlock(node)) return;
    insert(node.getStart(file), `{ ${call()}; `);
    insert(node.getEnd(), ' }', true);
  };

  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isBlock(node)) insert(node.getStart(file) + 1, ` ${call()};`);
    else if (ts.isIfStatement(node)) {
      embrace(node.thenStatement);
      // The else of an else-if is a statement, too: its condition tells enough.
      if (node.elseStatement && !ts.isIfStatement(node.elseStatement)) embrace(node.elseStatement);
    } else if (ts.isIterationStatement(node, false)) embrace(node.statement);
    else if (ts.isCaseOrDefaultClause(node)) {
      const [first] = node.statements;
      if (first) insert(first.getStart(file), `${call()}; `);
    } else if (ts.isConditionalExpression(node)) {
      wrap(node.whenTrue);
      wrap(node.whenFalse);
    } else if (ts.isBinaryExpression(node)) {
      const { AmpersandAmpersandToken, BarBarToken, QuestionQuestionToken } = ts.SyntaxKind;
      const { kind } = node.operatorToken;
      if (kind === AmpersandAmpersandToken || kind === BarBarToken || kind === QuestionQuestionToken) wrap(node.right);
    } else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) wrap(node.body);
    else if ((ts.isParameter(node) || ts.isBindingElement(node)) && node.initializer) wrap(node.initializer);
    else if (ts.isStringLiteralLike(node) && node.text.length > 0 && node.text.length <= 40) words.add(node.text);
    else if (ts.isPropertyAssignment(node) && ts.isIdentifier(node.name)) words.add(node.name.text);
    ts.forEachChild(node, visit);
  };
  visit(file);

  // Ends come before beginnings at the same place, and inner ends, which were found later, before outer ones.
  const ordered = insertions
    .map((insertion, index) => ({ ...insertion, index }))
    .sort((one, other) => {
      if (one.at !== other.at) return one.at - other.at;
      if (one.isEnd !== other.isEnd) return one.isEnd ? -1 : 1;
      return one.isEnd ? other.index - one.index : one.index - other.index;
    });
  let result = '';
  let from = 0;
  for (const { at, text: piece } of ordered) {
    result += text.slice(from, at) + piece;
    from = at;
  }
  return { text: result + text.slice(from), words: [...words] };
}
