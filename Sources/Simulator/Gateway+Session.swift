internal import ServiceKit
internal import TWS

/// From the first byte of a connection to its requests.
extension Gateway {
    /// A connection that has not logged in after so long is closed.
    static let loginNanos: Int64 = 60_000_000_000

    /// Reads from a client and acts on all complete frames.
    func receive(from client: ClientSession) {
        client.receive()
        while client.endCause == nil, !client.isClosing {
            do throws(FrameError) {
                guard let body = try client.reader.next() else { return }
                accept(body, from: client)
            } catch {
                return client.end("bad input: \(error)")
            }
        }
    }

    func endSlowLogins() {
        for client in clients
        where client.phase != .ready && nowBootNanos - client.connectedAtNanos > Gateway.loginNanos {
            client.end("no login within \(Gateway.loginNanos / 1_000_000_000) s")
        }
    }

    private func accept(_ body: UnsafeRawBufferPointer, from client: ClientSession) {
        switch client.phase {
        case .prefix: client.end("bad input: a frame in front of the greeting")
        case .hello: greet(client, body)
        case .start, .ready: request(body, from: client)
        }
    }

    private func greet(_ client: ClientSession, _ body: UnsafeRawBufferPointer) {
        do throws(HandshakeError) {
            let hello = try ClientHello(parsing: body)
            guard let version = hello.negotiate(versions) else {
                return client.end(
                    "it offers versions \(hello.versions.lowerBound) to \(hello.versions.upperBound), here are "
                        + "\(versions.lowerBound) to \(versions.upperBound)")
            }
            client.serverVersion = version
            client.phase = .start
            let local = MarketZone.eastern.local(atUTC: nowNanos / 1_000_000_000)
            // Nothing else may follow before startApi: some clients throw away what comes behind this frame.
            ServerHello(
                version: version, connectionTime: "\(local.compactDate) \(local.clock) \(MarketZone.eastern.name)"
            ).encode(to: &client.output.bytes)
        } catch {
            client.end("bad input: \(error)")
        }
    }

    private func request(_ body: UnsafeRawBufferPointer, from client: ClientSession) {
        let request: ClientRequest
        do throws(DecodeError) {
            request = try ClientRequest(decoding: body, serverVersion: client.serverVersion)
        } catch {
            return misread(error, client)
        }
        guard client.phase == .ready else {
            guard case .startApi(let clientId, _) = request else {
                return client.end("a request in front of startApi")
            }
            return logIn(client, clientId: clientId)
        }
        if options.enforce {
            switch client.messageRate.count(nowNanos: nowBootNanos) {
            case .fine: break
            case .violation:
                violations += 1
                client.sendError(Notice.messageRate, nowNanos: nowNanos)
            case .disconnect:
                violations += 1
                client.sendError(Notice.messageRate, nowNanos: nowNanos)
                client.isClosing = true
                return
            }
        }
        answer(request, from: client)
    }

    /// A frame that is no message at all ends the connection; a message with a field that cannot be is answered with
    /// 320, as the real gateway does.
    private func misread(_ error: DecodeError, _ client: ClientSession) {
        guard client.phase == .ready, error.message > 0 else { return client.end("bad input: \(error)") }
        log(.warning, "request not understood", ["connection": "\(client.number)", "cause": "\(error)"])
        client.sendError(
            (320, "Error reading request. Message id: \(error.message), field \(error.field): \(error.reason)"),
            nowNanos: nowNanos)
    }

    private func logIn(_ client: ClientSession, clientId: Int32) {
        guard !clients.contains(where: { $0 !== client && $0.isReady && $0.clientId == clientId }) else {
            client.sendError(Notice.duplicateClientId, nowNanos: nowNanos)
            client.isClosing = true
            return
        }
        client.clientId = clientId
        client.phase = .ready
        client.send(.managedAccounts(Gateway.accounts))
        client.send(.nextValidId(1))
        for farm in Set(instruments.map(\.farm)).sorted() {
            let isBroken = faults.brokenFarms.contains(farm)
            client.sendError(
                isBroken
                    ? (2_103, "Market data farm connection is broken:\(farm)")
                    : (2_104, "Market data farm connection is OK:\(farm)"), nowNanos: nowNanos)
        }
        client.sendError((2_106, Notice.text(ofCode: 2_106)), nowNanos: nowNanos)
        client.sendError((2_158, Notice.text(ofCode: 2_158)), nowNanos: nowNanos)
        log(
            .info, "client logged in",
            ["connection": "\(client.number)", "client": "\(clientId)", "version": "\(client.serverVersion)"])
    }
}
