// TWS
