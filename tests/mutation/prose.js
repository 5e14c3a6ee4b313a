/** Words for people: several of them, as no field, code or name of the protocol has. */
const PROSE = /[a-z,;:)] [a-z(]/i;

/** Tests hold what a message is about, not its wording. */
const prose = {
  shouldIgnore({ node }) {
    return textsOf(node).some((text) => PROSE.test(text)) ? 'the wording of a message' : undefined;
  },
};

function textsOf(node) {
  if (node?.type === 'StringLiteral') return [node.value];
  return node?.type === 'TemplateLiteral' ? node.quasis.map(({ value }) => value.cooked) : [];
}

export const strykerPlugins = [{ kind: 'Ignore', name: 'prose', value: prose }];
