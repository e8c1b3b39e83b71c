// What the 32 body bytes mean, by kind. Prices and sizes: units of 1e-9, Int64.max = absent (`FixedPoint`).

/// `last` and `all_last`: i64 price, i64 size, 10 bytes exchange, 6 bytes special conditions (NUL-padded, blanks kept).
public struct TradeBody: Sendable, Equatable {
    public static let exchangeRange = 16..<26
    public static let conditionsRange = 26..<32

    public var price: Int64
    public var size: Int64
    /// At most 10 bytes here; a longer name goes on in a `more` record.
    public var exchange: [UInt8]
    /// At most 6 bytes here; a longer text goes on in a `more` record.
    public var conditions: [UInt8]

    public init(price: Int64, size: Int64, exchange: [UInt8] = [], conditions: [UInt8] = []) {
        self.price = price
        self.size = size
        self.exchange = exchange
        self.conditions = conditions
    }

    public init(_ body: TickBody) {
        price = Int64(bitPattern: body.word0)
        size = Int64(bitPattern: body.word1)
        exchange = body.text(TradeBody.exchangeRange)
        conditions = body.text(TradeBody.conditionsRange)
    }

    public var body: TickBody {
        var body = TickBody(price, size)
        body.setText(exchange, TradeBody.exchangeRange)
        body.setText(conditions, TradeBody.conditionsRange)
        return body
    }
}

/// `bid_ask`: i64 bid price, i64 ask price, i64 bid size, i64 ask size.
public struct QuoteBody: Sendable, Equatable {
    public var bidPrice: Int64
    public var askPrice: Int64
    public var bidSize: Int64
    public var askSize: Int64

    public init(bidPrice: Int64, askPrice: Int64, bidSize: Int64, askSize: Int64) {
        self.bidPrice = bidPrice
        self.askPrice = askPrice
        self.bidSize = bidSize
        self.askSize = askSize
    }

    public init(_ body: TickBody) {
        bidPrice = Int64(bitPattern: body.word0)
        askPrice = Int64(bitPattern: body.word1)
        bidSize = Int64(bitPattern: body.word2)
        askSize = Int64(bitPattern: body.word3)
    }

    public var body: TickBody { TickBody(bidPrice, askPrice, bidSize, askSize) }
}

/// `mid_point`: i64 price, 24 zero bytes.
public struct MidPointBody: Sendable, Equatable {
    public var price: Int64
    public init(price: Int64) { self.price = price }
    public init(_ body: TickBody) { price = Int64(bitPattern: body.word0) }
    public var body: TickBody { TickBody(price, 0) }
}

/// `level1`: u16 TWS field id, u16 attribute mask, u32 zero, f64 value, i64 size, 8 bytes text.
public struct Level1Body: Sendable, Equatable {
    public static let textRange = 24..<32

    /// The TWS tick type, kept unchanged even when unknown.
    public var field: UInt16
    public var attributes: UInt16
    /// NaN when the message carries no number.
    public var value: Double
    public var size: Int64
    public var text: [UInt8]

    public init(
        field: UInt16, attributes: UInt16 = 0, value: Double = .nan, size: Int64 = FixedPoint.absent, text: [UInt8] = []
    ) {
        self.field = field
        self.attributes = attributes
        self.value = value
        self.size = size
        self.text = text
    }

    public init(_ body: TickBody) {
        field = UInt16(truncatingIfNeeded: body.word0)
        attributes = UInt16(truncatingIfNeeded: body.word0 >> 16)
        value = Double(bitPattern: body.word1)
        size = Int64(bitPattern: body.word2)
        text = body.text(Level1Body.textRange)
    }

    public var body: TickBody {
        var body = TickBody(
            UInt64(field) | UInt64(attributes) << 16, value.bitPattern, UInt64(bitPattern: size), 0)
        body.setText(text, Level1Body.textRange)
        return body
    }
}

/// `depth`: u16 position, u8 operation, u8 side, u32 zero, i64 price, i64 size, 8 bytes market maker.
public struct DepthBody: Sendable, Equatable {
    public static let marketMakerRange = 24..<32

    public var position: UInt16
    /// 0 insert, 1 update, 2 delete.
    public var operation: UInt8
    /// 0 ask, 1 bid.
    public var side: UInt8
    public var price: Int64
    public var size: Int64
    public var marketMaker: [UInt8]

    public init(position: UInt16, operation: UInt8, side: UInt8, price: Int64, size: Int64, marketMaker: [UInt8] = []) {
        self.position = position
        self.operation = operation
        self.side = side
        self.price = price
        self.size = size
        self.marketMaker = marketMaker
    }

    public init(_ body: TickBody) {
        position = UInt16(truncatingIfNeeded: body.word0)
        operation = UInt8(truncatingIfNeeded: body.word0 >> 16)
        side = UInt8(truncatingIfNeeded: body.word0 >> 24)
        price = Int64(bitPattern: body.word1)
        size = Int64(bitPattern: body.word2)
        marketMaker = body.text(DepthBody.marketMakerRange)
    }

    public var body: TickBody {
        var body = TickBody(
            UInt64(position) | UInt64(operation) << 16 | UInt64(side) << 24, UInt64(bitPattern: price),
            UInt64(bitPattern: size), 0)
        body.setText(marketMaker, DepthBody.marketMakerRange)
        return body
    }
}

/// `rt_volume`: i64 price, i64 size, i64 total volume, i64 vwap (the record's `tsEventNanos` has its milliseconds).
public struct RTVolumeBody: Sendable, Equatable {
    public var price: Int64
    public var size: Int64
    public var totalVolume: Int64
    public var vwap: Int64

    public init(price: Int64, size: Int64, totalVolume: Int64, vwap: Int64) {
        self.price = price
        self.size = size
        self.totalVolume = totalVolume
        self.vwap = vwap
    }

    public init(_ body: TickBody) {
        price = Int64(bitPattern: body.word0)
        size = Int64(bitPattern: body.word1)
        totalVolume = Int64(bitPattern: body.word2)
        vwap = Int64(bitPattern: body.word3)
    }

    public var body: TickBody { TickBody(price, size, totalVolume, vwap) }
}
