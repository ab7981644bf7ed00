import { Editor } from "@tiptap/core";
import { createChainableState } from "@tiptap/core/dist/index.js";
import { isNodeEmpty } from "@tiptap/core/src/helpers/isNodeEmpty";
import StarterKit from "@tiptap/starter-kit";
import { Plugin } from "@tiptap/pm/state";

import { mentions } from "./mentions.js";

export function notesEditor(element: HTMLElement): Editor {
  const audit = new Plugin({
    appendTransaction: (transactions, _before, state) => {
      const chained = createChainableState({ state, transaction: transactions[0]! });
      return isNodeEmpty(chained.doc) ? null : state.tr;
    },
  });
  const editor = new Editor({ element, extensions: [StarterKit, mentions] });
  editor.registerPlugin(audit);
  return editor;
}
