import Mention from "@tiptap/extension-mention";
import { getSchemaTypeByName } from "../../open-tiptap/packages/core/src/helpers/getSchemaTypeByName";
import { Placeholder } from "@tiptap/extension-placeholder";

// import { secret } from "@tiptap/core/src/in-a-comment" is no import.
export const mentions = Mention.extend({
  onCreate: () => getSchemaTypeByName("mention", Placeholder.config),
});
