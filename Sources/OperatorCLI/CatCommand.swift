let catCommand = Command.notBuilt("cat", usage: "STREAM|FILE [FLAGS]", "Prints what is recorded of a stream.")
