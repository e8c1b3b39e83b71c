internal import Messaging
internal import ServiceKit

/// The heal thread: fills gaps from the gateway's history while the recorder answers.
///
/// It has no memory of its own: what is missing, and what earlier runs brought, the recorder's files say.
func runHeal(
    _ task: TaskContext, context: Context, paths: Paths, mailbox: HealMailbox, status: ConnectorStatus,
    durable: DurableBoard
) throws {
    var healer = try Healer(
        task, context: context, paths: paths, mailbox: mailbox, status: status,
        abandoned: AbandonedStreams(durable))
    try healer.run()
}
