let exportCommand = Command.notBuilt("export", usage: "--out DIR [FLAGS]", "Writes one file per stream.")
