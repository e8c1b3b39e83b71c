// TickStore
