let statusCommand = Command.notBuilt("status", usage: "[--json]", "Shows services, streams and lags.")
