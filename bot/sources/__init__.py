"""Where bytes come from: a working tree, a commit, a folder without git, memory."""
