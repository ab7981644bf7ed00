"""Facts: what files say, each with its place. Immutable, and judged by nobody yet."""
