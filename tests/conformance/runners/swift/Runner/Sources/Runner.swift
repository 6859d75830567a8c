// The Swift runner: makes the calls that the harness requests, through the package's public API. A call is cancelled by
// its task.

import Celper
import Foundation

@main
struct Runner {
    static func main() throws {
        try Celper.fromEnvironment().close()
        write(["ready": "swift"])
        var runner = Runner()
        while let line = readLine() { try runner.handle(Command(line)) }
        // Calls in progress end with the process.
    }

    private var clients: [String?: Celper] = [:]
    private var cancellable: (id: Int, task: Task<Void, Never>)?

    private mutating func handle(_ command: Command) throws {
        let id = command.id
        switch command.name {
        case .open:
            do {
                let client = try command.options?.open() ?? .fromEnvironment()
                clients[command.client] = client
                respond(id, opened(client))
            } catch {
                respond(id, thrown(error))
            }
        case .call, .batch:
            let client = clients[command.client]
            let task = Task {
                do {
                    respond(id, try await command.name == .batch ? command.batch(client) : command.call(client))
                } catch {
                    respond(id, thrown(error))
                }
            }
            if command.cancellable == true { cancellable = (id, task) }
        case .cancel:
            if let (id, task) = cancellable, id == command.callId { task.cancel() }
        case .close:
            clients[command.client]?.close()
            respond(id, ["closed": true])
        }
    }
}

struct InvalidCommand: Error {
    let text: String

    init(_ text: String) { self.text = text }
}
